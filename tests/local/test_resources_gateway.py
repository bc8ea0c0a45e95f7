import pytest

from local.errors import LocalError
from tests.local.made import (
    ACCOUNT,
    ALIAS,
    API,
    DEPLOYMENT,
    INTEGRATION,
    INTEGRATION_RESPONSE,
    KEY,
    METHOD,
    METHOD_RESPONSE,
    MODEL,
    PLAN,
    PLAN_KEY,
    RESOURCE,
    RESPONSE,
    SETTINGS,
    STAGE,
    VALIDATOR,
    Made,
    make_api,
)
from tests.pulumi.lifecycle import exists, remove


def test_an_api_has_each_declared_part(made: Made) -> None:
    """What the program declares is what API Gateway says of the API."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    api = made.ids[API]
    place = {"restApiId": api, "resourceId": made.ids[RESOURCE], "httpMethod": "GET"}
    assert gateway.get_rest_api(restApiId=api)["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert made.outputs[API]["executionArn"] == f"arn:aws:execute-api:us-east-1:000000000000:{api}"
    assert made.outputs[RESOURCE]["path"] == "/predict"
    assert gateway.get_model(restApiId=api, modelName="Row")["schema"] == '{"type": "object"}'
    validator = gateway.get_request_validator(restApiId=api, requestValidatorId=made.ids[VALIDATOR])
    assert (validator["validateRequestBody"], validator["validateRequestParameters"]) == (True, True)
    method = gateway.get_method(**place)
    assert method["requestParameters"] == {"method.request.querystring.x": True}
    assert method["requestModels"] == {"application/json": "Row"}
    assert method["requestValidatorId"] == made.ids[VALIDATOR]
    integration = gateway.get_integration(**place)
    assert (integration["uri"], integration["timeoutInMillis"]) == (made.outputs[ALIAS]["invokeArn"], 5000)
    assert gateway.get_method_response(**place, statusCode="200")["responseModels"] == {"application/json": "Empty"}
    assert gateway.get_integration_response(**place, statusCode="200")["responseTemplates"] == {"application/json": ""}
    response = gateway.get_gateway_response(restApiId=api, responseType="BAD_REQUEST_PARAMETERS")
    assert response["statusCode"] == "422"
    stage = gateway.get_stage(restApiId=api, stageName="dev")
    assert (stage["deploymentId"], stage["tracingEnabled"]) == (made.ids[DEPLOYMENT], True)
    assert stage["accessLogSettings"]["format"] == "$context.requestId"
    assert made.outputs[STAGE]["executionArn"].endswith(f":{api}/dev")
    assert made.outputs[STAGE]["invokeUrl"] == f"{made.aws.url}/_aws/execute-api/{api}/dev"


def test_each_part_of_an_api_is_changed_in_place(made: Made) -> None:
    """A changed method keeps its integration and responses, and the API its id."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    api = made.ids[API]
    place = {"restApiId": api, "resourceId": made.ids[RESOURCE], "httpMethod": "GET"}
    before = gateway.get_integration(**place)

    made.update(METHOD, requestParameters={"method.request.querystring.y": True}, apiKeyRequired=True)
    method = gateway.get_method(**place)
    assert method["requestParameters"] == {"method.request.querystring.y": True}
    assert method["apiKeyRequired"] is True
    assert method["methodResponses"].keys() == {"200"}
    kept = gateway.get_integration(**place)
    assert {key: kept[key] for key in before if key != "ResponseMetadata"} == {
        key: before[key] for key in before if key != "ResponseMetadata"
    }

    made.update(INTEGRATION, timeoutMilliseconds=6000)
    changed = gateway.get_integration(**place)
    assert changed["timeoutInMillis"] == 6000
    assert changed["integrationResponses"].keys() == {"200"}

    made.update(METHOD_RESPONSE, responseModels={})
    assert gateway.get_method_response(**place, statusCode="200").get("responseModels", {}) == {}
    made.update(INTEGRATION_RESPONSE, selectionPattern="5..")
    assert gateway.get_integration_response(**place, statusCode="200")["selectionPattern"] == "5.."
    made.update(MODEL, schema='{"type": "array"}')
    assert gateway.get_model(restApiId=api, modelName="Row")["schema"] == '{"type": "array"}'
    made.update(VALIDATOR, validateRequestBody=False)
    validator = gateway.get_request_validator(restApiId=api, requestValidatorId=made.ids[VALIDATOR])
    assert (validator["validateRequestBody"], validator["validateRequestParameters"]) == (False, True)
    made.update(RESPONSE, statusCode="400", responseTemplates={"application/json": "{}"})
    response = gateway.get_gateway_response(restApiId=api, responseType="BAD_REQUEST_PARAMETERS")
    assert (response["statusCode"], response["responseTemplates"]) == ("400", {"application/json": "{}"})
    made.update(API, description="new")
    assert gateway.get_rest_api(restApiId=api)["description"] == "new"


