"""A client of the local AWS refuses what AWS would refuse, by the service's own model."""

from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ParamValidationError

from local.api_models import compiled, strict, violations
from local.errors import ApiModelError
from local.ministack import LocalAws
from local.resources import RESOURCES

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/iris"
FUNCTION: dict[str, Any] = {
    "FunctionName": "iris",
    "Role": ROLE,
    "Handler": "app.handler",
    "Runtime": "python3.12",
    "MemorySize": 1024,
    "Timeout": 29,
    "Architectures": ["x86_64"],
    "Environment": {"Variables": {"MODEL_NAME": "iris"}},
    "Tags": {"team:größe/1": "wie_es ist + 1"},
    "Code": {"ZipFile": b"zip"},
}


def refusals(service: str, operation: str, **parameters: Any) -> list[str]:
    model = botocore.session.get_session().get_service_model(service)
    return [str(found) for found in violations(model.operation_model(operation), parameters)]


def refusal(operation: str = "CreateFunction", service: str = "lambda", **changed: Any) -> str:
    """The only refusal of a request that is right but for these parameters."""
    (found,) = refusals(service, operation, **({**FUNCTION, **changed} if operation == "CreateFunction" else changed))
    return found


def test_a_right_request_is_not_refused() -> None:
    assert refusals("lambda", "CreateFunction", **FUNCTION) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"MemorySize": 64}, "MemorySize is 64, it must be 128 at least"),
        ({"MemorySize": 10**6}, "MemorySize is 1000000, it must be 32768 at most"),
        ({"Runtime": "python9"}, "Runtime is 'python9', it must be one of "),
        ({"Description": "x" * 300}, "(300 long), it must have 256 characters at most"),
        ({"FunctionName": "iris dev"}, "FunctionName is 'iris dev', it must match (arn:"),
        ({"Architectures": []}, "Architectures is [], it must have 1 items at least"),
        ({"Architectures": ["arm64"] * 2}, "Architectures is ['arm64', 'arm64'], it must have 1 items at most"),
        ({"Architectures": ["sparc"]}, "Architectures[0] is 'sparc', it must be one of x86_64, arm64"),
        ({"EphemeralStorage": {"Size": 100}}, "EphemeralStorage.Size is 100, it must be 512 at least"),
        ({"Tags": {"a": "b#"}}, "Tags.a is 'b#', it must match"),
        ({"Tags": {"": "b"}}, "the key  of Tags is '', it must have 1 characters at least"),
        ({"SnapStart": {"ApplyOn": "Always"}}, "SnapStart.ApplyOn is 'Always', it must be one of Publi"),
    ],
)  # fmt: skip
def test_a_value_against_the_model_is_named_with_its_rule(changed: dict[str, Any], message: str) -> None:
    assert message in refusal(**changed)


def test_a_secret_is_not_shown() -> None:
    """The model says which members are sensitive."""
    assert refusal(Environment={"Variables": {"1-password": "x"}}).startswith(
        "the key 1-password of Environment.Variables is [secret]"
    )


