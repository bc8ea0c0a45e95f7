"""Who reaches a REST API: authorizers, resource policies, web ACLs.

MiniStack asks authorizers as AWS does; policies and web ACLs it keeps without looking at them.
"""

from collections.abc import Mapping

from local.ministack import LocalAws
from local.resources.base import Field, Properties, ResourceType, request
from local.resources.stages import replace

_AUTHORIZER: Mapping[str, Field] = {
    "restApi": "restApiId",
    "name": "name",
    "type": "type",
    "authorizerUri": "authorizerUri",
    "providerArns": "providerARNs",
    "authorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
    "identitySource": "identitySource",
}
_SOURCE = "method.request.header.Authorization"


def _create_authorizer(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    # The provider's default; the service has none.
    made = aws.client("apigateway").create_authorizer(**{"identitySource": _SOURCE} | request(_AUTHORIZER, inputs))
    return made["id"], {}


def _create_policy(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    patch = [replace("policy", inputs["policy"])]
    aws.client("apigateway").update_rest_api(restApiId=inputs["restApiId"], patchOperations=patch)
    return inputs["restApiId"], {}


def _update_policy(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    return _create_policy(aws, inputs)[1]


def _associate(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    aws.client("wafv2").associate_web_acl(WebACLArn=inputs["webAclArn"], ResourceArn=inputs["resourceArn"])
    return f"{inputs['webAclArn']},{inputs['resourceArn']}", {}


RESOURCES = {
    "aws:apigateway/authorizer:Authorizer": ResourceType(_create_authorizer, frozenset(_AUTHORIZER), named="name"),
    "aws:apigateway/restApiPolicy:RestApiPolicy": ResourceType(
        _create_policy, frozenset({"restApiId", "policy"}), _update_policy, identity=frozenset({"restApiId"})
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": ResourceType(
        _associate, frozenset({"resourceArn", "webAclArn"}), identity=frozenset({"resourceArn", "webAclArn"})
    ),
}
