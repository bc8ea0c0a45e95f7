"""What goes wrong where boto3 is used, as obstore knows no versions of objects."""

from collections.abc import Iterator
from contextlib import contextmanager

from model_runtime.errors import AccessDeniedError, BucketNotFoundError, CredentialsError, StorageError
from model_runtime.storage_errors import REFUSED_CREDENTIALS, or_folder

_DENIED = {"AccessDenied", "AllAccessDisabled"}


@contextmanager
def s3_errors(bucket: str, action: str, remedy: str) -> Iterator[None]:
    """Raise what boto3 raises as StorageError, by its kind.

    Args:
        bucket: its name.
        action: what is done, as in "not allowed to ACTION".
        remedy: what helps whoever is not allowed to.

    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

    try:
        yield
    except (NoCredentialsError, ProfileNotFound) as error:
        raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise _explained(error, bucket, action, remedy) from error


def is_denied(error: Exception) -> bool:
    """Whether S3 does not allow it."""
    return _code(error) in _DENIED


def _explained(error: Exception, bucket: str, action: str, remedy: str) -> StorageError:
    if is_denied(error):
        return AccessDeniedError(f"s3://{bucket}: not allowed to {action}: {remedy}")
    if _code(error) == "NoSuchBucket":
        return BucketNotFoundError(
            f"s3://{bucket}: there is no such bucket: check the name, account and region{or_folder(bucket)}"
        )
    if _code(error) in REFUSED_CREDENTIALS:
        return CredentialsError(f"s3://{bucket}: the credentials were refused: refresh them, say by `aws sso login`")
    return StorageError(f"s3://{bucket}: cannot {action}: {error}")


def _code(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