def test_a_deployment_is_not_deleted_while_a_stage_shows_it(made: Made) -> None:
    """API Gateway refuses that; one that no stage shows goes."""
    make_api(made)
    first = made.ids[DEPLOYMENT]
    with pytest.raises(LocalError, match=f"active stages .* deployment {first} is that of dev"):
        remove(DEPLOYMENT, made.aws, first, made.inputs[DEPLOYMENT])
    made.make(DEPLOYMENT, restApi=made.ids[API], triggers={"content": "2"})
    made.update(STAGE, deployment=made.ids[DEPLOYMENT])
    remove(DEPLOYMENT, made.aws, first, made.inputs[DEPLOYMENT])
    assert not exists(DEPLOYMENT, made.aws, first, made.inputs[DEPLOYMENT])


def test_a_stage_follows_its_deployment_and_settings(made: Made) -> None:
    """What has gone from the program goes from the stage."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    api = made.ids[API]
    second = made.make(DEPLOYMENT, restApi=api, triggers={"content": "2"})
    assert second["createdDate"]
    del made.inputs[STAGE]["accessLogSettings"]
    made.update(STAGE, deployment=made.ids[DEPLOYMENT], variables={"two": "3"}, xrayTracingEnabled=False)
    stage = gateway.get_stage(restApiId=api, stageName="dev")
    assert stage["deploymentId"] == made.ids[DEPLOYMENT]
    assert stage["variables"] == {"two": "3"}
    assert stage["tracingEnabled"] is False
    assert not stage.get("accessLogSettings")

    settings = {"metricsEnabled": True, "loggingLevel": "INFO", "throttlingRateLimit": 5, "throttlingBurstLimit": 10}
    made.make(SETTINGS, restApi=api, stageName="dev", methodPath="*/*", settings=settings)
    read = gateway.get_stage(restApiId=api, stageName="dev")["methodSettings"]["*/*"]
    assert {name: read[name] for name in settings} == settings
    made.update(SETTINGS, settings={"throttlingRateLimit": 7})
    read = gateway.get_stage(restApiId=api, stageName="dev")["methodSettings"]["*/*"]
    assert (read["throttlingRateLimit"], read["metricsEnabled"]) == (7, False)


def test_the_account_has_the_role_that_writes_access_logs(made: Made) -> None:
    """It is one setting for the whole account."""
    made.make(ACCOUNT, cloudwatchRoleArn="arn:aws:iam::000000000000:role/logs")
    assert made.aws.client("apigateway").get_account()["cloudwatchRoleArn"] == "arn:aws:iam::000000000000:role/logs"
    made.update(ACCOUNT, cloudwatchRoleArn="arn:aws:iam::000000000000:role/other")
    assert made.aws.client("apigateway").get_account()["cloudwatchRoleArn"] == "arn:aws:iam::000000000000:role/other"


def test_a_key_has_a_plan_with_its_limits(made: Made) -> None:
    """The limits follow a change; the key's value is an output."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    key = made.make(KEY, description="for a test")
    assert gateway.get_api_key(apiKey=made.ids[KEY], includeValue=True)["value"] == key["value"]
    assert gateway.get_api_key(apiKey=made.ids[KEY])["enabled"] is True
    made.make(
        PLAN,
        apiStages=[{"apiId": made.ids[API], "stage": "dev"}],
        throttleSettings={"rateLimit": 5, "burstLimit": 10},
        quotaSettings={"limit": 100, "period": "DAY"},
    )
    made.make(PLAN_KEY, usagePlanId=made.ids[PLAN], keyId=made.ids[KEY], keyType="API_KEY")
    plan = gateway.get_usage_plan(usagePlanId=made.ids[PLAN])
    assert (plan["throttle"], plan["quota"]["limit"]) == ({"rateLimit": 5, "burstLimit": 10}, 100)
    assert gateway.get_usage_plan_keys(usagePlanId=made.ids[PLAN])["items"][0]["id"] == made.ids[KEY]
    del made.inputs[PLAN]["quotaSettings"]
    made.update(PLAN, throttleSettings={"rateLimit": 7, "burstLimit": 10})
    plan = gateway.get_usage_plan(usagePlanId=made.ids[PLAN])
    assert float(plan["throttle"]["rateLimit"]) == 7
    assert not plan.get("quota")
