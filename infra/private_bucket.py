"""A bucket that nobody outside the account can read, whatever else is configured."""

from collections.abc import Callable

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.settings import AccountSettings


class PrivateBucket(pulumi.ComponentResource):
    """Encrypted, versioned, TLS only, without ACLs and without public access. Base of the two kinds of bucket."""

    name: pulumi.Output[str]
    """The bucket's name."""

    bucket: aws.s3.Bucket
    """The bucket itself."""
    ready: list[pulumi.Resource]
    """What must be in place before the bucket is used."""

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        bucket_name: str | None = None,
        force_destroy: bool = False,
        protect: bool = False,
        account: AccountSettings | None = None,
        policy: Callable[[str], pulumi.Input[str]] = policies.tls_only,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`kind`: the class's name in the type token. `bucket_name`: fixed, else Pulumi adds random characters.

        `force_destroy`: destroying the stack deletes the objects too. `protect`: neither the bucket
        nor what makes it safe can be destroyed before the protection is lifted. With a KMS key in `account` the key
        encrypts the objects. `policy` makes the bucket's policy of its ARN.
        """
        super().__init__(f"sklearn-on-lambda:infra:{kind}", name, None, opts)
        # Pulumi refuses what is protected and destroys the rest: an unprotected setting would go, and the bucket stay.
        child = pulumi.ResourceOptions(parent=self, protect=protect)
        account = account or AccountSettings()
        self.bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=bucket_name,
            force_destroy=force_destroy,
            tags=account.resource_tags,
            opts=child,
        )
        ownership = aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=self.bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        access = aws.s3.BucketPublicAccessBlock(
            f"{name}-access",
            bucket=self.bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=self.bucket.id,
            rules=[_encryption(account.kms_key)],
            opts=child,
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=self.bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        # S3 refuses a policy while public access is being blocked: one after the other.
        bucket_policy = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(policy),
            opts=pulumi.ResourceOptions(parent=self, protect=protect, depends_on=[access]),
        )
        self.name = self.bucket.id
        self.ready = [ownership, access, encryption, versioning, bucket_policy]


def _encryption(kms_key: str | None) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    """Encrypt with S3's own keys, or with a KMS key that is asked once per bucket and not per object.

    Source: Amazon S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys".
    """
    if not kms_key:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": kms_key},
        "bucket_key_enabled": True,
    }
