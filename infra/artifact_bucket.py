"""The bucket through which large layer zips reach Lambda."""

import pulumi
import pulumi_aws as aws

from infra.private_bucket import PrivateBucket
from infra.settings import AccountSettings


class ArtifactBucket(PrivateBucket):
    """Holds what a deployment builds. Destroyed with its stack, contents included: all of it can be built again."""

    def __init__(
        self, name: str, *, account: AccountSettings | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ArtifactBucket", name, force_destroy=True, account=account, opts=opts)
        self.register_outputs({"name": self.name})

    def write(self, name: str, *, key: str, text: str, content_type: str) -> aws.s3.BucketObjectv2:
        """Write a text under a key; the object's name in the stack is `name`."""
        return aws.s3.BucketObjectv2(
            name,
            bucket=self.name,
            key=key,
            source=pulumi.StringAsset(text),
            content_type=content_type,
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.ready),
        )

    def upload(self, name: str, *, key: str, content: pulumi.Asset | pulumi.Archive) -> aws.s3.BucketObjectv2:
        """Upload a zip under a key; the object's name in the stack is `name`."""
        return aws.s3.BucketObjectv2(
            name,
            bucket=self.name,
            key=key,
            source=content,
            content_type="application/zip",
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.ready),
        )
