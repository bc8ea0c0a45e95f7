"""What a failed request means: the service's own code and message, the innermost cause, and what to do about it.

obstore has exceptions for some codes only; all of them, and the causes of a connection that failed, are in its text.
"""

import re
from pathlib import Path

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from model_runtime.errors import AccessDeniedError, BucketNotFoundError, CredentialsError, StorageError

REFUSED_CREDENTIALS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
"""Amazon S3, list of error codes."""

_CODE = re.compile(r"<Code>([\w.]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,400})")
_REGION = re.compile(r"<Region>([\w-]{1,40})</Region>|expecting '([\w-]{1,40})'")
_STATUS = re.compile(r"\b([45]\d\d) [A-Z][a-z]+")

_BY_CODE = {
    "RequestTimeTooSkewed": "set this machine's clock",
    "SlowDown": "the service is busy, try again in a moment",
    "ServiceUnavailable": "the service is busy, try again in a moment",
    "InternalError": "the service failed, try again in a moment",
    "NotImplemented": "this service cannot do what a registry needs, keep it in another",
}
_BY_CAUSE = (
    (
        ("connection refused", "could not connect"),
        "nothing listens there",
        "check the endpoint (AWS_ENDPOINT_URL, or the profile's)",
    ),
    (
        ("dns error", "failed to lookup", "name or service not known"),
        "the host's name is not known",
        "check the endpoint (AWS_ENDPOINT_URL, or the profile's) and the network",
    ),
    (
        ("unknownissuer", "invalid peer certificate", "certificate verify", "certificate"),
        "its certificate is not trusted",
        "name the file of the authority's certificate in AWS_CA_BUNDLE or the profile's ca_bundle",
    ),
    (
        ("corrupt message", "invalidcontenttype", "wrong version number", "received fatal alert"),
        "it does not speak TLS",
        "write http:// in the endpoint if it is meant to be a plain one",
    ),
    (
        ("timed out", "timedout", "kind: timeout", "read timeout", "connect timeout"),
        "it did not answer in time",
        "try again, and check the network if that does not help",
    ),
    (
        (
            "connectionreset",
            "connection reset",
            "connection was closed",
            "brokenpipe",
            "broken pipe",
            "incompletemessage",
            "bodywriteaborted",
        ),
        "the connection was cut",
        "try again",
    ),
)


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket itself is not there."""
    return "NoSuchBucket" in str(error)


def is_unanswered(error: Exception) -> bool:
    """Whether there was no answer at all, so that a write may have been done or refused unheard."""
    return _CODE.search(str(error)) is None and _STATUS.search(str(error)) is None


def or_folder(location: str) -> str:
    """What to write for the folder that has a bucket's name, where there is one; empty otherwise."""
    name = location.removeprefix("s3://").partition("?")[0]
    return f"; for the folder {name} write ./{name}" if Path(name).is_dir() else ""


def explained(error: Exception, location: str, action: str, *, endpoint: str | None = None) -> StorageError:
    """The error to raise for a failed request, in one line."""
    text = str(error)
    code = found[1] if (found := _CODE.search(text)) else ""
    message = found[1].strip() if (found := _MESSAGE.search(text)) else ""
    said = f" ({code}: {message})" if code and message else f" ({code})" if code else ""
    failed = f"{location}: cannot {action}{said}"
    return (
        _refused(error, code, message, location, f"{action}{said}")
        or _misplaced(error, code, location, failed)
        or (StorageError(_with_remedy(failed, _BY_CODE.get(code))) if code else None)
        or StorageError(f"{failed}: {_cause(text, endpoint)}")
    )


def _refused(error: Exception, code: str, message: str, location: str, action: str) -> StorageError | None:
    """Credentials that are not accepted, or that may not do this."""
    text = str(error)
    if _from_credentials(error):
        return CredentialsError(f"{location}: the AWS credentials cannot be used: {_innermost(error)}")
    if isinstance(error, UnauthenticatedError) or any(one in text for one in REFUSED_CREDENTIALS):
        return CredentialsError(
            f"{location}: the credentials were refused ({action}): refresh them, for example by `aws sso login`"
        )
    if code == "RequestTimeTooSkewed":
        return None
    if code.startswith("KMS.") or (code == "AccessDenied" and "kms:" in message.lower()):
        return AccessDeniedError(
            f"{location}: not allowed to {action}: have the bucket's KMS key granted to these credentials"
        )
    if isinstance(error, PermissionDeniedError) or "403 Forbidden" in text:
        return AccessDeniedError(
            f"{location}: not allowed to {action}: use credentials that may, or have them granted{or_folder(location)}"
        )
    return None


def _misplaced(error: Exception, code: str, location: str, failed: str) -> StorageError | None:
    """A bucket that is not there, or is in another region."""
    if is_missing_bucket(error):
        return BucketNotFoundError(
            f"{location}: there is no such bucket: check the name, account and region, "
            f"or deploy the registry stack first{or_folder(location)}"
        )
    if found := _REGION.search(str(error)):
        region = found[1] or found[2]
        return StorageError(f"{failed}: the bucket is in {region}, set AWS_REGION={region}")
    if code in {"PermanentRedirect", "AuthorizationHeaderMalformed"}:
        return StorageError(f"{failed}: set AWS_REGION to the bucket's region")
    return None


def _cause(text: str, endpoint: str | None) -> str:
    """Why there was no answer, with the remedy; the first line of what the library says where that is not known."""
    lower = text.lower()
    for words, cause, remedy in _BY_CAUSE:
        if any(word in lower for word in words):
            return f"{cause} ({endpoint or 'Amazon S3'}): {remedy}"
    return _first_line(text)


def _with_remedy(fact: str, remedy: str | None) -> str:
    return f"{fact}: {remedy}" if remedy else fact


def _from_credentials(error: Exception) -> bool:
    modules = {type(one).__module__.partition(".")[0] for one in _chain(error)}
    return "botocore" in modules or "botocore" in str(error)


def _innermost(error: Exception) -> str:
    *_, last = _chain(error)
    return _first_line(str(last)) or type(last).__name__


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    while error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__ or error
    return found


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:400]
