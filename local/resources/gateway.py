"""API Gateway's REST APIs: the API and its parts.

What callers reach is in `stages.py`. A changed part is updated in place or put again, so that the API keeps its
id and with it its URL.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local.ministack import REGION, LocalAws
from local.resources import stages
from local.resources.base import Field, Properties, ResourceType, account, request
from local.resources.stages import replace

_API: Mapping[str, Field] = {
    "name": "name",
    "apiKeySource": "apiKeySource",
    "binaryMediaTypes": "binaryMediaTypes",
    "description": "description",
    "disableExecuteApiEndpoint": "disableExecuteApiEndpoint",
    # The provider has one type as a string where the service has a list.
    "endpointConfiguration": ("endpointConfiguration", lambda value: value | {"types": [value["types"]]}),
    "minimumCompressionSize": ("minimumCompressionSize", int),
    "policy": "policy",
    "tags": "tags",
}
_API_PATCHED = ("name", "apiKeySource", "description", "disableExecuteApiEndpoint", "minimumCompressionSize", "policy")
_ENDPOINT = "endpointConfiguration"


def _create_api(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    gateway = aws.client("apigateway")
    api = gateway.create_rest_api(**request(_API, inputs))
    resources = gateway.get_resources(restApiId=api["id"])["items"]
    return api["id"], {
        "arn": f"arn:aws:apigateway:{REGION}::/restapis/{api['id']}",
        "executionArn": f"arn:aws:execute-api:{REGION}:{account(aws)}:{api['id']}",
        "rootResourceId": next(resource["id"] for resource in resources if resource["path"] == "/"),
        "createdDate": api["createdDate"].isoformat(),
    }


def _update_api(aws: LocalAws, api: str, inputs: Properties) -> Properties:
    patch = [
        replace(name, inputs[name]) if name in inputs else {"op": "remove", "path": f"/{name}"} for name in _API_PATCHED
    ]
    # MiniStack keeps the type, and changes nothing by it: there is no VPC here.
    patch.append(replace(f"{_ENDPOINT}/types", inputs.get(_ENDPOINT, {}).get("types", "REGIONAL")))
    aws.client("apigateway").update_rest_api(restApiId=api, patchOperations=patch)
    return {}


_RESOURCE: Mapping[str, Field] = {"restApi": "restApiId", "parentId": "parentId", "pathPart": "pathPart"}


def _create_resource(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    resource = aws.client("apigateway").create_resource(**request(_RESOURCE, inputs))
    return resource["id"], {"path": resource["path"]}


_PLACE: Mapping[str, Field] = {"restApi": "restApiId", "resourceId": "resourceId", "httpMethod": "httpMethod"}
_METHOD: Mapping[str, Field] = {
    **_PLACE,
    "authorization": "authorizationType",
    "apiKeyRequired": "apiKeyRequired",
    "authorizationScopes": "authorizationScopes",
    "authorizerId": "authorizerId",
    "operationName": "operationName",
    "requestModels": "requestModels",
    "requestParameters": "requestParameters",
    "requestValidatorId": "requestValidatorId",
}
_INTEGRATION: Mapping[str, Field] = {
    **_PLACE,
    "type": "type",
    "cacheKeyParameters": "cacheKeyParameters",
    "cacheNamespace": "cacheNamespace",
    "connectionId": "connectionId",
    "connectionType": "connectionType",
    "contentHandling": "contentHandling",
    "credentials": "credentials",
    "integrationHttpMethod": "integrationHttpMethod",
    "passthroughBehavior": "passthroughBehavior",
    "requestParameters": "requestParameters",
    "requestTemplates": "requestTemplates",
    "timeoutMilliseconds": "timeoutInMillis",
    "uri": "uri",
}
_METHOD_RESPONSE: Mapping[str, Field] = {
    **_PLACE,
    "statusCode": "statusCode",
    "responseModels": "responseModels",
    "responseParameters": "responseParameters",
}
_INTEGRATION_RESPONSE: Mapping[str, Field] = {
    **_PLACE,
    "statusCode": "statusCode",
    "contentHandling": "contentHandling",
    "responseParameters": "responseParameters",
    "responseTemplates": "responseTemplates",
    "selectionPattern": "selectionPattern",
}
_GATEWAY_RESPONSE: Mapping[str, Field] = {
    "restApiId": "restApiId",
    "responseType": "responseType",
    "responseParameters": "responseParameters",
    "responseTemplates": "responseTemplates",
    "statusCode": "statusCode",
}


def _update_method(gateway: Any, inputs: Properties) -> None:
    """Put the method again with its responses and integration: the service does not replace a method."""
    place = request(_PLACE, inputs)
    old = gateway.get_method(**place)
    gateway.delete_method(**place)
    gateway.put_method(**request(_METHOD, inputs))
    for code, response in old.get("methodResponses", {}).items():
        gateway.put_method_response(**place, **_given(response, _METHOD_RESPONSE) | {"statusCode": code})
    if "methodIntegration" in old:
        _restore_integration(gateway, place, old["methodIntegration"])


def _update_integration(gateway: Any, inputs: Properties) -> None:
    """Put the integration again with its responses."""
    place = request(_PLACE, inputs)
    new = request(_INTEGRATION, inputs)
    old = gateway.get_integration(**place)
    gateway.put_integration(**new)
    _restore_responses(gateway, place, old)


def _restore_integration(gateway: Any, place: Properties, old: Properties) -> None:
    # What is read back calls the integration's own method httpMethod, as the place does the method's.
    method = {"integrationHttpMethod": old["httpMethod"]} if "httpMethod" in old else {}
    gateway.put_integration(**_given(old, _INTEGRATION) | method | place)
    _restore_responses(gateway, place, old)


def _restore_responses(gateway: Any, place: Properties, old: Properties) -> None:
    for code, response in old.get("integrationResponses", {}).items():
        given = _given(response, _INTEGRATION_RESPONSE)
        gateway.put_integration_response(**place, **given | {"statusCode": code})


def _given(read: Properties, fields: Mapping[str, Field]) -> Properties:
    """Return the part of what a get returned that a put takes."""
    return {name: value for name, value in read.items() if name in fields.values() and value is not None}


def _part(
    prefix: str,
    noun: str,
    fields: Mapping[str, Field],
    identity: tuple[str, ...],
    *,
    update: Callable[[Any, Properties], None] | None = None,
    delete_first: bool = False,
) -> ResourceType:
    """Return a type for a part of an API without an id, which is put at its place.

    When it changes it is put again, with `delete_first` after it was deleted; `update` does it in another way.
    """
    place = {name: fields[name] for name in identity}

    def create(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
        getattr(aws.client("apigateway"), f"put_{noun}")(**request(fields, inputs))
        return "-".join([prefix, *(inputs[name] for name in identity)]), {}

    def put_again(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
        if update:
            update(aws.client("apigateway"), inputs)
            return {}
        if delete_first:
            getattr(aws.client("apigateway"), f"delete_{noun}")(**request(place, inputs))
        return create(aws, inputs)[1]

    return ResourceType(
        create,
        frozenset(fields),
        put_again,
        identity=frozenset(identity),
    )


_VALIDATOR: Mapping[str, Field] = {
    "restApi": "restApiId",
    "name": "name",
    "validateRequestBody": "validateRequestBody",
    "validateRequestParameters": "validateRequestParameters",
}


def _create_validator(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    return aws.client("apigateway").create_request_validator(**request(_VALIDATOR, inputs))["id"], {}


def _update_validator(aws: LocalAws, validator: str, inputs: Properties) -> Properties:
    patch = [replace("name", inputs["name"])]
    patch += [replace(name, inputs.get(name, False)) for name in ("validateRequestBody", "validateRequestParameters")]
    aws.client("apigateway").update_request_validator(
        restApiId=inputs["restApi"], requestValidatorId=validator, patchOperations=patch
    )
    return {}


_MODEL: Mapping[str, Field] = {
    "restApi": "restApiId",
    "name": "name",
    "contentType": "contentType",
    "description": "description",
    "schema": "schema",
}


def _create_model(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    return aws.client("apigateway").create_model(**request(_MODEL, inputs))["id"], {}


def _update_model(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    patch = [replace("schema", inputs.get("schema", "")), replace("description", inputs.get("description", ""))]
    aws.client("apigateway").update_model(restApiId=inputs["restApi"], modelName=inputs["name"], patchOperations=patch)
    return {}


_PLACED = tuple(_PLACE)

RESOURCES = stages.RESOURCES | {
    "aws:apigateway/restApi:RestApi": ResourceType(
        _create_api,
        frozenset(_API),
        _update_api,
        identity=frozenset(_API) - {*_API_PATCHED, _ENDPOINT, "tags"},
        named="name",
    ),
    "aws:apigateway/resource:Resource": ResourceType(
        _create_resource,
        frozenset(_RESOURCE),
    ),
    "aws:apigateway/method:Method": _part("agm", "method", _METHOD, _PLACED, update=_update_method),
    "aws:apigateway/integration:Integration": _part(
        "agi", "integration", _INTEGRATION, _PLACED, update=_update_integration
    ),
    "aws:apigateway/methodResponse:MethodResponse": _part(
        "agmr", "method_response", _METHOD_RESPONSE, (*_PLACED, "statusCode"), delete_first=True
    ),
    "aws:apigateway/integrationResponse:IntegrationResponse": _part(
        "agir", "integration_response", _INTEGRATION_RESPONSE, (*_PLACED, "statusCode")
    ),
    "aws:apigateway/response:Response": _part(
        "aggr", "gateway_response", _GATEWAY_RESPONSE, ("restApiId", "responseType")
    ),
    "aws:apigateway/requestValidator:RequestValidator": ResourceType(
        _create_validator,
        frozenset(_VALIDATOR),
        _update_validator,
        identity=frozenset({"restApi"}),
        named="name",
    ),
    "aws:apigateway/model:Model": ResourceType(
        _create_model,
        frozenset(_MODEL),
        _update_model,
        identity=frozenset({"restApi", "name", "contentType"}),
        named="name",
    ),
}
