"""A bucket that nobody outside the account can read, whatever else is configured."""

import pulumi
import pulumi_aws as aws

from infra import policies


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
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`kind`: the class's name in the type token. `bucket_name`: fixed, else Pulumi adds random characters.

        `force_destroy`: destroying the stack deletes the objects too. `protect`: neither the bucket
        nor what makes it safe can be destroyed before the protection is lifted.
        """
        super().__init__(f"sklearn-on-lambda:infra:{kind}", name, None, opts)
        # Pulumi refuses what is protected and destroys the rest: an unprotected setting would go, and the bucket stay.
        child = pulumi.ResourceOptions(parent=self, protect=protect)
        self.bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=bucket_name,
            force_destroy=force_destroy,
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
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=self.bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        # S3 refuses a policy while public access is being blocked: one after the other.
        policy = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(policies.tls_only),
            opts=pulumi.ResourceOptions(parent=self, protect=protect, depends_on=[access]),
        )
        self.name = self.bucket.id
        self.ready = [ownership, access, encryption, versioning, policy]
