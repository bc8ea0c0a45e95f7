"""`pulumi up` with exactly the policy of a deployer, where IAM is enforced; what is not its work is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws_check.errors import EngineError
from local.ministack import REGION, client_as
from model_registry import Registry, roles
from model_registry.roles.deployer import GRANTS
from tests.pulumi.conftest import BUCKET
from tests.pulumi.inventory import added, inventory
from tests.pulumi.stacks import EngineStack, Project
from training.train_iris import GUIDE_EVENT

ACCOUNT = "000000000000"
STACK = "least"
SETTINGS: dict[str, Any] = {
    "tag": "dev",
    "apiKey": True,
    "usageRate": 5,
    "usageBurst": 9,
    "throttleRate": 50,
    "throttleBurst": 90,
    "reservedConcurrency": 5,
    "provisionedConcurrency": 1,
    "dashboard": True,
    "authorization": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:who-may",
    "vpcEndpointIds": ["vpce-0a1b2c3d"],
}
"""Settings by which the stack declares each kind of resource that the local AWS has."""


_ACTIONS = {grant.sid: grant.actions for grant in GRANTS}
_WEB_ACL = [action for action in _ACTIONS["WebAcl"] if action.startswith("wafv2:")]
UNNAMED = ["lambda:CreateFunction", *_ACTIONS["Alarms"], *_WEB_ACL]
"""Actions for which MiniStack does not see the resource, and asks whether they are allowed on all."""
OF_THE_TESTS = ["cloudwatch:ListDashboards"]
"""What the provider of the tests asks, and pulumi-aws does not."""


def credentials(project: Project, user: str, policy: roles.Policy) -> dict[str, str]:
    """Credentials of a user who has this policy and nothing else."""
    iam = project.aws.client("iam")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="role", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture
def deployer(project: Project) -> dict[str, str]:
    """Credentials of somebody who has the role's policy and nothing else."""
    policy = roles.deployer(BUCKET, model="iris", stack=STACK, region=REGION, account=ACCOUNT)
    granted = {action for one in policy["Statement"] for action in one["Action"]}
    assert granted.issuperset(UNNAMED)
    policy["Statement"].append({"Effect": "Allow", "Action": [*UNNAMED, *OF_THE_TESTS], "Resource": "*"})
    return credentials(project, "deployer", policy)


Client = Callable[[str], Any]
FORBIDDEN: dict[str, Callable[[Client, EngineStack], object]] = {
    "move a tag": lambda client, _: client("s3").put_object(
        Bucket=BUCKET, Key="models/iris/tags/prod.json", Body=b"{}"
    ),
    "write a version": lambda client, _: client("s3").put_object(
        Bucket=BUCKET, Key="models/iris/versions/1/model.joblib", Body=b"x"
    ),
    "change the registry's bucket": lambda client, _: client("s3").delete_bucket_policy(Bucket=BUCKET),
    "read another model": lambda client, _: client("s3").get_object(Bucket=BUCKET, Key="models/churn/tags/prod.json"),
    "make a bucket of another name": lambda client, _: client("s3").create_bucket(Bucket="of-somebody-else"),
    "make a user": lambda client, _: client("iam").create_user(UserName="another"),
    "make a role of another name": lambda client, _: client("iam").create_role(
        RoleName="mine", AssumeRolePolicyDocument="{}"
    ),
    "give the function's role a policy of AWS": lambda client, stack: client("iam").attach_role_policy(
        RoleName=stack.role(), PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    ),
    "take the boundary away": lambda client, stack: client("iam").delete_role_permissions_boundary(
        RoleName=stack.role()
    ),
    "give itself rights": lambda client, _: client("iam").put_user_policy(
        UserName="deployer", PolicyName="more", PolicyDocument="{}"
    ),
    "change a function of another stack": lambda client, _: client("lambda").update_function_configuration(
        FunctionName="iris-prod-function-1234567", Timeout=1
    ),
    "write API Gateway's logs as another role": lambda client, _: client("apigateway").update_account(
        patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/mine"}]
    ),
    "change the logs of another stack": lambda client, _: client("logs").put_retention_policy(
        logGroupName="iris-prod-logs-1234567", retentionInDays=1
    ),
}


def test_a_deployer_deploys_updates_and_destroys_his_stack_and_can_do_nothing_else(
    project: Project, models: Registry, deployer: dict[str, str], stack: Callable[..., EngineStack]
) -> None:
    models.tag("iris/1", "dev")
    topic = project.aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    before = inventory(project.aws)
    visibility = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "x"}
    acl = project.aws.client("wafv2").create_web_acl(
        Name="least", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility
    )
    mine = stack(STACK, alarmTopicArn=topic, webAclArn=acl["Summary"]["ARN"], **SETTINGS)
    mine.up(**deployer)
    assert mine.invoke(GUIDE_EVENT)["body"] == "virginica"
    assert {"alarms", "API keys", "dashboards", "usage plans"} <= set(added(before, inventory(project.aws)))
    assert mine.outputs["apiPolicy"] is True
    mine.set(memory=512, corsOrigins=["https://app.example.com"], usageRate=6)
    mine.unset("vpcEndpointIds")
    mine.up(**deployer)
    assert {"Function", "Alias", "Deployment", "RestApi", "RestApiPolicy", "UsagePlan"} <= mine.changed()
    assert mine.outputs["apiPolicy"] is True, "a deployment that is made before a policy goes has it for good"

    previewer = credentials(
        project, "previewer", roles.previewer(BUCKET, model="iris", stack=STACK, region=REGION, account=ACCOUNT)
    )
    mine.set(memory=640, subnetIds=["subnet-0a1b2c3d"], securityGroupIds=["sg-0a1b2c3d"])
    assert "Function" in mine.preview(**previewer).changed()
    assert "not checked" not in mine.output, "a right to ask is missing"
    with pytest.raises(EngineError, match="AccessDenied"):
        mine.up(**previewer)
    mine.unset("subnetIds", "securityGroupIds")

    def client(service: str) -> Any:
        return client_as(project.aws.url, service, *deployer.values())

    there = inventory(project.aws)
    for what, attempt in FORBIDDEN.items():
        with pytest.raises(ClientError) as refused:
            attempt(client, mine)
        assert "AccessDenied" in refused.value.response["Error"]["Code"], what
    assert inventory(project.aws) == there

    mine.destroy(**deployer)
    assert inventory(project.aws) == before


def test_the_local_aws_enforces_what_the_test_above_relies_on(project: Project) -> None:
    """Without a policy the same calls are refused, so it was the policy that allowed them."""
    iam = project.aws.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    for service, call in {"lambda": "list_functions", "apigateway": "get_rest_apis", "iam": "list_roles"}.items():
        theirs = client_as(project.aws.url, service, key["AccessKeyId"], key["SecretAccessKey"])
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(theirs, call)()
