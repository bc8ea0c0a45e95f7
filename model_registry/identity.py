"""Who is calling."""

from model_runtime.errors import CredentialsError
from model_runtime.storage import aws_session


def caller_identity(profile: str | None = None) -> str:
    """The ARN that STS knows the caller by."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        arn: str = aws_session(profile).client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        raise CredentialsError(f"STS does not say who you are ({error}): give --by NAME") from error
    return arn
