"""Who reaches an API, beside its key: its authorizer, its resource policy, its web ACL."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.settings import Settings

_METHODS = {"none": "NONE", "iam": "AWS_IAM"}


def method_authorization(settings: Settings) -> str:
    """What API Gateway calls the authorization of a method."""
    if ":cognito-idp:" in settings.authorization:
        return "COGNITO_USER_POOLS"
    return _METHODS.get(settings.authorization, "CUSTOM")


def authorizer(
    name: str, rest_api: pulumi.Input[str], settings: Settings, opts: pulumi.ResourceOptions
) -> aws.apigateway.Authorizer | None:
    """Who asks a user pool or a function about a caller's token; None where neither is asked.

    Each has a resource of its own, so that one takes the other's place before the other goes.
    """
    arn = settings.authorizer_arn
    if not arn:
        return None
    if method_authorization(settings) == "COGNITO_USER_POOLS":
        return aws.apigateway.Authorizer(
            f"{name}-users", rest_api=rest_api, type="COGNITO_USER_POOLS", provider_arns=[arn], opts=opts
        )
    partition, _, region = arn.split(":")[1:4]
    return aws.apigateway.Authorizer(
        f"{name}-authorizer",
        rest_api=rest_api,
        type="TOKEN",
        authorizer_uri=f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations",
        opts=opts,
    )


def access_policy(
    name: str, api: aws.apigateway.RestApi, settings: Settings, opts: pulumi.ResourceOptions
) -> aws.apigateway.RestApiPolicy:
    """The resource policy. It must be there before a private API is deployed."""
    return aws.apigateway.RestApiPolicy(
        f"{name}-access",
        rest_api_id=api.id,
        policy=api.execution_arn.apply(
            lambda arn: policies.api_access(
                arn, vpc_endpoint_ids=settings.vpc_endpoint_ids, signed=settings.authorization == "iam"
            )
        ),
        opts=opts,
    )


def web_acl(name: str, stage: aws.apigateway.Stage, settings: Settings, opts: pulumi.ResourceOptions) -> None:
    """Let AWS WAF look at what comes to the stage, where the stack names a web ACL."""
    if settings.web_acl_arn:
        aws.wafv2.WebAclAssociation(
            f"{name}-web-acl", resource_arn=stage.arn, web_acl_arn=settings.web_acl_arn, opts=opts
        )
