"""API Gateway: deployments and stages, their settings, and the keys and plans of callers."""

from collections.abc import Mapping

from local.ministack import REGION, LocalAws
from local.resources.base import Field, Properties, ResourceType, account, request


def replace(path: str, value: object) -> dict[str, str]:
    """Return the operation that sets one value: the service takes every value as text."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return {"op": "replace", "path": f"/{path}", "value": text}


_DEPLOYMENT: Mapping[str, Field] = {"restApi": "restApiId", "description": "description", "variables": "variables"}


def _create_deployment(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    deployment = aws.client("apigateway").create_deployment(**request(_DEPLOYMENT, inputs))
    return deployment["id"], {"createdDate": deployment["createdDate"].isoformat()}


_STAGE: Mapping[str, Field] = {
    "restApi": "restApiId",
    "stageName": "stageName",
    "deployment": "deploymentId",
    "description": "description",
    "tags": "tags",
    "variables": "variables",
    "xrayTracingEnabled": "tracingEnabled",
}


def _create_stage(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    gateway = aws.client("apigateway")
    gateway.create_stage(**request(_STAGE, inputs))
    api, stage = inputs["restApi"], inputs["stageName"]
    if inputs.get("accessLogSettings"):
        gateway.update_stage(restApiId=api, stageName=stage, patchOperations=_access_log(inputs))
    return f"ags-{api}-{stage}", {
        "arn": f"arn:aws:apigateway:{REGION}::/restapis/{api}/stages/{stage}",
        "executionArn": f"arn:aws:execute-api:{REGION}:{account(aws)}:{api}/{stage}",
        # Not the service's own kind of URL, whose host `*.localhost` does not resolve everywhere.
        "invokeUrl": f"{aws.url}/_aws/execute-api/{api}/{stage}",
    }


def _update_stage(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    gateway = aws.client("apigateway")
    place = {"restApiId": inputs["restApi"], "stageName": inputs["stageName"]}
    variables = inputs.get("variables", {})
    gone = gateway.get_stage(**place).get("variables", {}).keys() - variables.keys()
    patch = [
        replace("deploymentId", inputs["deployment"]),
        replace("description", inputs.get("description", "")),
        replace("tracingEnabled", inputs.get("xrayTracingEnabled", False)),
        *(replace(f"variables/{name}", value) for name, value in variables.items()),
        *({"op": "remove", "path": f"/variables/{name}"} for name in sorted(gone)),
        *_access_log(inputs),
    ]
    gateway.update_stage(**place, patchOperations=patch)
    return {}


def _access_log(inputs: Properties) -> list[dict[str, str]]:
    settings = inputs.get("accessLogSettings")
    if not settings:
        return [{"op": "remove", "path": "/accessLogSettings"}]
    return [replace(f"accessLogSettings/{name}", settings[name]) for name in ("destinationArn", "format")]


# https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
_SETTINGS = {
    "metricsEnabled": "metrics/enabled",
    "loggingLevel": "logging/loglevel",
    "dataTraceEnabled": "logging/dataTrace",
    "throttlingBurstLimit": "throttling/burstLimit",
    "throttlingRateLimit": "throttling/rateLimit",
    "cachingEnabled": "caching/enabled",
    "cacheTtlInSeconds": "caching/ttlInSeconds",
    "cacheDataEncrypted": "caching/dataEncrypted",
    "requireAuthorizationForCacheControl": "caching/requireAuthorizationForCacheControl",
    "unauthorizedCacheControlHeaderStrategy": "caching/unauthorizedCacheControlHeaderStrategy",
}


def _create_settings(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    identity = f"{inputs['restApi']}-{inputs['stageName']}-{inputs['methodPath']}"
    return identity, _update_settings(aws, identity, inputs)


def _update_settings(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    # A resource's path and the method are two steps, in the first of which "/" is written "~1".
    place = _settings_path(inputs)
    patch = [replace(f"{place}/{_SETTINGS[name]}", value) for name, value in inputs["settings"].items()]
    aws.client("apigateway").update_stage(
        restApiId=inputs["restApi"],
        stageName=inputs["stageName"],
        # Reset first: a setting that was removed has its default again.
        patchOperations=[{"op": "remove", "path": f"/{place}"}, *patch],
    )
    return {}


def _settings_path(inputs: Properties) -> str:
    path, _, method = inputs["methodPath"].rpartition("/")
    return f"{path.replace('/', '~1')}/{method}"


def _create_account(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    return "api-gateway-account", _update_account(aws, "", inputs)


def _update_account(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    patch = [replace("cloudwatchRoleArn", inputs.get("cloudwatchRoleArn", ""))]
    aws.client("apigateway").update_account(patchOperations=patch)
    return {}


_KEY: Mapping[str, Field] = {
    "name": "name",
    "customerId": "customerId",
    "description": "description",
    "enabled": "enabled",
    "tags": "tags",
    "value": "value",
}


def _create_key(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    # The provider's keys work unless they say otherwise; the service's do not.
    key = aws.client("apigateway").create_api_key(**{"enabled": True} | request(_KEY, inputs))
    return key["id"], {
        "arn": f"arn:aws:apigateway:{REGION}::/apikeys/{key['id']}",
        "value": key["value"],
        "createdDate": key["createdDate"].isoformat(),
    }


_PLAN: Mapping[str, Field] = {
    "name": "name",
    "apiStages": "apiStages",
    "description": "description",
    "quotaSettings": "quota",
    "tags": "tags",
    "throttleSettings": "throttle",
}


def _create_plan(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    plan = aws.client("apigateway").create_usage_plan(**request(_PLAN, inputs))
    return plan["id"], {"arn": f"arn:aws:apigateway:{REGION}::/usageplans/{plan['id']}"}


def _update_plan(aws: LocalAws, plan: str, inputs: Properties) -> Properties:
    patch = [replace("name", inputs["name"]), replace("description", inputs.get("description", ""))]
    for name, path in (("throttleSettings", "throttle"), ("quotaSettings", "quota")):
        settings = inputs.get(name) or {}
        patch.append({"op": "remove", "path": f"/{path}"})
        patch += [replace(f"{path}/{key}", value) for key, value in settings.items()]
    aws.client("apigateway").update_usage_plan(usagePlanId=plan, patchOperations=patch)
    return {}


_PLAN_KEY: Mapping[str, Field] = {"usagePlanId": "usagePlanId", "keyId": "keyId", "keyType": "keyType"}


def _create_plan_key(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    key = aws.client("apigateway").create_usage_plan_key(**request(_PLAN_KEY, inputs))
    return key["id"], {"name": key.get("name", ""), "value": key.get("value", "")}


RESOURCES = {
    "aws:apigateway/deployment:Deployment": ResourceType(
        _create_deployment,
        frozenset(_DEPLOYMENT),
        ignored=frozenset({"triggers"}),  # it changes so that there is another deployment, and means nothing else
    ),
    "aws:apigateway/stage:Stage": ResourceType(
        _create_stage,
        frozenset(_STAGE) | {"accessLogSettings"},
        _update_stage,
        identity=frozenset({"restApi", "stageName"}),
    ),
    "aws:apigateway/methodSettings:MethodSettings": ResourceType(
        _create_settings,
        frozenset({"restApi", "stageName", "methodPath", "settings"}),
        _update_settings,
        identity=frozenset({"restApi", "stageName", "methodPath"}),
    ),
    "aws:apigateway/account:Account": ResourceType(_create_account, frozenset({"cloudwatchRoleArn"}), _update_account),
    "aws:apigateway/apiKey:ApiKey": ResourceType(
        _create_key,
        frozenset(_KEY),
        named="name",
    ),
    "aws:apigateway/usagePlan:UsagePlan": ResourceType(
        _create_plan,
        frozenset(_PLAN),
        _update_plan,
        identity=frozenset({"apiStages"}),
        named="name",
    ),
    "aws:apigateway/usagePlanKey:UsagePlanKey": ResourceType(
        _create_plan_key,
        frozenset(_PLAN_KEY),
    ),
}
