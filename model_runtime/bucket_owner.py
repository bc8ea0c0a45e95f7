"""Whether a bucket is the account's that somebody named: names are free again once a bucket is deleted, for everybody.

obstore adds headers of ours after it has signed a request, so it cannot send `x-amz-expected-bucket-owner`. boto3 asks
once, when the bucket is opened, and sends it with each request of its own.

Source: Amazon S3 User Guide, "Verifying bucket ownership with bucket owner condition".
"""

from model_runtime.aws import BucketAddress
from model_runtime.errors import AccessDeniedError, BucketOwnerError, StorageError, UploadError
from model_runtime.s3_requests import S3Requests

_SOMEBODY, _SOMEBODY_ELSE = "000000000000", "111111111111"


def require_owner(requests: S3Requests) -> None:
    """Ask S3 for the bucket as one of the account that its address names.

    Raises:
        BucketOwnerError: it is another account's.
        StorageError: nobody can tell, as the service does not look at the owner or the credentials may not list.
        UploadError: there is no such bucket, or no answer.

    """
    name, owner, endpoint = requests.address.name, requests.address.owner, requests.service.endpoint
    if endpoint and _is_shown(requests, _SOMEBODY_ELSE if owner == _SOMEBODY else _SOMEBODY):
        raise StorageError(
            f"s3://{name}: {endpoint} ignores `x-amz-expected-bucket-owner` and does not say whether {owner} owns the "
            "bucket: leave `?owner=` out"
        )
    if _is_shown(requests, owner):
        return
    if _is_shown(requests, None):
        raise BucketOwnerError(
            f"s3://{name} is not a bucket of the account {owner}, nothing was read or written: correct the name or the "
            "account; where both are right, the bucket was deleted and somebody else has its name now"
        )
    raise AccessDeniedError(
        f"s3://{name}: not allowed to list the bucket, which tells whether {owner} owns it: use credentials that may "
        "s3:ListBucket, and check name and account"
    )


def _is_shown(requests: S3Requests, owner: str | None) -> bool:
    """Whether S3 shows the bucket, as one of this account; not as `HEAD`, which says nothing of what went wrong."""
    try:
        requests.ask("list_objects_v2", of=BucketAddress(requests.address.name, owner), MaxKeys=0)
    except UploadError as error:
        if "<Code>AccessDenied</Code>" in str(error):
            return False
        raise
    return True
