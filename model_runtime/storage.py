"""The only place that talks to object storage.

obstore does the work: it imports in a few milliseconds, which counts at a function's cold start, releases the GIL
while it downloads, and knows conditional writes. boto3 is asked for credentials where people use profiles or SSO;
in a function obstore finds them itself.
"""

import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConflictError,
    CredentialsError,
    InvalidNameError,
    StorageError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Amazon S3 general purpose bucket naming rules: 3 to 63 characters, lower case letters, digits, dots and hyphens.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# Amazon S3, list of error codes.
REFUSED_CREDENTIALS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")

_TOKEN = "writer"  # noqa: S105  # no password
"""Name of the user metadata (x-amz-meta-writer) that holds a writer's token."""

_CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"


@dataclass(frozen=True)
class Stored:
    """An object's bytes, and the ETag with which it can be replaced."""

    data: bytes
    etag: str | None


class Storage:
    """A bucket of immutable objects and of objects replaced by compare-and-swap."""

    def __init__(self, store: "ObjectStore", location: str) -> None:
        """Use any obstore store; `location` names it in messages."""
        self._store = store
        self.location = location

    @classmethod
    def open(cls, bucket: str, *, profile: str | None = None, region: str | None = None) -> "Storage":
        """Open a bucket (`NAME` or `s3://NAME`) with the credentials that the AWS CLI would use.

        AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names another S3-compatible service. Raises InvalidNameError for
        a bad bucket name and CredentialsError where there are no credentials or no region.
        """
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider

        name = bucket_name(bucket)
        try:
            session = aws_session(profile, region)
            credentials = session.get_credentials()
        except BotoCoreError as error:
            raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
        if credentials is None:
            raise CredentialsError(
                f"no AWS credentials to open s3://{name}: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
            )
        if session.region_name is None:
            raise CredentialsError(f"no AWS region to open s3://{name}: set AWS_REGION, or a region in the profile")
        # A person's upload of a large model may be slow.
        options = _options(session.region_name, timedelta(seconds=5), timedelta(minutes=15), timedelta(seconds=8))
        return cls(S3Store(name, **options, credential_provider=Boto3CredentialProvider(session)), f"s3://{name}")

    @classmethod
    def in_function(cls, bucket: str, *, seconds: float) -> "Storage":
        """Open a bucket from inside a Lambda function, with its role.

        Credentials are in the environment, except under SnapStart, where a container endpoint gives them and obstore
        renews them. A try that gets no connection is ended after an eighth of `seconds`, one that gets no byte after a
        quarter, and both are tried again while there is time; whoever reads still has to keep to `seconds` himself, as
        the last try may start late.
        """
        budget = timedelta(seconds=seconds)
        options = _options(os.environ["AWS_REGION"], budget / 8, budget, budget / 2)
        options["client_options"]["read_timeout"] = budget / 4
        uri = os.environ.get(_CONTAINER)
        if not uri:
            return cls(S3Store(bucket, **options), f"s3://{bucket}")
        # obstore takes the endpoint's token from a file only: one in memory, which is gone with the storage.
        token = os.memfd_create("token")
        os.write(token, os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "").encode())
        options["container_credentials_full_uri"] = uri
        options["container_authorization_token_file"] = f"/proc/self/fd/{token}"
        storage = cls(S3Store(bucket, **options), f"s3://{bucket}")
        weakref.finalize(storage, os.close, token)
        return storage

    def read(self, key: str) -> Stored | None:
        """Return the object, or None where there is none."""
        with self._errors(f"read {key}"):
            try:
                result = obstore.get(self._store, key)
                return Stored(result.bytes().to_bytes(), result.meta["e_tag"])
            except FileNotFoundError as error:
                if _no_bucket(error):
                    raise
                return None

    def create(self, key: str, data: bytes, *, token: str | None = None) -> None:
        """Write an object that must not exist yet; ConflictError where it does.

        `token`, unique to the caller, is kept with the object: a write whose answer was lost is known by it when it
        is tried again, and succeeds instead of being in conflict with itself.
        """
        attributes = {_TOKEN: token} if token else None
        with self._errors(f"write {key}"):
            try:
                obstore.put(self._store, key, data, mode="create", attributes=attributes)
            except (BaseError, FileNotFoundError) as error:
                if token and self._token(key) == token:
                    return
                if isinstance(error, AlreadyExistsError):
                    raise ConflictError(f"{self.location}/{key} exists already, nothing was written") from error
                raise

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        """Write over the object that has this ETag; ConflictError where it is another by now."""
        with self._errors(f"write {key}"):
            try:
                obstore.put(self._store, key, data, mode={"e_tag": etag})
            except PreconditionError as error:
                if _no_bucket(error):
                    raise
                raise ConflictError(
                    f"{self.location}/{key} was changed by another writer, nothing was written"
                ) from error

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is deleted already."""
        with self._errors(f"delete {key}"), suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, page by page."""
        return (key for key, _ in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every key below a prefix with the time of its last change, page by page."""
        with self._errors(f"list {prefix}"):
            for page in obstore.list(self._store, prefix):
                for entry in page:
                    yield entry["path"], entry["last_modified"]

    def folders(self, prefix: str) -> list[str]:
        """The names directly below a prefix that have keys below them, sorted as text."""
        with self._errors(f"list {prefix}"):
            result = obstore.list_with_delimiter(self._store, prefix)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in result["common_prefixes"])

    def _token(self, key: str) -> str | None:
        with suppress(BaseError, FileNotFoundError):
            return obstore.get(self._store, key, options={"head": True}).attributes.get(_TOKEN)
        return None

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise self._explained(error, action) from error

    def _explained(self, error: Exception, action: str) -> StorageError:
        # S3's own error codes are in the text; obstore has no exceptions for some of them.
        text = str(error)
        endpoint = os.environ.get(_CONTAINER)
        if endpoint and endpoint in text:
            return CredentialsError(f"{self.location}: {endpoint} gives no credentials: {_first_line(error)}")
        if isinstance(error, UnauthenticatedError) or any(code in text for code in REFUSED_CREDENTIALS):
            return CredentialsError(
                f"{self.location}: the credentials were refused ({action}): refresh them, say by `aws sso login`"
            )
        if isinstance(error, PermissionDeniedError) or "403 Forbidden" in text:
            return AccessDeniedError(
                f"{self.location}: not allowed to {action}: use credentials that may, or have them granted"
            )
        if _no_bucket(error):
            return BucketNotFoundError(
                f"{self.location}: there is no such bucket: check the name, account and region, "
                "or deploy the registry stack first"
            )
        return StorageError(f"{self.location}: cannot {action}: {_first_line(error)}")


def aws_session(profile: str | None = None, region: str | None = None) -> Any:
    """A boto3 session as the AWS CLI would have it; BotoCoreError where the profile does not exist."""
    import boto3  # here, as the function must not pay for it

    # boto3 reads AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION"))


def bucket_name(text: str) -> str:
    """Read `NAME` or `s3://NAME`; InvalidNameError where it is no bucket name."""
    name = text.removeprefix("s3://").rstrip("/")
    if _BUCKET.fullmatch(name):
        return name
    raise InvalidNameError(
        f"{text!r} is no bucket: write s3://NAME, the name having 3 to 63 lower case letters, digits, dots and hyphens"
    )


def _options(region: str, connect: timedelta, request: timedelta, retries: timedelta) -> dict[str, Any]:
    """What every store is given: region, endpoint, and how long to try."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    plain = bool(endpoint and endpoint.startswith("http://"))
    return {
        "region": region,
        "client_options": {"connect_timeout": connect, "timeout": request, "allow_http": plain},
        "retry_config": {"max_retries": 3, "retry_timeout": retries},
        **({"endpoint": endpoint} if endpoint else {}),
    }


def _no_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
