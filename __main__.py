"""The Pulumi program: settings, components, outputs."""

import pulumi

from infra.api import ApiArgs, ModelApi
from infra.api_logging import ApiGatewayLogging
from infra.artifact_bucket import ArtifactBucket
from infra.curl import get_line, post_line
from infra.function import FunctionArgs, ModelFunction
from infra.inputs import announce_change, model_layer, resolve_release, served_engine
from infra.layer import DependencyLayer
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings, Settings, read_settings


def deploy_registry(settings: RegistrySettings) -> None:
    """Once per account: the registry's bucket."""
    registry = RegistryBucket("registry", bucket_name=settings.registry_bucket)
    ApiGatewayLogging("api-logging")
    pulumi.export("registryBucket", registry.name)


def deploy_model(settings: Settings) -> None:
    """One environment: the model that its tag points at, behind an API."""
    release = resolve_release(settings)
    manifest = release.manifest
    engine = served_engine(settings, manifest)
    announce_change(settings, release)
    built = model_layer(manifest, engine, settings.architecture, signing=bool(settings.public_keys))
    name = settings.service

    artifacts = ArtifactBucket(f"{name}-artifacts")
    layer = DependencyLayer(
        f"{name}-layer",
        layer=built,
        python=engine.environment.python,
        architecture=settings.architecture,
        artifacts=artifacts,
    )
    function = ModelFunction(
        name,
        FunctionArgs(
            release=release,
            registry_bucket=settings.registry_bucket,
            layer_arn=layer.arn,
            memory=settings.memory,
            timeout=settings.timeout,
            architecture=settings.architecture,
            log_retention_days=settings.log_retention_days,
            tracing=settings.tracing,
            public_keys=settings.public_keys,
            engine=settings.engine,
            trusted_types=settings.trusted_types,
        ),
    )
    api = ModelApi(
        f"{name}-api",
        ApiArgs(
            signature=manifest.signature,
            function=function,
            stage=settings.stack,
            api_key=settings.api_key,
            log_retention_days=settings.log_retention_days,
            tracing=settings.tracing,
        ),
    )

    invoke_url = api.url.apply(lambda url: f"{url.rstrip('/')}/predict")
    pulumi.export("invokeUrl", invoke_url)
    pulumi.export("curlGet", invoke_url.apply(lambda url: get_line(url, manifest, api_key=settings.api_key)))
    pulumi.export("curlPost", invoke_url.apply(lambda url: post_line(url, manifest, api_key=settings.api_key)))
    pulumi.export("modelName", manifest.name)
    pulumi.export("modelVersion", manifest.version)
    pulumi.export("modelManifestSha256", release.manifest_sha256)
    pulumi.export("modelEngine", settings.engine)
    pulumi.export("functionName", function.function_name)
    pulumi.export("layerArn", layer.arn)
    pulumi.export("registryBucket", settings.registry_bucket)
    pulumi.export("artifactBucket", artifacts.name)
    if api.api_key_id is not None:
        pulumi.export("apiKeyId", api.api_key_id)


settings = read_settings()
if isinstance(settings, RegistrySettings):
    deploy_registry(settings)
else:
    deploy_model(settings)
