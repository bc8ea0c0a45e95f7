"""What the program sends for all pairs of settings fits botocore's API models and pulumi-aws's own types.

Each row of a covering array is deployed on an AWS that answers at once (`answering`), where each request is checked by
the service's API model, and recorded as Pulumi's engine would see it, where each input is checked by the SDK's types.
"""

import functools
import json
import runpy
from collections.abc import Mapping
from typing import Any

import pytest

from infra import aws_account, inputs
from infra.function_code import PROJECT
from infra.model import SklearnModel
from infra.settings import AccountSettings, RegistrySettings, Settings, SettingsError
from infra.settings.arguments import argument
from infra.settings.field import fields, from_text
from infra.settings.rules import check_combinations, check_python
from local.ministack import REGION
from model_registry.roles.deployer import GRANTS
from model_runtime.manifest import Feature, Signature
from tests.infra import recording
from tests.infra.answering import ACCOUNT, AnsweringAws, Request
from tests.infra.examples import IRIS, PUBLIC_KEY, followed, layer
from tests.infra.pairs import Row, covering_array, pairs, pairs_of
from tests.infra.recording import Recording, record
from tests.infra.sdk_types import findings
from tests.infra.test_api_models import Variant, deployed, release_of

ARN = f"arn:aws:%s:{REGION}:{ACCOUNT}:"
KEY = ARN % "kms" + "key/0-1"
SIGNATURES = {
    "iris": IRIS,
    "text": Signature(features=(Feature(name="text", type="string"),), container="list", labels=("ham", "spam")),
    "regressor": Signature(features=(Feature(name="área (m²)", type="integer", nullable=True),), output="value"),
}
# The first value of each setting is its default. Settings that mean something together only are one factor.
VALUES: dict[str, list[dict[str, Any]]] = {
    "model": [{}, {"model": "a" * 32, "tag": "b" * 32}],
    "format": [{}, {"format": "skops", "trustedTypes": "a.b,c.d"}, {"format": "onnx", "memory": 128}],
    "memory": [{}, {"memory": 10_240}],
    "timeout": [{}, {"timeout": 1}, {"timeout": 300, "gatewayTimeout": 300}, {"timeout": 900, "api": "none"}],
    "architecture": [{}, {"architecture": "arm64"}],
    "publicKey": [{}, {"publicKey": PUBLIC_KEY}],
    "capacity": [
        {},
        {"snapStart": True},
        {"reservedConcurrency": 5, "provisionedConcurrency": 2},
        {"ephemeralStorage": 10_240, "reservedConcurrency": 0},
    ],
    "keepVersions": [{}, {"keepVersions": 2}],
    "network": [{}, {"subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}],
    "access": [
        {},
        {"authorization": "iam"},
        {"apiKey": True, "usageRate": 5, "usageBurst": 9, "usageQuota": 100, "usageQuotaPeriod": "DAY"},
        {"apiKey": True, "authorization": "iam"},
        {"authorization": ARN % "lambda" + "function:who-may"},
        {"authorization": ARN % "cognito-idp" + "userpool/us-east-1_AbC1"},
    ],
    "webAclArn": [{}, {"webAclArn": ARN % "wafv2" + "regional/webacl/ours/0-1"}],
    "tryItPage": [{}, {"tryItPage": False}],
    "throttle": [{}, {"throttleRate": 5, "throttleBurst": 9}, {"throttle": "none"}],
    "corsOrigins": [
        {},
        {"corsOrigins": ["https://a.example"]},
        {"corsOrigins": ["https://a.example", "https://b.example"]},
        {"corsOrigins": ["*"]},
    ],
    "endpoint": [
        {},
        {"domainName": "iris.example.com", "certificateArn": ARN % "acm" + "certificate/0-1"},
        {
            "domainName": "iris.example.com",
            "certificateArn": ARN % "acm" + "certificate/0-1",
            "defaultEndpoint": False,
            "truststoreUri": "s3://trusted/authorities.pem",
        },
        {"vpcEndpointIds": ["vpce-0a1b2c3d"]},
    ],
    "accessLog": [{}, {"accessLog": "detailed"}, {"accessLog": "off"}, {"accessLog": "$context.requestId"}],
    "requestLog": [{}, {"requestLog": "on"}, {"requestLog": "sampled", "labelCounts": True}],
    "recordedExamples": [{}, {"recordedExamples": True, "logMessages": True}],
    "logRetentionDays": [{}, {"logRetentionDays": 1}, {"logRetentionDays": 3653}],
    "tracing": [{}, {"tracing": False}],
    "key": [{}, {"kmsKeyArn": KEY}, {"kmsKeyArn": KEY, "registryKmsKeyArn": KEY + "2"}],
    "registryAccount": [{}, {"registryAccount": "210987654321"}],
    "permissionsBoundaryArn": [{}, {"permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/bounded"}],
    "tags": [{}, {"tags": {"team": "x+1 =a", "cost-centre": "4711"}}],
    "alarms": [{}, {"alarmTopicArn": ARN % "sns" + "topic", "alarmDurationMs": 500}],
    "dashboard": [{}, {"dashboard": True}],
    "signature": [{"signature": name} for name in SIGNATURES],
    "python": [{"python": python} for python in ("3.12", "3.11", "3.14")],
}
FACTORS = {name: [json.dumps(value) for value in values] for name, values in VALUES.items()}
_OF_THE_REGISTRY = {field.key for field in fields(RegistrySettings)} - {field.key for field in fields(AccountSettings)}
LEFT_OUT = {
    *_OF_THE_REGISTRY,
    *("allowBreaking", "allowDeprecated", "allowUnsigned", "acceptHistory", "trustedPromoters", "requireHashes"),
}
"""Some are of the stack `registry`, of which one is required, and six change nothing that is sent."""
_OF_THE_MODEL = {"signature", "python"}


def chosen(row: Row) -> dict[str, Any]:
    """The settings of a row, and what the model is like."""
    return {key: value for choice in row.values() for key, value in json.loads(choice).items()}


def variant(row: Row) -> Variant:
    values = chosen(row)
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    signature, python = SIGNATURES[values["signature"]], values["python"]
    return Variant({key: text for key, text in config.items() if key not in _OF_THE_MODEL}, "dev", signature, python)


def is_valid(row: Row) -> bool:
    """Whether the rules take the settings of a row together."""
    made = variant(row)
    known = {field.key: field for field in fields(Settings)}
    values = {known[key].name: from_text(known[key], text) for key, text in made.config.items()}
    try:
        settings = Settings(registry_bucket="models-of-ours", stack="dev", **values)
        check_combinations(settings)
        check_python(settings, made.python)
    except SettingsError:
        return False
    return True


@functools.cache
def array() -> list[Row]:
    return covering_array(FACTORS, is_valid)


ROWS = array()


def recorded(made: Variant) -> Recording:
    """The resources of a variant as Pulumi's engine would be asked for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "follow_tag", lambda settings, _outputs: followed(release_of(made, settings)))
        patch.setattr(inputs, "model_layer", lambda *_args, **_options: layer())
        patch.setattr(inputs, "own_code", lambda *_args: {})
        patch.setattr(aws_account, "client", AnsweringAws().client)
        patch.setattr(aws_account, "deployed_outputs", lambda *_component: {})
        patch.setattr(recording, "REGION", REGION)
        config = {"registryBucket": "models-of-ours", **made.config}
        return record(lambda: runpy.run_path(str(PROJECT / "__main__.py")), stack=made.stack, config=config)


def test_a_deployment_has_what_it_is_thought_to_have() -> None:
    kinds = [kind for kind, *_ in plain()]
    assert {"Resource", "Method", "Integration", "Response", "RequestValidator", "Model"} == set(kinds)
    assert kinds.count("Method") == kinds.count("Integration") > 15


def test_the_array_has_every_pair_that_the_rules_take(capsys: pytest.CaptureFixture[str]) -> None:
    found = {pair for row in ROWS for pair in pairs_of(row)}
    every = set(pairs(FACTORS))
    defaults = {name: values[0] for name, values in FACTORS.items()}
    assert every - found == {pair for pair in every if not is_valid({**defaults, **dict(pair)})}
    with capsys.disabled():
        print(f"\nsettings: {len(found):,} pairs of {len(every):,} in {len(ROWS)} deployments", end=" ")  # noqa: T201  # the size is asked for


def test_every_setting_has_its_values_in_the_array() -> None:
    keys = {key for values in VALUES.values() for value in values for key in value}
    assert keys - _OF_THE_MODEL == {field.key for field in fields(Settings)} - LEFT_OUT


@pytest.mark.no_cover  # the components' own tests cover what each row runs again
@pytest.mark.parametrize("index", range(len(ROWS)))
def test_what_is_sent_fits_the_api_models_of_aws(index: int) -> None:
    """A request that does not fails its deployment."""
    made = variant(ROWS[index])
    requests = deployed(made)
    operations = {f"{request.service}.{request.operation}" for request in requests}
    assert {"lambda.CreateFunction", "lambda.PublishLayerVersion", "iam.CreateRole", "s3.CreateBucket"} <= operations
    assert ("apigateway.CreateStage" in operations) == (made.config.get("api") != "none")
    assert [finding for request in requests if (finding := too_much(request))] == []


def test_every_output_is_an_attribute_of_the_component() -> None:
    """Programs of other languages see those alone that have a type and a description."""
    for row in ROWS[:3]:
        names = {argument(name) for name in recorded(variant(row)).outputs}
        assert names
        assert names <= SklearnModel.__annotations__.keys()


POLICIES = {
    ("iam", "PutRolePolicy", "PolicyDocument"): 10_240,
    ("iam", "CreateRole", "AssumeRolePolicyDocument"): 2_048,
    ("s3", "PutBucketPolicy", "Policy"): 20 * 1024,
}
"""IAM User Guide, "IAM and AWS STS quotas"; Amazon S3 User Guide, "Policies and permissions in Amazon S3"."""


def too_much(request: Request) -> str | None:
    """A limit that the API models do not know and the request exceeds: policies, layers, tags of objects."""
    key = (request.service, request.operation)
    for (*operation, member), most in POLICIES.items():
        size = len(request.parameters[member]) if key == tuple(operation) else 0
        if size > most:
            return f"{member} has {size} characters, {most} are taken"
    if key == ("lambda", "CreateFunction") and len(request.parameters["Layers"]) > 5:
        return "a function has five layers at most"
    if key == ("s3", "PutObject") and request.parameters.get("Tagging", "").count("=") > 10:
        return "an object has ten tags at most"
    return None


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("iam", "PutRolePolicy", {"PolicyDocument": "x" * 10_241}),
        ("lambda", "CreateFunction", {"Layers": ["arn"] * 6}),
        ("s3", "PutObject", {"Tagging": "&".join(["a=b"] * 11)}),
    ],
)
def test_more_than_a_limit_would_be_seen(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    assert too_much(Request(service, operation, parameters))


IDENTITY = {
    "Resource": ("restApi", "parentId", "pathPart"),
    "Method": ("restApi", "resourceId", "httpMethod"),
    "Integration": ("restApi", "resourceId", "httpMethod", "type", "integrationHttpMethod"),
    "Response": ("restApiId", "responseType"),
    "RequestValidator": ("restApi",),
    "Model": ("restApi", "name", "contentType"),
}
"""What a deployment of the API is a snapshot of, each with the inputs of which a change replaces it (the provider's
ForceNew; `pathPart` and `parentId` are changed in place, but then another path is what is served)."""


def snapshot(recording: Recording, made: Variant) -> set[tuple[str, ...]]:
    """All that a deployment of the API publishes, by identity: the stack's own name in it is left out."""
    service = f"{made.config.get('model', 'iris')}-{made.stack}"
    return {
        tuple(part.replace(service, "") for part in (kind, one.name, *(str(one.inputs.get(key)) for key in identity)))
        for one in recording.resources
        for kind, identity in IDENTITY.items()
        if one.type.startswith("aws:apigateway/") and one.type.endswith(f":{kind}")
    }


@functools.cache
def plain() -> frozenset[tuple[str, ...]]:
    made = Variant({}, "dev", IRIS, "3.12")
    return frozenset(snapshot(recorded(made), made))


@pytest.mark.no_cover  # as above
@pytest.mark.parametrize("index", range(len(ROWS)))
def test_what_is_declared_fits_the_types_of_pulumi_aws(index: int) -> None:
    made = variant(ROWS[index])
    recording = recorded(made)
    found = recording.resources
    custom = [resource for resource in found if not resource.is_component and resource.type.startswith("aws:")]
    assert len(custom) > 12, "a function without an API has 13"
    assert [finding for resource in custom for finding in findings(resource.type, resource.inputs)] == []
    if made.config.get("api") != "none":
        assert snapshot(recording, made) == plain(), "no update from or to any setting removes or replaces any of it"
    granted = {token for grant in GRANTS for token in grant.types}
    assert {resource.type for resource in custom} <= granted, "the policy of a deployer (model_registry/roles) lacks it"


@pytest.mark.parametrize(
    ("token", "inputs_", "finding"),
    [
        ("aws:s3/bucket:Bucked", {}, "there is no aws:s3/bucket:Bucked"),
        ("aws:s3/bucket:Bucket", {"acl": "private"}, ".acl is deprecated"),
        ("aws:s3/bucket:Bucket", {"bucketName": "a"}, ".bucketName is not known"),
        ("aws:lambda/function:Function", {}, ".role is required"),
        ("aws:lambda/function:Function", {"role": "r", "runtime": "python3.99"}, "which is none of"),
        ("aws:lambda/function:Function", {"role": "r", "timeout": "1m"}, ".timeout is '1m', which is of another type"),
        (
            "aws:lambda/function:Function",
            {"role": "r", "vpcConfig": {"subnetIds": ["a"]}},
            ".vpcConfig.securityGroupIds is",
        ),
    ],
)
def test_the_types_find_what_is_wrong(token: str, inputs_: Mapping[str, Any], finding: str) -> None:
    assert [one for one in findings(token, inputs_) if finding in one]
