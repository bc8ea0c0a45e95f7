"""What the program sends for every combination of settings is what AWS takes.

The program is deployed by `local`, whose clients refuse what AWS would refuse by its own API models; nothing is sent,
as the clients answer themselves. What each request says is thus checked by one mechanism, here and in every test that
deploys to MiniStack. Its policies are read by a linter besides, and its JSON schemas by a validator.

Two values differ from what Pulumi's AWS provider would send: a bucket policy lets loopback use plain HTTP (decision 2),
and an API's error responses do not quote the validator (MiniStack's says nothing).
"""

import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from infra import aws_account, inputs, policies
from infra.settings import Settings
from local.deployment import deploy
from local.errors import ApiModelError
from local.iris import PROJECT
from model_registry.release import Release
from model_runtime.manifest import Feature, Signature, encode
from tests.iam import lint
from tests.infra.answering import ACCOUNT, AnsweringAws, Request
from tests.infra.examples import IRIS, PUBLIC_KEY, followed, layer, release

ARN = f"arn:aws:%s:us-east-1:{ACCOUNT}:"
BUCKET = {"registryBucket": "models-of-ours"}
TEXT = Signature(features=(Feature(name="text", type="string"),), container="list", labels=("ham", "spam"))
REGRESSOR = Signature(features=(Feature(name="área (m²)", type="integer", nullable=True),), output="value")
WIDE = Signature(features=tuple(Feature(name=f"x{n}", type="number") for n in range(200)), output="value")


@dataclass(frozen=True)
class Variant:
    """A stack's configuration beside the registry's bucket, and the model that it serves."""

    config: Mapping[str, str] = field(default_factory=dict)
    stack: str = "dev"
    signature: Signature = IRIS
    python: str = "3.12"


VARIANTS = {
    "registry": Variant(stack="registry"),
    "defaults": Variant(),
    "smallest": Variant({"memory": "256", "timeout": "1", "logRetentionDays": "1", "tracing": "false"}),
    "largest": Variant({"memory": "10240", "timeout": "29", "logRetentionDays": "3653"}),
    "longest names": Variant({"model": "a" * 32, "tag": "b" * 32}, stack="prod"),
    "arm64": Variant({"architecture": "arm64"}),
    "api key": Variant({"apiKey": "true"}),
    "signed": Variant({"publicKey": PUBLIC_KEY}),
    "skops": Variant({"format": "skops", "trustedTypes": "a.b,c.d"}),
    "onnx": Variant({"format": "onnx"}),
    "oldest python": Variant(python="3.11"),
    "newest python": Variant(python="3.14"),
    "storage and concurrency": Variant(
        {"ephemeralStorage": "10240", "reservedConcurrency": "5", "provisionedConcurrency": "2"}
    ),
    "snapshot": Variant({"snapStart": "true"}),
    "network": Variant({"subnetIds": '["subnet-0a1b2c3d"]', "securityGroupIds": '["sg-0a1b2c3d"]'}),
    "usage plan": Variant({"apiKey": "true", "usageRate": "5", "usageBurst": "9", "usageQuota": "100"}),
    "throttling": Variant({"throttleRate": "5", "throttleBurst": "9"}),
    "signed requests": Variant({"authorization": "iam"}),
    "one origin": Variant({"corsOrigins": '["https://app.example.com"]'}),
    "many origins": Variant({"corsOrigins": '["https://app.example.com", "https://example.org"]'}),
    "any origin": Variant({"corsOrigins": '["*"]'}),
    "user pool": Variant({"authorization": ARN % "cognito-idp" + "userpool/us-east-1_AbC1"}),
    "authorizer": Variant({"authorization": ARN % "lambda" + "function:who-may"}),
    "private": Variant({"vpcEndpointIds": '["vpce-0a1b2c3d"]'}),
    "web ACL": Variant({"webAclArn": ARN % "wafv2" + "regional/webacl/ours/0-1"}),
    "mutual TLS": Variant(
        {
            "domainName": "iris.example.com",
            "certificateArn": ARN % "acm" + "certificate/0-1",
            "defaultEndpoint": "false",
            "truststoreUri": "s3://trusted/authorities.pem",
        }
    ),
    "domain": Variant({"domainName": "iris.example.com", "certificateArn": ARN % "acm" + "certificate/0-1"}),
    "detailed log": Variant({"accessLog": "detailed"}),
    "no log": Variant({"accessLog": "off"}),
    "keys": Variant({"kmsKeyArn": ARN % "kms" + "key/0-1", "registryKmsKeyArn": ARN % "kms" + "key/0-2"}),
    "registry's key": Variant({"kmsKeyArn": ARN % "kms" + "key/0-1"}, stack="registry"),
    "boundary": Variant({"permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/bounded"}),
    "tags": Variant({"tags": '{"team": "x+1 =a", "cost-centre": "4711"}'}),
    "registry's tags": Variant({"tags": '{"team": "x+1 =a"}'}, stack="registry"),
    "registry's lock": Variant({"objectLockDays": "30", "objectLockMode": "compliance"}, stack="registry"),
    "registry's readers": Variant({"registryReaders": '["arn:aws:iam::210987654321:root"]'}, stack="registry"),
    "registry's trail": Variant(
        {"auditTrail": "true", "objectLockDays": "30", "kmsKeyArn": ARN % "kms" + "key/0-1", "tags": '{"team": "a"}'},
        stack="registry",
    ),
    "registry's verifier": Variant(
        {"verifier": "true", "kmsKeyArn": ARN % "kms" + "key/0-1", "tags": '{"team": "a"}'}, stack="registry"
    ),
    "alarms": Variant({"alarmTopicArn": ARN % "sns" + "topic"}),
    "dashboard": Variant({"dashboard": "true"}),
    "text": Variant(signature=TEXT),
    "regressor": Variant(signature=REGRESSOR),
    "200 features": Variant(signature=WIDE),
}
"""One line a combination of settings: add one for each setting that changes what is sent."""


