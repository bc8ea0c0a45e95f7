"""Nearly every setting at once, deployed by the unchanged program, and seen from outside as far as MiniStack goes.

MiniStack enforces keys, signatures, quotas, throttling, CORS, domain names and the boundary of a role. Storage,
reserved and provisioned concurrency, snapshots, KMS keys, VPCs, alarms, dashboards and the access log it only keeps:
for these the test can say that the service was told, and not that it acts.
"""

import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pulumi
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from handler.cors import PREFLIGHT
from infra import version_check
from local.errors import LocalError
from local.ministack import REGION, LocalAws
from tests.local.stacks import Deployed, registry_of
from training.train_iris import GUIDE_EVENT, Trained, publish

PAGE, OTHER, STRANGER = "https://app.example.com", "http://localhost:8080", "https://elsewhere.example"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def send(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    content = {} if data is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, {**content, **(headers or {})}, method=method)  # noqa: S310  # loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        response = opener.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, response.read().decode())


def signed(user: Any, url: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """POST with the user's Signature Version 4, as the outputs' `curl` lines do."""
    request = AWSRequest(
        "POST", url, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()
    )
    SigV4Auth(user, "execute-api", REGION).add_auth(request)
    return send("POST", url, body, dict(request.headers.items()))


@dataclass
class Account:
    """What a platform team has before it deploys a model."""

    key: str
    topic: str
    certificate: str
    boundary: str


@pytest.fixture(scope="module")
def account(aws: LocalAws) -> Account:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    name = f"settings-{uuid.uuid4().hex[:8]}"
    boundary = aws.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(everything))
    return Account(
        key=aws.client("kms").create_key()["KeyMetadata"]["Arn"],
        topic=aws.client("sns").create_topic(Name=name)["TopicArn"],
        certificate=aws.client("acm").request_certificate(DomainName="iris.example.com")["CertificateArn"],
        boundary=boundary["Policy"]["Arn"],
    )


@pytest.fixture(scope="module")
def deploy(
    aws: LocalAws, account: Account, trained_iris: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Deployed]:
    """Deploys a stack on a registry that has the account's key, tags and boundary itself."""
    state = tmp_path_factory.mktemp("settings")
    bucket = f"settings-{uuid.uuid4().hex[:12]}"
    common = {"registryBucket": bucket, "kmsKeyArn": account.key, "permissionsBoundaryArn": account.boundary}
    Deployed(aws, "registry", state, {**common, "tags": json.dumps({"team": "forecasting"})}).up()
    registry = registry_of(aws, bucket)
    publish(registry, trained_iris, "Random forest of the guide")
    registry.tag("iris/1", "dev")

    def run(**config: object) -> Deployed:
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        stack = Deployed(aws, "dev", state, {**common, **texts})
        return stack.up()

    return run


@pytest.fixture(scope="module")
def closed(deploy: Callable[..., Deployed], account: Account) -> Deployed:
    return deploy(
        memory=512,
        ephemeralStorage=1024,
        reservedConcurrency=5,
        provisionedConcurrency=2,
        subnetIds=["subnet-00000001", "subnet-00000002"],
        securityGroupIds=["sg-00000001"],
        apiKey=True,
        authorization="iam",
        usageRate=50,
        usageBurst=100,
        usageQuota=1000,
        usageQuotaPeriod="DAY",
        domainName="iris.example.com",
        certificateArn=account.certificate,
        accessLog="detailed",
        tags={"team": "forecasting", "cost-centre": "42"},
        alarmTopicArn=account.topic,
        alarmDurationMs=2000,
        dashboard=True,
        requestLog="on",
        labelCounts=True,
        corsOrigins=[PAGE],
    )


def make_user(aws: LocalAws, *actions: str) -> Any:
    """Credentials of an IAM user who may do this and no more."""
    iam, name = aws.client("iam"), f"caller-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    return session.get_credentials()


