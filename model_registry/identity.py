"""Who is calling."""

import os

from model_registry.errors import CredentialsError


def caller_identity(profile: str | None = None) -> str:
    """The ARN that STS knows the caller by."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.Session(profile_name=profile, region_name=os.environ.get("AWS_REGION"))
        arn: str = session.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        raise CredentialsError(f"STS does not say who you are ({error}): give --by NAME") from error
    return arn