@functools.cache
def sent(name: str) -> tuple[Request, ...]:
    """Deploy a variant and return its requests; ApiModelError where AWS would refuse one."""
    return deployed(VARIANTS[name])


def deployed(variant: Variant) -> tuple[Request, ...]:
    """Deploy and return the requests; ApiModelError where AWS would refuse one."""
    aws = AnsweringAws()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as state:
        patch.setattr(inputs, "follow_tag", lambda settings, _outputs: followed(release_of(variant, settings)))
        patch.setattr(inputs, "model_layer", lambda *_args, **_options: layer())
        patch.setattr(aws_account, "client", aws.client)
        if variant.stack == "registry":  # an account in which API Gateway may not write logs yet
            patch.setattr(aws_account, "_logging_role", lambda: None)
        deploy(PROJECT, variant.stack, aws, Path(state), config={**BUCKET, **variant.config})
    return tuple(aws.requests)


def release_of(variant: Variant, settings: Settings) -> Release:
    """The version that the variant's stack serves, in each format."""
    manifest = release(variant.signature, python=variant.python).manifest
    other = {name: manifest.model_format("joblib") for name in ("skops", "onnx")}
    manifest = msgspec.structs.replace(manifest, name=settings.model, formats=other)
    return Release(manifest, encode(manifest))


def documents(requests: tuple[Request, ...]) -> Iterator[tuple[str, str | None]]:
    """Every policy, with the resource that its statements leave out."""
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    for request in requests:
        match request.service, request.operation:
            case "iam", "CreateRole":
                yield request.parameters["AssumeRolePolicyDocument"], role
            case "iam", "PutRolePolicy" | "CreatePolicy":
                yield request.parameters["PolicyDocument"], None
            case "s3", "PutBucketPolicy":
                yield request.parameters["Policy"], None
            case _, operation:
                assert "Policy" not in operation or operation == "AttachRolePolicy" or "Retention" in operation