def test_only_a_signed_request_with_the_key_is_answered(aws: LocalAws, closed: Deployed) -> None:
    """The signature says who, the right says that they may, the key opens the plan: one alone is refused."""
    url = closed.outputs["invokeUrl"]
    key = aws.client("apigateway").get_api_key(apiKey=closed.outputs["apiKeyId"], includeValue=True)["value"]
    may, may_not = make_user(aws, "execute-api:Invoke"), make_user(aws)
    assert send("POST", url, GUIDE_EVENT).status == 403
    assert send("POST", url, GUIDE_EVENT, {"x-api-key": key}).status == 403
    assert signed(may, url, GUIDE_EVENT).status == 403
    assert signed(may_not, url, GUIDE_EVENT, {"x-api-key": key}).status == 403
    answer = signed(may, url, GUIDE_EVENT, {"x-api-key": key})
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["label"] == "virginica"


def test_the_curl_line_of_the_outputs_signs_with_the_credentials_of_the_shell(aws: LocalAws, closed: Deployed) -> None:
    """As it stands, but for the key, whose value is no output."""
    key = aws.client("apigateway").get_api_key(apiKey=closed.outputs["apiKeyId"], includeValue=True)["value"]
    user = make_user(aws, "execute-api:Invoke")
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": user.access_key,
        "AWS_SECRET_ACCESS_KEY": user.secret_key,
        "NO_PROXY": "*",
    }
    for line in (closed.outputs["curlPost"], closed.outputs["curlGet"]):
        command = line.replace("YOUR-KEY", key)
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout).get("model") == "iris", (command, done.stdout)


def test_a_page_is_told_what_it_may_and_what_was_wrong(closed: Deployed) -> None:
    """The gateway answers a preflight without key or signature, and lets the page read its refusal."""
    url = closed.outputs["invokeUrl"]
    preflight = send("OPTIONS", url, headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert {name: preflight.headers[name.lower()] for name in PREFLIGHT} == PREFLIGHT
    refused = send("POST", url, GUIDE_EVENT, {"Origin": PAGE})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (403, PAGE)
    assert refused.headers["content-type"] == "application/problem+json"


def test_the_domain_leads_to_the_api(aws: LocalAws, closed: Deployed) -> None:
    assert closed.outputs["domainUrl"] == "https://iris.example.com/predict"
    assert closed.outputs["domainTarget"].startswith("iris.example.com.")
    answer = send("OPTIONS", f"{aws.url}/predict", headers={"Host": "iris.example.com"})
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_the_plan_has_the_limits(aws: LocalAws, closed: Deployed) -> None:
    api = closed.outputs["invokeUrl"].split("/")[-3]
    plans = aws.client("apigateway").get_usage_plans(limit=500)["items"]
    (plan,) = [plan for plan in plans if [stage["apiId"] for stage in plan["apiStages"]] == [api]]
    assert plan["throttle"] == {"burstLimit": 100, "rateLimit": 50}
    assert (plan["quota"]["limit"], plan["quota"]["period"]) == (1000, "DAY")


def test_the_function_was_told_its_capacity_network_and_key(aws: LocalAws, closed: Deployed, account: Account) -> None:
    lambda_, name = aws.client("lambda"), closed.outputs["functionName"]
    function = closed.configuration()
    assert function["EphemeralStorage"] == {"Size": 1024}
    assert function["KMSKeyArn"] == account.key
    assert function["VpcConfig"]["SubnetIds"] == ["subnet-00000001", "subnet-00000002"]
    assert lambda_.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 5
    provisioned = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    assert provisioned["RequestedProvisionedConcurrentExecutions"] == 2


def test_roles_are_bounded_and_logs_and_buckets_encrypted(aws: LocalAws, closed: Deployed, account: Account) -> None:
    role = aws.client("iam").get_role(RoleName=closed.role())["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == account.boundary
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix="iris-dev")["logGroups"]
    ours = [group for group in groups if group.get("kmsKeyId") == account.key]
    assert {group["logGroupName"].rpartition("-")[0] for group in ours} == {"iris-dev-logs", "iris-dev-api-access-logs"}
    for bucket in (closed.outputs["artifactBucket"], closed.outputs["registryBucket"]):
        encryption = aws.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": account.key}
    model = aws.client("s3").head_object(
        Bucket=closed.outputs["registryBucket"], Key="models/iris/versions/1/model.joblib"
    )
    assert model["SSEKMSKeyId"] == account.key


def test_what_takes_tags_has_them(aws: LocalAws, closed: Deployed) -> None:
    tags = {"team": "forecasting", "cost-centre": "42"}
    arn = closed.configuration()["FunctionArn"].rsplit(":", 1)[0]
    assert aws.client("lambda").list_tags(Resource=arn)["Tags"] == tags
    role = aws.client("iam").list_role_tags(RoleName=closed.role())["Tags"]
    bucket = aws.client("s3").get_bucket_tagging(Bucket=closed.outputs["artifactBucket"])["TagSet"]
    for found in (role, bucket):
        assert {tag["Key"]: tag["Value"] for tag in found} == tags
    registry = aws.client("s3").get_bucket_tagging(Bucket=closed.outputs["registryBucket"])["TagSet"]
    assert registry == [{"Key": "team", "Value": "forecasting"}]


def test_alarms_and_dashboard_watch_this_function_and_this_api(
    aws: LocalAws, closed: Deployed, account: Account
) -> None:
    cloudwatch = aws.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="iris-dev-alarms-")["MetricAlarms"]
    ours = {alarm.get("MetricName", "share"): alarm for alarm in alarms if alarm["AlarmActions"] == [account.topic]}
    own = {"ModelLoadFailure", "ServerFaults", "share"}
    assert set(ours) == {"Errors", "Throttles", "Duration", "5XXError", *own}
    assert ours["Duration"]["Threshold"] == 2000
    function = {"Name": "FunctionName", "Value": closed.outputs["functionName"]}
    assert ours["Errors"]["Dimensions"] == [function]
    names = {one["Name"]: one["Value"] for one in ours["5XXError"]["Dimensions"]}
    gateway = aws.client("apigateway")
    assert names["ApiName"] in [api["name"] for api in gateway.get_rest_apis(limit=500)["items"]]
    dashboard = cloudwatch.get_dashboard(DashboardName=f"iris-dev-dashboard-{REGION}")
    assert closed.outputs["functionName"] in dashboard["DashboardBody"]
    assert names["ApiName"] in dashboard["DashboardBody"]
    assert closed.configuration()["LoggingConfig"]["LogGroup"] in dashboard["DashboardBody"]
    assert "Label.virginica" in dashboard["DashboardBody"]


