"""The registry's bucket, which outlives every environment."""

import pulumi
import pulumi_aws as aws

from infra.private_bucket import PrivateBucket
from infra.settings import AccountSettings


class RegistryBucket(PrivateBucket):
    """The bucket of models and tags, protected from `pulumi destroy`."""

    def __init__(
        self,
        name: str,
        *,
        bucket_name: str,
        account: AccountSettings | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`bucket_name` is fixed: the other stacks and people name the registry by it."""
        super().__init__("RegistryBucket", name, bucket_name=bucket_name, protect=True, account=account, opts=opts)
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=self.name,
            rules=[
                {
                    "id": "abort-incomplete-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            # Rules on versions are refused before versioning is on.
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=self.ready),
        )
        self.register_outputs({"name": self.name})
