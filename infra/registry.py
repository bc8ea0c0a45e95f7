"""The component of the registry's bucket: the stack `registry` deploys one, and so may any other Pulumi program."""

from typing import Any

import pulumi

from infra import aws_account
from infra.account_verifier import ModelVerifier
from infra.api_logging import ApiGatewayLogging
from infra.audit_trail import AuditTrail
from infra.component_args import ModelRegistryBucketArgs
from infra.outputs import outputs_of
from infra.registry_bucket import RegistryBucket
from infra.registry_policies import RegistryPolicies
from infra.settings.arguments import registry_settings

KIND = "sklearn-on-lambda:index:ModelRegistryBucket"
_BEFORE = "sklearn-on-lambda:infra:RegistryBucket"


class ModelRegistryBucket(pulumi.ComponentResource):
    """The bucket of models and tags, protected, and API Gateway's right to write logs: once per account and region."""

    registry_bucket: pulumi.Output[str]
    """Name of the bucket."""
    api_logging: pulumi.Output[str]
    """`created`, or the role of somebody else by which API Gateway writes its logs."""
    audit_bucket: pulumi.Output[str] | None = None
    """Name of the bucket with the log files of the trail, where there is one."""
    policy_arns: pulumi.Output[dict[str, str]] | None = None
    """ARNs of the roles' policies, by role as `rolePolicies` has it, where there are any."""
    verifier_project: pulumi.Output[str] | None = None
    """Name of the CodeBuild project that verifies versions, where there is one."""

    def __init__(self, name: str, args: ModelRegistryBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the bucket and the right to write logs.

        Args:
            name: the component's.
            args: the settings of the stack `registry` (docs/settings.md).
            opts: of the component.

        Raises:
            SettingsError: an argument cannot work; nothing was declared.

        """
        settings = registry_settings(args)
        theirs = aws_account.logging_is_theirs(aws_account.deployed_outputs(KIND, name, _BEFORE))
        super().__init__(KIND, name, None, opts)
        # Releases without this component had its children in the stack itself.
        child = pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])
        bucket = RegistryBucket(name, bucket_name=settings.registry_bucket, account=settings, opts=child)
        if theirs is None:
            ApiGatewayLogging("api-logging", account=settings, opts=child)  # one per account: no name of its own
        else:
            pulumi.log.info(f"API Gateway writes its logs as {theirs}, which is left as it is")
        self.outputs: dict[str, pulumi.Input[Any]] = {
            "apiLogging": theirs or "created",
            "registryBucket": bucket.name,
        }
        own = pulumi.ResourceOptions(parent=self)
        logs = None
        if settings.audit_trail:
            logs = AuditTrail(f"{name}-audit", registry=bucket, account=settings, opts=own).logs
            self.outputs["auditBucket"] = logs
        if settings.role_policies:
            policies = RegistryPolicies(f"{name}-policies", account=settings, trail=logs, opts=own)
            self.outputs["policyArns"] = policies.arns
        if settings.verifier:
            verifier = ModelVerifier(f"{name}-verifier", account=settings, opts=own)
            self.outputs["verifierProject"] = verifier.project
        for attribute, output in outputs_of(self.outputs).items():
            setattr(self, attribute, output)
        self.register_outputs(self.outputs)
