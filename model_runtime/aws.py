"""How people configure AWS, and what that means for a store: session, bucket name, endpoint, certificates, retries."""

import os
import re
from datetime import timedelta
from typing import Any

import msgspec

from model_runtime.errors import CredentialsError, InvalidNameError

# Amazon S3 general purpose bucket naming rules: 3 to 63 characters, lower case letters, digits, dots and hyphens.
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"


def aws_session(profile: str | None = None, region: str | None = None) -> Any:
    """A boto3 session as the AWS CLI would have it; BotoCoreError where the profile does not exist."""
    import boto3  # here, as the function must not pay for it

    # boto3 reads AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION"))


def names_folder(text: str) -> bool:
    """Whether a registry's place is a folder: `file:///PATH`, or a path that has a slash in it or begins with a dot."""
    if isinstance(text, str) and "://" not in text:
        return text.startswith(".") or os.sep in text
    return isinstance(text, str) and text.startswith("file://")


def bucket_name(text: str) -> str:
    """Read `NAME` or `s3://NAME`; InvalidNameError where it is not a bucket name."""
    name = text.removeprefix("s3://").rstrip("/") if isinstance(text, str) else ""
    if re.fullmatch(_BUCKET, name):
        return name
    raise InvalidNameError(
        f"{text!r} is not a bucket name: write s3://NAME, NAME being 3 to 63 lower case letters, digits, dots, hyphens"
    )


class BucketAddress(msgspec.Struct, frozen=True):
    """A bucket, and the account that must own it, where somebody said so."""

    name: str
    owner: str | None = None

    @property
    def asked(self) -> dict[str, str]:
        """What a request of boto3 says of the bucket: S3 refuses it where somebody else owns the bucket."""
        return {"Bucket": self.name, **({"ExpectedBucketOwner": self.owner} if self.owner else {})}


def bucket_address(text: str) -> BucketAddress:
    """Read `NAME`, `s3://NAME` or `s3://NAME?owner=ACCOUNT`; InvalidNameError where it is none of them."""
    place, question, query = text.partition("?") if isinstance(text, str) else (text, "", "")
    if isinstance(place, str) and names_folder(place.rstrip("/")):
        raise InvalidNameError(
            f"{text!r} is a folder and not a bucket: write s3://NAME; in Python open_storage({text!r}) opens a folder"
        )
    name = bucket_name(place)
    if not question:
        return BucketAddress(name)
    if not re.fullmatch("owner=[0-9]{12}", query):
        raise InvalidNameError(
            f"{query!r} does not say whose bucket s3://{name} is: write 's3://{name}?owner=ACCOUNT' with the 12 digits "
            "of the account that owns it"
        )
    return BucketAddress(name, query.removeprefix("owner="))


def store_options(
    region: str, endpoint: str | None, connect: timedelta, request: timedelta, retries: timedelta
) -> dict[str, Any]:
    """What every store is given: region, endpoint, and how long to try."""
    if endpoint and not re.match(r"https?://[^/\s]", endpoint):
        raise InvalidNameError(
            f"the endpoint {endpoint!r} is not a URL: write http://HOST:PORT or https://HOST in AWS_ENDPOINT_URL "
            "or the profile"
        )
    plain = bool(endpoint and endpoint.startswith("http://"))
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2}
    return {
        "region": region,
        "client_options": {"connect_timeout": connect, "timeout": request, "allow_http": plain},
        # The time is the limit: tries are at most a second apart.
        "retry_config": {"max_retries": 100, "retry_timeout": retries, "backoff": backoff},
        **({"endpoint": endpoint} if endpoint else {}),
    }


def environment_endpoint() -> str | None:
    """The S3 endpoint that the environment names; a function has no other place for one."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


class Service(msgspec.Struct, frozen=True):
    """Where S3 is: the endpoint if it is not Amazon's, a file of certificates, and how buckets are addressed."""

    endpoint: str | None
    certificates: str | None
    is_virtual: bool
    """Whether the bucket is in the host's name; else in the path."""

    def endpoint_of(self, bucket: str) -> str | None:
        """The endpoint as obstore takes it: with the bucket where that is in the host's name."""
        if not (self.endpoint and self.is_virtual):
            return self.endpoint
        scheme, separator, rest = self.endpoint.partition("://")
        return f"{scheme}{separator}{bucket}.{rest}"


def configured_service(session: Any) -> Service:
    """What the environment or the profile say of S3, as botocore finds it."""
    core = session._session  # noqa: SLF001  # boto3 shows none of it
    settings = core.get_scoped_config().get("s3")
    style = settings.get("addressing_style") if isinstance(settings, dict) else None
    return Service(_endpoint(session, "s3"), core.get_config_variable("ca_bundle"), style == "virtual")


def has_known_sts(session: Any) -> bool:
    """Whether it is known where STS is: at Amazon, or where somebody said for STS in particular.

    Most services that speak S3 have no STS, and whoever has credentials for one must not send them to Amazon.
    """
    s3, sts = _endpoint(session, "s3"), _endpoint(session, "sts")
    return bool(os.environ.get("AWS_ENDPOINT_URL_STS")) or (sts != s3 if sts else s3 is None)


def _endpoint(session: Any, service: str) -> str | None:
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.utils import ensure_boolean

    core = session._session  # noqa: SLF001  # boto3 does not show it
    if ensure_boolean(core.get_config_variable("ignore_configured_endpoint_urls") or False):
        return None
    provider = ConfiguredEndpointProvider(
        full_config=core.full_config, scoped_config=core.get_scoped_config(), client_name=service
    )
    found: str | None = provider.provide()
    return found


def read_certificates(path: str) -> bytes:
    """The certificates in a PEM file; CredentialsError where it cannot be read."""
    from pathlib import Path  # here, as a function trusts what Lambda does

    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"the certificates {path} cannot be read ({error.strerror}): correct AWS_CA_BUNDLE or the profile's "
            "ca_bundle"
        ) from error
