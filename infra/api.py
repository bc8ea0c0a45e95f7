"""The REST API in front of a model."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import api_access
from infra.access_log import log_format
from infra.api_routes import (
    BODY_TYPES,
    ERROR_RESPONSES,
    PATHS,
    PROBLEM_JSON,
    ROOT,
    Route,
    body_schema,
    deployment_digest,
    path_name,
    routes,
)
from infra.cors import error_headers
from infra.function import ModelFunction
from infra.settings import Settings
from model_runtime.manifest import Signature

_MODEL_NAME = "PredictionRequest"  # API Gateway takes letters and digits only


@dataclass(frozen=True)
class ApiArgs:
    """What a ModelApi needs to know."""

    signature: Signature
    function: ModelFunction
    settings: Settings
    had_policy: bool = False
    """Whether the deployed API has a resource policy. It stays: a deployment is made before Pulumi removes anything,
    and would go on refusing whoever comes from elsewhere."""

    @property
    def has_policy(self) -> bool:
        """Whether the API has a resource policy."""
        return bool(self.settings.vpc_endpoint_ids) or self.had_policy


class ModelApi(pulumi.ComponentResource):
    """A REST API whose methods hand each request to the function; the gateway refuses what does not fit the model."""

    url: pulumi.Output[str]
    """The stage's URL; `/predict` below it answers."""
    rest_api_id: pulumi.Output[str]
    """ID of the REST API."""
    api_name: pulumi.Output[str]
    """Name of the REST API, under which its metrics stand."""
    stage_name: pulumi.Output[str]
    """Name of the stage, known once the stage is there."""
    api_key_id: pulumi.Output[str] | None
    """ID of the API key where one is needed; its value is not an output."""

    def __init__(self, name: str, args: ApiArgs, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelApi", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._api = aws.apigateway.RestApi(
            f"{name}-rest",
            endpoint_configuration=_endpoint(args.settings),
            disable_execute_api_endpoint=not args.settings.default_endpoint,
            tags=args.settings.resource_tags,
            opts=self._child,
        )
        self._authorizer = api_access.authorizer(name, self._api.id, args.settings, self._child)
        published = [*self._methods(), *self._error_responses()]
        if args.has_policy:
            published.append(api_access.access_policy(name, self._api, args.settings, self._child))
        stage = self._stage(published)
        self.api_key_id = self._usage(stage) if args.settings.api_key else None
        aws.lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com",
            function=args.function.function_name,
            qualifier=args.function.alias_name,
            source_arn=pulumi.Output.concat(self._api.execution_arn, f"/{args.settings.stack}/*"),
            opts=self._child,
        )
        self._throttle(stage)
        api_access.web_acl(name, stage, args.settings, self._child)
        self.url = stage.invoke_url
        self.rest_api_id = self._api.id
        self.api_name = self._api.name
        self.stage_name = stage.stage_name
        self.register_outputs({"url": self.url})

    def _methods(self) -> list[pulumi.Resource]:
        """Resources, methods, integrations, the validator and the body's model; returns what a deployment needs."""
        validator = aws.apigateway.RequestValidator(
            f"{self._name}-validator",
            rest_api=self._api.id,
            validate_request_body=True,
            validate_request_parameters=True,
            opts=self._child,
        )
        model = aws.apigateway.Model(
            f"{self._name}-body-model",
            rest_api=self._api.id,
            name=_MODEL_NAME,
            content_type="application/json",
            schema=body_schema(self._args.signature),
            opts=self._child,
        )
        resources = {
            path: self._api.root_resource_id
            if path == ROOT
            else aws.apigateway.Resource(
                f"{self._name}-{path_name(path)}",
                rest_api=self._api.id,
                parent_id=self._api.root_resource_id,
                path_part=path,
                opts=self._child,
            ).id
            for path in PATHS
        }
        integrations = [
            self._integration(route, resources[route.path], validator, model) for route in routes(self._args.signature)
        ]
        return [validator, model, *integrations]

    def _integration(
        self,
        route: Route,
        resource: pulumi.Output[str],
        validator: aws.apigateway.RequestValidator,
        model: aws.apigateway.Model,
    ) -> pulumi.Resource:
        method = aws.apigateway.Method(
            f"{self._name}-{route.name}",
            rest_api=self._api.id,
            resource_id=resource,
            http_method=route.method,
            authorization="NONE" if route.is_open else api_access.method_authorization(self._args.settings),
            authorizer_id=self._authorizer.id if self._authorizer and not route.is_open else None,
            api_key_required=self._args.settings.api_key
            and not route.is_open
            and not (route.is_page and self._args.settings.has_open_page),
            request_validator_id=validator.id,
            request_parameters={
                f"method.request.querystring.{parameter}": required for parameter, required in route.query.items()
            },
            request_models=dict.fromkeys(BODY_TYPES, model.name) if route.has_body else {},
            opts=self._child,
        )
        return aws.apigateway.Integration(
            f"{self._name}-{route.name}-integration",
            rest_api=self._api.id,
            resource_id=resource,
            http_method=method.http_method,
            type="AWS_PROXY",
            integration_http_method="POST",  # Lambda's Invoke is a POST whatever the caller's method
            uri=self._args.function.invoke_arn,
            timeout_milliseconds=self._args.settings.gateway_timeout * 1000,
            opts=self._child,
        )

    def _error_responses(self) -> list[pulumi.Resource]:
        headers = {"Content-Type": PROBLEM_JSON, **error_headers(self._args.settings.cors_origins)}
        return [
            aws.apigateway.Response(
                f"{self._name}-{response.response_type.lower().replace('_', '-')}",
                rest_api_id=self._api.id,
                response_type=response.response_type,
                status_code=None if response.status is None else str(response.status),
                response_templates={"application/json": response.template},
                response_parameters={
                    f"gatewayresponse.header.{header}": f"'{value}'" for header, value in headers.items()
                },
                opts=self._child,
            )
            for response in ERROR_RESPONSES
        ]

    def _stage(self, published: list[pulumi.Resource]) -> aws.apigateway.Stage:
        deployment = aws.apigateway.Deployment(
            f"{self._name}-deployment",
            rest_api=self._api.id,
            triggers={
                "content": self._args.function.invoke_arn.apply(
                    lambda arn: deployment_digest(
                        signature=self._args.signature,
                        integration=arn,
                        timeout_ms=self._args.settings.gateway_timeout * 1000,
                        api_key=self._args.settings.api_key,
                        authorization=self._args.settings.authorization,
                        access=(self._args.has_policy, *self._args.settings.vpc_endpoint_ids),
                        default_endpoint=self._args.settings.default_endpoint,
                        open_page=self._args.settings.has_open_page,
                        cors_origins=self._args.settings.cors_origins,
                    )
                )
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=published),
        )
        return aws.apigateway.Stage(
            f"{self._name}-stage",
            rest_api=self._api.id,
            deployment=deployment.id,
            stage_name=self._args.settings.stack,
            xray_tracing_enabled=self._args.settings.tracing,
            access_log_settings=self._access_log(),
            tags=self._args.settings.resource_tags,
            opts=self._child,
        )

    def _access_log(self) -> aws.apigateway.StageAccessLogSettingsArgs | None:
        line = log_format(self._args.settings.access_log)
        if line is None:
            return None
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access-logs",
            retention_in_days=self._args.settings.log_retention_days,
            kms_key_id=self._args.settings.kms_key,
            tags=self._args.settings.resource_tags,
            opts=self._child,
        )
        return aws.apigateway.StageAccessLogSettingsArgs(destination_arn=logs.arn, format=line)

    def _throttle(self, stage: aws.apigateway.Stage) -> None:
        """Limit every method of the stage for all callers together, where the stack says so."""
        settings = self._args.settings
        if settings.throttled:
            aws.apigateway.MethodSettings(
                f"{self._name}-throttle",
                rest_api=self._api.id,
                stage_name=stage.stage_name,
                method_path="*/*",
                settings={
                    "throttling_rate_limit": settings.throttle_rate,
                    "throttling_burst_limit": settings.throttle_burst,
                },
                opts=self._child,
            )

    def _usage(self, stage: aws.apigateway.Stage) -> pulumi.Output[str]:
        """An API key, and the usage plan without which a key opens nothing."""
        settings, tags = self._args.settings, self._args.settings.resource_tags
        key = aws.apigateway.ApiKey(f"{self._name}-key", tags=tags, opts=self._child)
        plan = aws.apigateway.UsagePlan(
            f"{self._name}-plan",
            api_stages=[{"api_id": self._api.id, "stage": stage.stage_name}],
            throttle_settings={"rate_limit": settings.usage_rate, "burst_limit": settings.usage_burst}
            if settings.usage_rate
            else None,
            quota_settings={"limit": settings.usage_quota, "period": settings.usage_quota_period}
            if settings.usage_quota
            else None,
            tags=tags,
            opts=self._child,
        )
        aws.apigateway.UsagePlanKey(
            f"{self._name}-plan-key",
            key_id=key.id,
            key_type="API_KEY",
            usage_plan_id=plan.id,
            # It repeats the key's value, and the provider marks it as secret on the key only.
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["value"]),
        )
        return key.id


def _endpoint(settings: Settings) -> aws.apigateway.RestApiEndpointConfigurationArgs:
    if settings.vpc_endpoint_ids:
        return aws.apigateway.RestApiEndpointConfigurationArgs(
            types="PRIVATE", vpc_endpoint_ids=list(settings.vpc_endpoint_ids)
        )
    return aws.apigateway.RestApiEndpointConfigurationArgs(types="REGIONAL")
