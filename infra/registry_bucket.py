"""The registry's bucket, which outlives every environment."""

from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.object_lock import lock_objects
from infra.private_bucket import PrivateBucket
from infra.settings import RegistrySettings


class RegistryBucket(PrivateBucket):
    """The bucket of models and tags, protected from `pulumi destroy`."""

    def __init__(
        self,
        name: str,
        *,
        bucket_name: str,
        account: RegistrySettings | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`bucket_name` is fixed: the other stacks and people name the registry by it."""
        more: dict[str, Any] = {}
        if account:
            more = {
                "admins": account.registry_admins,
                "organization": account.organization_id,
                "readers": account.registry_readers,
            }
        super().__init__(
            "RegistryBucket",
            name,
            bucket_name=bucket_name,
            protect=True,
            account=account,
            policy=lambda arn: policies.registry_bucket(arn, **more),
            opts=opts,
        )
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
        if account:
            lock_objects(name, self, account)
        self.register_outputs({"name": self.name})
