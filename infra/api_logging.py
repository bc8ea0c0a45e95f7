"""What an account needs once per region before API Gateway can write access logs."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.settings import AccountSettings


class ApiGatewayLogging(pulumi.ComponentResource):
    """Lets API Gateway write access logs: one role per account and region, for all of its REST APIs.

    It belongs to the account and not to the stack: nothing here is destroyed, so that the logs of other APIs go on.
    Without it a stage with access logs is refused ("CloudWatch Logs role ARN must be set in account settings").
    """

    def __init__(
        self, name: str, *, account: AccountSettings | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:ApiGatewayLogging", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        account = account or AccountSettings()
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=policies.trust("apigateway.amazonaws.com"),
            permissions_boundary=account.permissions_boundary,
            tags=account.resource_tags,
            opts=child,
        )
        attachment = aws.iam.RolePolicyAttachment(
            f"{name}-policy",
            role=role.name,
            policy_arn=aws.get_partition_output().partition.apply(_push_to_cloudwatch_logs),
            opts=child,
        )
        aws.apigateway.Account(
            f"{name}-account",
            cloudwatch_role_arn=role.arn,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[attachment])),
        )
        self.register_outputs({})


def _push_to_cloudwatch_logs(partition: str) -> str:
    return f"arn:{partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