@pytest.mark.no_cover  # the components' own tests cover what each variant runs again
@pytest.mark.parametrize("name", VARIANTS)
def test_aws_takes_what_is_sent(name: str) -> None:
    """Every request passes the service's API model, else the deployment had failed; none was left out."""
    operations = {f"{request.service}.{request.operation}" for request in sent(name)}
    expected = {"s3.CreateBucket", "s3.PutBucketPolicy", "iam.CreateRole"}
    if VARIANTS[name].stack != "registry":
        expected |= {"lambda.CreateFunction", "lambda.PublishLayerVersion", "apigateway.CreateStage", "s3.PutObject"}
    assert expected <= operations


@pytest.mark.parametrize("name", VARIANTS)
def test_the_linter_finds_nothing_in_any_policy(name: str) -> None:
    found = list(documents(sent(name)))
    assert len(found) >= 2
    assert [finding for document, resource in found for finding in lint(document, resource=resource)] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_a_models_schema_is_one_of_draft_4(name: str) -> None:
    """API Gateway takes no later draft."""
    schemas = [request.parameters["schema"] for request in sent(name) if request.operation == "CreateModel"]
    assert len(schemas) == (VARIANTS[name].stack != "registry")
    for schema in schemas:
        jsonschema.Draft4Validator.check_schema(json.loads(schema))


def statement(**changed: Any) -> str:
    right = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**right, **changed}]})


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        (statement(Action="s3:GetObjekt"), "UNKNOWN_ACTION"),
        (statement(Action="s4:GetObject"), "UNKNOWN_PREFIX"),
        (statement(Resource="arn:aws:s3:::models"), "RESOURCE_MISMATCH"),
        (statement(Resource="*"), "RESOURCE_STAR"),
        (statement(Resource="models/*"), "INVALID_ARN"),
        (statement(Condition={"StringEqual": {"aws:SourceAccount": "1"}}), "UNKNOWN_OPERATOR"),
        (statement(Effect="Permit"), "MALFORMED"),
    ],
)
def test_the_linter_finds_what_is_wrong(document: str, finding: str) -> None:
    assert lint(statement()) == []
    assert [found.split()[0] for found in lint(document)] == [finding]


def test_the_linter_reads_a_trust_policy() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    trust = policies.trust("lambda.amazonaws.com")
    assert lint(trust, resource=role) == []
    assert lint(trust.replace("AssumeRole", "AssumeRoll"), resource=role) != []


FUNCTION = (
    "aws.lambda_.Function('f', role='arn:aws:iam::123456789012:role/r', handler='app.handler', "
    "code=pulumi.AssetArchive({'app.py': pulumi.StringAsset('')}), %s)"
)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (FUNCTION % "memory_size=64", r"^f \(aws:lambda/function:Function\): .*MemorySize is 64, it must be 128"),
        (FUNCTION % "runtime='python9'", r"lambda.CreateFunction: Runtime is 'python9', it must be one of"),
        (FUNCTION % "description='x' * 300", r"Description is 'x+\.\.\. \(300 long\), it must have 256 characters"),
        (FUNCTION % "memory_size='much'", r"^f \(aws:lambda/function:Function\): Parameter validation failed"),
        (FUNCTION % "environment={'variables': {'LONG': 'x' * 5000}}", r"5,004 bytes long, it must have 4,096 bytes"),
        ("aws.cloudwatch.LogGroup('g', name='a b')", r"logGroupName is 'a b', it must match"),
        ("aws.iam.Role('r', assume_role_policy='{}', max_session_duration=60)", r"MaxSessionDuration is 60"),
        ("aws.s3.BucketVersioning('v', bucket='b', versioning_configuration={'status': 'On'})", r"Status is 'On'"),
        ("aws.apigateway.Resource('p', rest_api='a', parent_id='b', path_part='a/b')", r"pathPart is 'a/b'"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_program_fails_its_deployment(tmp_path: Path, program: str, message: str) -> None:
    """Resource, operation, member, value and rule are named."""
    (tmp_path / "Pulumi.yaml").write_text("name: wrong\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "__main__.py").write_text(f"import pulumi, pulumi_aws as aws\n{program}\n")
    with pytest.raises(ApiModelError, match=message):
        deploy(tmp_path, "dev", AnsweringAws(), tmp_path / "state")
