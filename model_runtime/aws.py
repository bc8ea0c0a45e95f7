"""How people configure AWS, and what that means for a store: session, bucket name, endpoint, certificates, retries."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from model_runtime.errors import CredentialsError, InvalidNameError

# Amazon S3 general purpose bucket naming rules: 3 to 63 characters, lower case letters, digits, dots and hyphens.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def aws_session(profile: str | None = None, region: str | None = None) -> Any:
    """A boto3 session as the AWS CLI would have it; BotoCoreError where the profile does not exist."""
    import boto3  # here, as the function must not pay for it

    # boto3 reads AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION"))


def bucket_name(text: str) -> str:
    """Read `NAME` or `s3://NAME`; InvalidNameError where it is not a bucket name."""
    name = text.removeprefix("s3://").rstrip("/")
    if _BUCKET.fullmatch(name):
        return name
    raise InvalidNameError(
        f"{text!r} is not a bucket name: write s3://NAME, NAME being 3 to 63 lower case letters, digits, dots, hyphens"
    )


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


def configured_for_s3(session: Any) -> tuple[str | None, str | None]:
    """The endpoint and the file of certificates for S3, from the environment or the profile as botocore finds them."""
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.utils import ensure_boolean

    core = session._session  # noqa: SLF001  # boto3 shows neither of the two
    certificates = core.get_config_variable("ca_bundle")
    if ensure_boolean(core.get_config_variable("ignore_configured_endpoint_urls") or False):
        return None, certificates
    provider = ConfiguredEndpointProvider(
        full_config=core.full_config, scoped_config=core.get_scoped_config(), client_name="s3"
    )
    return provider.provide(), certificates


def read_certificates(path: str) -> bytes:
    """The certificates in a PEM file; CredentialsError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"the certificates {path} cannot be read ({error.strerror}): correct AWS_CA_BUNDLE or the profile's "
            "ca_bundle"
        ) from error