def test_each_request_has_its_line_which_the_dashboard_s_metrics_come_from(aws: LocalAws, closed: Deployed) -> None:
    key = aws.client("apigateway").get_api_key(apiKey=closed.outputs["apiKeyId"], includeValue=True)["value"]
    user, url = make_user(aws, "execute-api:Invoke"), closed.outputs["invokeUrl"]
    assert signed(user, url, {"instances": [GUIDE_EVENT] * 3}, {"x-api-key": key}).status == 200
    line = [line for line in closed.log() if line["event"] == "request"][-1]
    assert (line["route"], line["status"], line["rows"], line["version"]) == ("POST /predict", 200, 3, 1)
    assert (line["Requests"], line["Rows"], line["Label.virginica"]) == (1, 3, 3)
    assert not set(map(str, GUIDE_EVENT.values())) & set(map(str, line.values()))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    dimensions = [value for name in directive["Dimensions"][0] for value in (name, line[name])]
    dashboard = aws.client("cloudwatch").get_dashboard(DashboardName=f"iris-dev-dashboard-{REGION}")["DashboardBody"]
    charted = [m for widget in json.loads(dashboard)["widgets"] for m in widget["properties"].get("metrics", [])]
    for metric in directive["Metrics"]:
        assert [directive["Namespace"], metric["Name"], *dimensions] in [chart[:-1] for chart in charted]