@pytest.mark.parametrize(
    ("operation", "service", "changed", "message"),
    [
        ("CreateFunction", "lambda", {"Environment": {"Variables": {"LONG": "x" * 4096}}}, "4,100 bytes long"),
        ("CreateFunction", "lambda", {"Environment": {"Variables": {"AWS_REGION": "x"}}}, "that Lambda reserves"),
        ("CreateFunction", "lambda", {"Layers": [f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:x:{n}" for n in range(6)]},
         "Layers is 6 layers, it must have 5"),
        ("CreateResource", "apigateway", {"pathPart": "a/b"}, "pathPart is 'a/b'"),
        ("CreateStage", "apigateway", {"stageName": "über"}, "stageName is 'über'"),
        ("CreateModel", "apigateway", {"name": "my-model", "schema": "{}"}, "have letters and digits only"),
        ("CreateModel", "apigateway", {"name": "model", "schema": "{"}, "be JSON"),
        ("CreateModel", "apigateway", {"name": "model", "schema": '{"$schema": "http://json-schema.org/draft-07/schema#"}'},
         "be an object of JSON schema draft 4"),
        ("PutMethod", "apigateway", {"httpMethod": "FETCH"}, "httpMethod is 'FETCH'"),
        ("PutMethod", "apigateway", {"requestParameters": {"method.request.querystring.a b": True}}, "a b"),
        ("PutIntegration", "apigateway", {"timeoutInMillis": 300_001}, "be from 50 to 300000"),
        ("PutGatewayResponse", "apigateway", {"responseParameters": {"gatewayresponse.header.X": "bare"}}, "quotes"),
        ("PutGatewayResponse", "apigateway", {"responseParameters": {"header.X": "'x'"}}, "'header.X'"),
        ("PutGatewayResponse", "apigateway", {"statusCode": "666"}, r"match [1-5]\d\d"),
        ("UpdateStage", "apigateway",
         {"patchOperations": [{"op": "replace", "path": "/accessLogSettings/format", "value": "$context.status"}]},
         "hold $context.requestId"),
        ("UpdateStage", "apigateway", {"patchOperations": [
            {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId " + "x" * 3072}]},
         "3,072 bytes at most"),
        ("PutRolePolicy", "iam", {"PolicyDocument": "x" * 10_241}, "10,240 bytes at most"),
    ],
)  # fmt: skip
def test_rules_that_stand_in_no_model_are_checked_too(
    operation: str, service: str, changed: dict[str, Any], message: str
) -> None:
    assert message in refusal(operation, service, **changed)


def test_a_client_raises_before_it_sends(aws: LocalAws) -> None:
    """MiniStack takes both requests: it knows neither rule."""
    with pytest.raises(ApiModelError, match=r"^AWS would refuse logs\.CreateLogGroup: logGroupName is 'a b', it must"):
        aws.client("logs").create_log_group(logGroupName="a b")
    with pytest.raises(ApiModelError, match="pathPart is 'a/b'"):
        aws.client("apigateway").create_resource(restApiId="x", parentId="y", pathPart="a/b")


@pytest.mark.parametrize("changed", [{"MemorySize": "much"}, {"Memory": 1024}, {"Role": None}])
def test_botocore_itself_refuses_wrong_types_and_names(changed: dict[str, Any]) -> None:
    """So it is not done here again; nothing is sent, as the address leads nowhere."""
    client = strict(
        boto3.client(
            "lambda",
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="a",
            aws_secret_access_key="b",  # noqa: S106  # no secret
        )
    )
    with pytest.raises(ParamValidationError):
        client.create_function(**FUNCTION | changed)


def test_every_pattern_of_the_services_that_are_used_is_read_but_those_named_here() -> None:
    """A pattern that Python cannot read is not checked, so each is a decision."""
    session = botocore.session.get_session()
    unread, read = set(), 0
    for service in SERVICES:
        model = session.get_service_model(service)
        shapes = (model.shape_for(name) for name in model.shape_names)
        for shape in (shape for shape in shapes if "pattern" in shape.metadata):
            if compiled(shape.metadata["pattern"]):
                read += 1
            else:
                unread.add(f"{service} {shape.name}")
    assert unread == {"logs ResourceType", "cloudwatch DefinitionPath"}
    assert read > 250


def test_the_services_are_those_of_the_table() -> None:
    """A module of pulumi-aws that is added to the table has its service in the list above."""
    assert {token.split("/")[0].removeprefix("aws:") for token in RESOURCES} <= {*SERVICES}


SERVICES = (
    "s3",
    "iam",
    "lambda",
    "logs",
    "apigateway",
    "sts",
    "cloudwatch",
    "sns",
    "ec2",
    "kms",
    "acm",
    "cloudtrail",
    "codebuild",
    "wafv2",
)
