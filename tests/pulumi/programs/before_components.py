"""What `__main__.py` declared before it had components of its own: the same resources, in the stack itself."""

import pulumi

from infra import aws_account, inputs
from infra.api import ApiArgs
from infra.api_logging import ApiGatewayLogging
from infra.api_outputs import deploy_api
from infra.artifact_bucket import ArtifactBucket
from infra.function import FunctionArgs, ModelFunction
from infra.layer_version import DependencyLayer
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings, Settings, read_settings
from infra.transitions import capacity_output
from infra.watching import watch


def deploy_registry(settings: RegistrySettings) -> None:
    registry = RegistryBucket("registry", bucket_name=settings.registry_bucket, account=settings)
    theirs = aws_account.logging_is_theirs(aws_account.own_outputs())
    if theirs is None:
        ApiGatewayLogging("api-logging", account=settings)
    pulumi.export("apiLogging", theirs or "created")
    pulumi.export("registryBucket", registry.name)


def deploy_model(settings: Settings) -> None:
    release, name, nothing = inputs.follow_tag(settings, {}).release, settings.service, pulumi.ResourceOptions()
    manifest = release.manifest
    model_format = inputs.served_format(settings, manifest)
    built = inputs.model_layer(manifest, model_format, settings.architecture)
    python = model_format.environment.python
    artifacts = ArtifactBucket(f"{name}-artifacts", account=settings)
    layer = DependencyLayer(
        f"{name}-layer", layer=built, python=python, architecture=settings.architecture, artifacts=artifacts
    )
    function = ModelFunction(name, FunctionArgs(release=release, layer_arn=layer.arn, settings=settings))
    api, outputs = deploy_api(name, ApiArgs(manifest.signature, function, settings), manifest, nothing)
    watch(name, settings, manifest, function, api_name=api.api_name, opts=nothing)
    for output, value in outputs.items():
        pulumi.export(output, value)
    pulumi.export("modelName", manifest.name)
    pulumi.export("modelVersion", manifest.version)
    pulumi.export("modelManifestSha256", release.manifest_sha256)
    pulumi.export("modelFormat", settings.model_format)
    pulumi.export("functionName", function.function_name)
    pulumi.export("capacity", capacity_output(settings))


settings = read_settings()
if isinstance(settings, Settings):
    deploy_model(settings)
else:
    deploy_registry(settings)
