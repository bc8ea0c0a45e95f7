"""The OPTIONS methods by which browsers ask whether a page may call the API (CORS)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cors import preflight_headers


@dataclass(frozen=True)
class Preflight:
    """Where preflights of one resource go; `function` is the ARN that an integration calls."""

    rest_api: pulumi.Input[str]
    resource: pulumi.Input[str]
    function: pulumi.Input[str]
    origins: Sequence[str]


def declare_preflight(name: str, preflight: Preflight, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """Declare a resource's OPTIONS method, which asks for no key and no signature: browsers send none.

    Returns what a deployment needs. Source: API Gateway Developer Guide, "CORS for REST APIs in API Gateway".
    """
    method = aws.apigateway.Method(
        name,
        rest_api=preflight.rest_api,
        resource_id=preflight.resource,
        http_method="OPTIONS",
        authorization="NONE",
        opts=opts,
    )
    headers = preflight_headers(preflight.origins)
    if not headers:
        return [
            aws.apigateway.Integration(
                f"{name}-integration",
                rest_api=preflight.rest_api,
                resource_id=preflight.resource,
                http_method=method.http_method,
                type="AWS_PROXY",
                integration_http_method="POST",
                uri=preflight.function,
                opts=opts,
            )
        ]
    integration = aws.apigateway.Integration(
        f"{name}-integration",
        rest_api=preflight.rest_api,
        resource_id=preflight.resource,
        http_method=method.http_method,
        type="MOCK",
        request_templates={"application/json": '{"statusCode": 200}'},
        opts=opts,
    )
    response = aws.apigateway.MethodResponse(
        f"{name}-response",
        rest_api=preflight.rest_api,
        resource_id=preflight.resource,
        http_method=method.http_method,
        status_code="200",
        response_parameters={f"method.response.header.{header}": True for header in headers},
        opts=opts,
    )
    answer = aws.apigateway.IntegrationResponse(
        f"{name}-integration-response",
        rest_api=preflight.rest_api,
        resource_id=preflight.resource,
        http_method=method.http_method,
        status_code="200",
        response_parameters={f"method.response.header.{header}": f"'{value}'" for header, value in headers.items()},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[integration, response])),
    )
    return [integration, response, answer]
