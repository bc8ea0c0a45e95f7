import json
from typing import Any

import pytest

from infra.api import ApiArgs, ModelApi
from infra.function import FunctionArgs, ModelFunction
from model_runtime.manifest import Feature, Signature
from tests.infra.examples import IRIS, release, settings
from tests.infra.recording import Recorded, Recording, record

PAGE, OTHER = "https://app.example.com", "http://localhost:8080"


def declare(signature: Signature = IRIS, **changes: Any) -> Recording:
    def program() -> None:
        given = settings(**changes)
        args = FunctionArgs(release=release(signature), layer_arn="arn:layer", settings=given)
        function = ModelFunction("iris-dev", args)
        ModelApi("iris-dev-api", ApiArgs(signature=signature, function=function, settings=given))

    return record(program)


def asked(recording: Recording) -> list[Recorded]:
    """The methods that callers use; a preflight is the browser's."""
    return [method for method in recording.all("Method") if method.inputs["httpMethod"] != "OPTIONS"]


@pytest.fixture(scope="module")
def api() -> Recording:
    return declare()


def test_every_method_calls_the_alias_by_proxy_integration(api: Recording) -> None:
    alias = api.one("Alias")
    integrations = api.all("Integration")
    assert len(integrations) == len(api.all("Method")) == 19
    for integration in integrations:
        assert integration.inputs["timeoutMilliseconds"] == 29_000
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
    name = api.one("Model").inputs["name"]
    assert post["requestModels"] == {"application/json": name, "$default": name}, "else other types are not checked"
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
    closed = declare(api_key=True, try_it_page=False)
    assert all(method.inputs["apiKeyRequired"] for method in asked(closed))
    plan = closed.one("UsagePlan")
    assert plan.inputs["apiStages"][0]["stage"] == "dev"
    assert closed.one("UsagePlanKey").inputs["keyId"] == f"{closed.one('ApiKey').name}-id"


def test_a_browser_opens_the_page_of_an_api_with_keys_and_nothing_else_of_it() -> None:
    """It cannot send a key when it opens a page; where callers sign their requests, none is open."""
    opened = [each.inputs for each in asked(declare(api_key=True)) if not each.inputs["apiKeyRequired"]]
    assert [(each["httpMethod"], each["resourceId"]) for each in opened] == [("GET", "root")]
    signed = asked(declare(api_key=True, authorization="iam"))
    assert all(each.inputs["apiKeyRequired"] and each.inputs["authorization"] == "AWS_IAM" for each in signed)


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
    assert declare(authorization="iam").one("Deployment").inputs["triggers"] != trigger
    assert declare(try_it_page=False).one("Deployment").inputs["triggers"] != trigger
    assert declare(cors_origins=(PAGE,)).one("Deployment").inputs["triggers"] != trigger
    limited = declare(throttle_rate=5, throttle_burst=5, access_log="off")
    assert limited.one("Deployment").inputs["triggers"] == trigger


def test_the_gateway_answers_with_problem_documents_too(api: Recording) -> None:
    responses = {r.inputs["responseType"]: r.inputs for r in api.all("Response")}
    assert {"BAD_REQUEST_PARAMETERS", "BAD_REQUEST_BODY", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"} < set(responses)
    for response in responses.values():
        header = response["responseParameters"]["gatewayresponse.header.Content-Type"]
        assert header == "'application/problem+json'"


def test_with_iam_every_method_asks_for_a_signature() -> None:
    recording = declare(authorization="iam")
    assert {method.inputs["authorization"] for method in asked(recording)} == {"AWS_IAM"}
    assert {method.inputs["authorization"] for method in declare().all("Method")} == {"NONE"}


def test_a_preflight_asks_for_nothing_even_where_all_else_does() -> None:
    """Browsers send neither key nor signature with one."""
    recording = declare(api_key=True, authorization="iam", cors_origins=(PAGE,))
    options = [method.inputs for method in recording.all("Method") if method.inputs["httpMethod"] == "OPTIONS"]
    assert len(options) == len(recording.all("Resource")) + 1 == 8, "the root is the API's own"
    for method in options:
        assert method["authorization"] == "NONE"
        assert not method.get("apiKeyRequired")


@pytest.mark.parametrize(
    "changes",
    [{}, {"cors_origins": (PAGE,)}, {"cors_origins": (PAGE, OTHER)}, {"api_key": True}, {"authorization": "iam"}],
    ids=str,
)
def test_the_same_methods_are_there_whatever_the_settings(api: Recording, changes: dict[str, Any]) -> None:
    """A method that an update removed would stay in the deployment's snapshot."""
    kinds = ("Resource", "Method", "Integration", "Response", "RequestValidator", "Model")
    changed = declare(**changes)
    for kind in kinds:
        assert {part.name for part in changed.all(kind)} == {part.name for part in api.all(kind)}
    assert not changed.all("IntegrationResponse") + changed.all("MethodResponse")


@pytest.mark.parametrize(("origins", "allowed"), [((PAGE,), PAGE), (("*",), "*"), ((PAGE, OTHER), "*")])
def test_a_page_may_read_the_gateways_errors(origins: tuple[str, ...], allowed: str) -> None:
    for response in declare(cors_origins=origins).all("Response"):
        parameters = response.inputs["responseParameters"]
        assert parameters["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{allowed}'"


def test_without_origins_no_error_names_one(api: Recording) -> None:
    for response in api.all("Response"):
        assert list(response.inputs["responseParameters"]) == ["gatewayresponse.header.Content-Type"]


def test_the_plan_has_the_limits_of_the_key_and_none_by_default() -> None:
    plan = (
        declare(api_key=True, usage_rate=5, usage_burst=10, usage_quota=100, usage_quota_period="DAY")
        .one("UsagePlan")
        .inputs
    )
    assert plan["throttleSettings"] == {"rateLimit": 5, "burstLimit": 10}
    assert plan["quotaSettings"] == {"limit": 100, "period": "DAY"}
    plain = declare(api_key=True).one("UsagePlan").inputs
    assert not {"throttleSettings", "quotaSettings"} & plain.keys()


def test_throttling_is_for_every_method_of_the_stage(api: Recording) -> None:
    throttled = declare(throttle_rate=5, throttle_burst=10).one("MethodSettings").inputs
    assert (throttled["methodPath"], throttled["stageName"]) == ("*/*", "dev")
    assert throttled["settings"] == {"throttlingRateLimit": 5, "throttlingBurstLimit": 10}
    assert api.one("MethodSettings").inputs["settings"] == {"throttlingRateLimit": 100, "throttlingBurstLimit": 200}


def test_the_access_log_has_its_format_or_is_off() -> None:
    own = declare(access_log="$context.requestId").one("Stage").inputs
    assert own["accessLogSettings"]["format"] == "$context.requestId"
    off = declare(access_log="off")
    assert "accessLogSettings" not in off.one("Stage").inputs
    assert [group.name for group in off.all("LogGroup")] == ["iris-dev-logs"]


def test_tags_and_key_are_on_all_that_takes_them() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
    recording = declare(api_key=True, kms_key_arn=key, tags={"team": "a"})
    for kind in ("RestApi", "Stage", "ApiKey", "UsagePlan"):
        assert recording.one(kind).inputs["tags"] == {"team": "a"}
    (access,) = [group for group in recording.all("LogGroup") if group.name == "iris-dev-api-access-logs"]
    assert (access.inputs["kmsKeyId"], access.inputs["tags"]) == (key, {"team": "a"})
