import json

import pytest

from infra.api import ApiArgs, ModelApi
from infra.function import FunctionArgs, ModelFunction
from model_registry.manifest import Feature, Signature
from tests.infra.examples import IRIS, release
from tests.infra.recording import Recording, record


def declare(signature: Signature = IRIS, *, api_key: bool = False, tracing: bool = True) -> Recording:
    def program() -> None:
        function = ModelFunction(
            "iris-dev",
            FunctionArgs(
                release=release(signature),
                registry_bucket="models-of-ours",
                layer_arn="arn:layer",
                memory=1024,
                timeout=29,
                architecture="x86_64",
                log_retention_days=7,
                tracing=tracing,
            ),
        )
        ModelApi(
            "iris-dev-api",
            ApiArgs(
                signature=signature,
                function=function,
                stage="dev",
                api_key=api_key,
                log_retention_days=7,
                tracing=tracing,
            ),
        )

    return record(program)


@pytest.fixture(scope="module")
def api() -> Recording:
    return declare()


def test_every_method_calls_the_alias_by_proxy_integration(api: Recording) -> None:
    alias = api.one("Alias")
    integrations = api.all("Integration")
    assert len(integrations) == len(api.all("Method")) == 5
    for integration in integrations:
        assert integration.inputs["type"] == "AWS_PROXY"
        assert integration.inputs["integrationHttpMethod"] == "POST"
        assert integration.inputs["uri"].endswith(f":{alias.name}:invoke")
        assert "$LATEST" not in integration.inputs["uri"]


def test_get_requires_the_features_and_post_fits_the_schema_both_by_the_one_validator(api: Recording) -> None:
    validator = api.one("RequestValidator")
    assert validator.inputs["validateRequestBody"] is True
    assert validator.inputs["validateRequestParameters"] is True
    methods = {(m.inputs["httpMethod"], m.inputs["resourceId"]): m.inputs for m in api.all("Method")}
    get, post = methods["GET", "iris-dev-api-predict-id"], methods["POST", "iris-dev-api-predict-id"]
    assert get["requestParameters"] == {f"method.request.querystring.{name}": True for name in ("sl", "sw", "pl", "pw")}
    assert post["requestModels"] == {"application/json": api.one("Model").inputs["name"]}
    assert {method["requestValidatorId"] for method in methods.values()} == {f"{validator.name}-id"}
    assert json.loads(api.one("Model").inputs["schema"])["definitions"]["Instance"]["required"] == [
        "sl",
        "sw",
        "pl",
        "pw",
    ]


def test_the_api_is_open_by_default(api: Recording) -> None:
    assert not any(method.inputs["apiKeyRequired"] for method in api.all("Method"))
    assert not api.all("ApiKey")


def test_with_an_api_key_every_method_asks_for_it_and_a_usage_plan_opens_the_stage() -> None:
    closed = declare(api_key=True)
    assert all(method.inputs["apiKeyRequired"] for method in closed.all("Method"))
    plan = closed.one("UsagePlan")
    assert plan.inputs["apiStages"][0]["stage"] == "dev"
    assert closed.one("UsagePlanKey").inputs["keyId"] == f"{closed.one('ApiKey').name}-id"


def test_only_this_stage_of_this_api_may_call_the_alias(api: Recording) -> None:
    permission = api.one("Permission").inputs
    assert permission["qualifier"] == "live"
    assert permission["principal"] == "apigateway.amazonaws.com"
    assert permission["sourceArn"].endswith(":iris-dev-api-rest/dev/*")


def test_the_stage_is_traced_and_logged(api: Recording) -> None:
    stage = api.one("Stage").inputs
    assert stage["xrayTracingEnabled"] is True
    assert stage["accessLogSettings"]["destinationArn"].endswith("iris-dev-api-access-logs")
    assert stage["stageName"] == "dev"
    assert declare(tracing=False).one("Stage").inputs["xrayTracingEnabled"] is False


def test_the_deployment_is_made_anew_when_and_only_when_the_api_changes(api: Recording) -> None:
    wider = Signature(features=(*IRIS.features, Feature(name="color", type="string")), labels=IRIS.labels)
    trigger = api.one("Deployment").inputs["triggers"]
    assert declare().one("Deployment").inputs["triggers"] == trigger
    assert declare(tracing=False).one("Deployment").inputs["triggers"] == trigger
    assert declare(wider).one("Deployment").inputs["triggers"] != trigger
    assert declare(api_key=True).one("Deployment").inputs["triggers"] != trigger


def test_the_gateway_answers_with_problem_documents_too(api: Recording) -> None:
    responses = {r.inputs["responseType"]: r.inputs for r in api.all("Response")}
    assert set(responses) == {"BAD_REQUEST_PARAMETERS", "BAD_REQUEST_BODY", "DEFAULT_4XX", "DEFAULT_5XX"}
    for response in responses.values():
        header = response["responseParameters"]["gatewayresponse.header.Content-Type"]
        assert header == "'application/problem+json'"
