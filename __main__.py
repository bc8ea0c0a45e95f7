"""The Pulumi program: settings, components, outputs."""

import pulumi

from infra.alarms import ModelAlarms
from infra.api import ApiArgs, ModelApi
from infra.api_logging import ApiGatewayLogging
from infra.artifact_bucket import ArtifactBucket
from infra.curl import get_line, post_line
from infra.custom_domain import CustomDomain
from infra.dashboard import ModelDashboard
from infra.function import FunctionArgs, ModelFunction
from infra.inputs import announce_change, model_layer, own_code, resolve_release, served_format
from infra.layer_version import DependencyLayer
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings, Settings, read_settings
from infra.settings.rules import check_python


def deploy_registry(settings: RegistrySettings) -> None:
    """Once per account: the registry's bucket."""
    registry = RegistryBucket("registry", bucket_name=settings.registry_bucket, account=settings)
    ApiGatewayLogging("api-logging", account=settings)
    pulumi.export("registryBucket", registry.name)


def deploy_model(settings: Settings) -> None:
    """One environment: the model that its tag points at, behind an API."""
    release = resolve_release(settings)
    manifest = release.manifest
    model_format = served_format(settings, manifest)
    check_python(settings, model_format.environment.python)
    announce_change(settings, release)
    code = own_code(settings, release)
    built = model_layer(
        manifest, model_format, settings.architecture, own_code=code, signing=bool(settings.public_keys)
    )
    name = settings.service

    artifacts = ArtifactBucket(f"{name}-artifacts", account=settings)
    layer = DependencyLayer(
        f"{name}-layer",
        layer=built,
        python=model_format.environment.python,
        architecture=settings.architecture,
        artifacts=artifacts,
    )
    function = ModelFunction(name, FunctionArgs(release=release, layer_arn=layer.arn, settings=settings, own_code=code))
    api = ModelApi(f"{name}-api", ApiArgs(signature=manifest.signature, function=function, settings=settings))
    if settings.alarm_topic_arn:
        ModelAlarms(f"{name}-alarms", settings=settings, function_name=function.function_name, api_name=api.api_name)
    if settings.dashboard:
        ModelDashboard(
            f"{name}-dashboard", function_arn=function.function_arn, api_name=api.api_name, stage=settings.stack
        )

    invoke_url = api.url.apply(lambda url: f"{url.rstrip('/')}/predict")
    pulumi.export("invokeUrl", invoke_url)
    access = {"api_key": settings.api_key, "signed": settings.authorization == "iam"}
    pulumi.export("curlGet", invoke_url.apply(lambda url: get_line(url, manifest, **access)))
    pulumi.export("curlPost", invoke_url.apply(lambda url: post_line(url, manifest, **access)))
    pulumi.export("modelName", manifest.name)
    pulumi.export("modelVersion", manifest.version)
    pulumi.export("modelManifestSha256", release.manifest_sha256)
    pulumi.export("modelFormat", settings.model_format)
    pulumi.export("functionName", function.function_name)
    pulumi.export("layerArn", layer.arn)
    pulumi.export("registryBucket", settings.registry_bucket)
    pulumi.export("artifactBucket", artifacts.name)
    if api.api_key_id is not None:
        pulumi.export("apiKeyId", api.api_key_id)
    if settings.domain_name:
        domain = CustomDomain(
            f"{name}-domain",
            settings=settings,
            rest_api=api.rest_api_id,
            stage=api.stage_name,
        )
        pulumi.export("domainUrl", f"https://{settings.domain_name}/predict")
        pulumi.export("domainTarget", domain.target)
        pulumi.export("domainTargetZone", domain.target_zone)


settings = read_settings()
if isinstance(settings, Settings):
    deploy_model(settings)
else:
    deploy_registry(settings)
