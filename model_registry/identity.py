"""Who is calling."""

import getpass
import socket

from model_runtime.aws import aws_session, has_known_sts
from model_runtime.errors import CredentialsError


def caller_identity(profile: str | None = None) -> str:
    """The ARN that STS knows the caller by; CredentialsError where STS does not say so within seconds.

    Where S3 is not Amazon's, STS is asked only where AWS_ENDPOINT_URL_STS or the profile says where that is.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quick = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1})

    try:
        session = aws_session(profile)
        if not has_known_sts(session):
            raise CredentialsError(
                "who you are is not known, as this S3 service is not Amazon's: set MODEL_REGISTRY_ACTOR, or give "
                "--by NAME; if it has an STS, name that in AWS_ENDPOINT_URL_STS"
            )
        arn: str = session.client("sts", config=quick).get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError, ValueError) as error:  # ValueError: an endpoint that is not a URL
        raise CredentialsError(
            f"STS does not say who you are ({error}): give --by NAME, or set MODEL_REGISTRY_ACTOR"
        ) from error
    return arn


def local_identity() -> str:
    """Who runs this on which machine: what a registry in a folder knows of its writers."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError) as error:  # a user without a name, as in some containers
        raise CredentialsError(
            f"this user has no name ({error}): give --by NAME, or set MODEL_REGISTRY_ACTOR"
        ) from error
