"""S3 Object Lock on a bucket whose objects nobody may delete for good before their time."""

import pulumi
import pulumi_aws as aws

from infra.private_bucket import PrivateBucket
from infra.settings import RegistrySettings


def lock_objects(name: str, bucket: PrivateBucket, settings: RegistrySettings) -> None:
    """Keep each version of an object for `objectLockDays` after it was written; nothing where that is 0.

    A bucket that exists is locked as well, and not replaced. It must be protected itself: a lock that a `destroy` took
    away would leave the bucket without one.
    Source: Amazon S3 API Reference, PutObjectLockConfiguration: for new and existing buckets.
    """
    if not settings.object_lock_days:
        return
    aws.s3.BucketObjectLockConfiguration(
        f"{name}-lock",
        bucket=bucket.name,
        rule={
            "default_retention": {"mode": settings.object_lock_mode.upper(), "days": settings.object_lock_days},
        },
        # S3 refuses a lock before versioning is on.
        opts=pulumi.ResourceOptions(parent=bucket, protect=True, depends_on=bucket.ready),
    )