def test_several_origins_are_answered_each_by_its_name(
    aws: LocalAws, deploy: Callable[..., Deployed], closed: Deployed
) -> None:
    """The function answers, as the gateway cannot look an origin up; another origin gets no leave."""
    arn = closed.configuration()["FunctionArn"].rsplit(":", 1)[0]
    # The same stack, changed after the tests of its first state: what has gone from its settings goes from it.
    stack = deploy(corsOrigins=[PAGE, OTHER], throttleRate=1, throttleBurst=4)
    assert aws.client("lambda").list_tags(Resource=arn)["Tags"] == {}
    assert not stack.configuration()["VpcConfig"]["SubnetIds"]
    url = stack.outputs["invokeUrl"]
    asked = {"Access-Control-Request-Method": "POST"}
    for origin, allowed in ((PAGE, PAGE), (OTHER, OTHER), (STRANGER, None)):
        preflight = send("OPTIONS", url, headers={**asked, "Origin": origin})
        assert (preflight.status, preflight.headers.get("access-control-allow-origin")) == (200, allowed)
        assert preflight.headers["vary"] == "Origin"
    answer = send("POST", url, GUIDE_EVENT, {"Origin": OTHER})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, OTHER)
    assert answer.headers["access-control-expose-headers"] == "X-Model-Version"
    assert {name: preflight.headers[name.lower()] for name in PREFLIGHT} == PREFLIGHT

    answers = [send("POST", url, GUIDE_EVENT) for _ in range(12)]
    throttled = [answer for answer in answers if answer.status == 429]
    assert throttled, "a bucket of 4 held 12 requests"
    assert throttled[0].headers["access-control-allow-origin"] == "*"
    assert throttled[0].headers["content-type"] == "application/problem+json"


TOKENS = """
def handler(event, context):
    effect = {"right": "Allow", "wrong": "Deny"}[event["authorizationToken"]]
    resource = event["methodArn"].split("/")[0] + "/*"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"principalId": "somebody", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""


def test_a_function_of_the_owner_says_who_may_call(
    aws: LocalAws, deploy: Callable[..., Deployed], closed: Deployed
) -> None:
    """By the token in `Authorization`; a preflight has none, and the API's other limits stay."""
    code, role = io.BytesIO(), closed.configuration()["Role"]
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("tokens.py", TOKENS)
    name = f"tokens-{uuid.uuid4().hex[:8]}"
    made = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="tokens.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
    )
    stack = deploy(authorization=made["FunctionArn"], corsOrigins=[PAGE])
    url = stack.outputs["invokeUrl"]
    answers = {
        token: send("POST", url, GUIDE_EVENT, {"Authorization": token} if token else {})
        for token in ("right", "wrong", "")
    }
    assert {token: answer.status for token, answer in answers.items()} == {"right": 200, "wrong": 403, "": 401}
    assert answers[""].headers["content-type"] == "application/problem+json"
    asked = {"Access-Control-Request-Method": "POST", "Origin": PAGE}
    assert send("OPTIONS", url, headers=asked).status == 200
    assert "-H 'Authorization: YOUR-TOKEN'" in stack.outputs["curlPost"]


def test_the_function_may_do_no_more_than_the_boundary_of_its_role(
    aws: LocalAws, deploy: Callable[..., Deployed], closed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a boundary without S3 it cannot read its model, says so, and gets no traffic."""
    monkeypatch.setattr(version_check, "PATIENCE_SECONDS", 0)  # a new role's rights would have that long to arrive
    live = closed.configuration()["Version"]
    logs_only = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    narrow = aws.client("iam").create_policy(
        PolicyName=f"narrow-{uuid.uuid4().hex[:8]}", PolicyDocument=json.dumps(logs_only)
    )
    with pytest.raises(LocalError, match="S3 does not let the function's role read"):
        deploy(permissionsBoundaryArn=narrow["Policy"]["Arn"], memory=640)
    assert closed.configuration()["Version"] == live
    assert closed.log()[-1]["event"] == "model_load_failed"


def test_snap_start_is_for_python_3_12_and_later(deploy: Callable[..., Deployed], closed: Deployed) -> None:
    """The tests' own Python trained the model: where it is older, the deployment says so and changes nothing."""
    del closed
    if sys.version_info < (3, 12):
        with pytest.raises(pulumi.RunError, match=r"trained with Python 3\.11, SnapStart is for 3\.12 and later"):
            deploy(snapStart=True)
    else:
        stack = deploy(snapStart=True)
        assert stack.configuration()["SnapStart"]["ApplyOn"] == "PublishedVersions"
        assert stack.post(GUIDE_EVENT).status == 200
