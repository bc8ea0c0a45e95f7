"""Who is calling."""

import getpass
import socket

from model_runtime.errors import CredentialsError
from model_runtime.storage import aws_session


def caller_identity(profile: str | None = None) -> str:
    """The ARN that STS knows the caller by; CredentialsError where STS does not say so within seconds."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quick = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1})

    try:
        arn: str = aws_session(profile).client("sts", config=quick).get_caller_identity()["Arn"]
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
