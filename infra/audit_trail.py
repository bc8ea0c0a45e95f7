"""A trail of CloudTrail that logs each write and deletion of the registry's objects, in a bucket of its own."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.object_lock import lock_objects
from infra.private_bucket import PrivateBucket
from infra.settings import RegistrySettings


class AuditLogBucket(PrivateBucket):
    """The bucket of the log files: CloudTrail alone writes there, and only `registryAdmins` delete."""

    def __init__(
        self, name: str, *, trail: str, account: RegistrySettings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`trail` is what the trail's name begins with, which the policy must know before the trail is made."""
        caller, region = aws.get_caller_identity_output(), aws.get_region_output()

        def policy(arn: str) -> pulumi.Output[str]:
            return pulumi.Output.all(caller.account_id, region.region).apply(
                lambda found: policies.audit_log_bucket(
                    arn, account=found[0], region=found[1], trail=trail, admins=account.registry_admins
                )
            )

        super().__init__("AuditLogBucket", name, protect=True, account=account, policy=policy, opts=opts)
        lock_objects(name, self, account)
        self.register_outputs({"name": self.name})


class AuditTrail(pulumi.ComponentResource):
    """Data events of the registry's objects, but those that only read. `verify --trail` compares a tag with them."""

    logs: pulumi.Output[str]
    """The name of the bucket with the log files."""

    def __init__(
        self,
        name: str,
        *,
        registry: PrivateBucket,
        account: RegistrySettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:AuditTrail", name, None, opts)
        trail = f"{name}-trail"
        bucket = AuditLogBucket(f"{name}-logs", trail=trail, account=account, opts=pulumi.ResourceOptions(parent=self))
        aws.cloudtrail.Trail(
            trail,
            s3_bucket_name=bucket.name,
            kms_key_id=account.kms_key,
            enable_log_file_validation=True,
            include_global_service_events=False,
            advanced_event_selectors=[
                {
                    "name": "what changes objects of the registry",
                    "field_selectors": [
                        {"field": "eventCategory", "equals": ["Data"]},
                        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
                        {"field": "resources.ARN", "starts_withs": [pulumi.Output.concat(registry.bucket.arn, "/")]},
                        {"field": "readOnly", "equals": ["false"]},
                    ],
                }
            ],
            tags=account.resource_tags,
            # CloudTrail looks whether it may write to the bucket. A trail that a `destroy` stopped would miss writes.
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=bucket.ready),
        )
        self.logs = bucket.name
        self.register_outputs({"logs": self.logs})
