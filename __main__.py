"""The Pulumi program: settings, components, outputs."""

import pulumi

from infra.api_logging import ApiGatewayLogging
from infra.api_outputs import deploy_api
from infra.artifact_bucket import ArtifactBucket
from infra.aws_account import check_account, check_region, logging_is_theirs, own_outputs
from infra.function import FunctionArgs, ModelFunction, environment
from infra.inputs import (
    announce_change,
    golden_trial,
    model_layer,
    own_code,
    resolve_release,
    served_format,
    stored_wheels,
)
from infra.layer_version import DependencyLayer
from infra.limits import check_environment, check_sizes
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings, Settings, read_settings
from infra.settings.rules import check_python
from infra.transitions import capacity_output, check_transition
from infra.version_check import is_checked
from infra.versions import holds_interfaces, prune, published
from infra.watching import watch


def deploy_registry(settings: RegistrySettings) -> None:
    """Once per account and region: the registry's bucket, and API Gateway's right to write logs."""
    registry = RegistryBucket("registry", bucket_name=settings.registry_bucket, account=settings)
    theirs = logging_is_theirs(own_outputs())
    if theirs is None:
        ApiGatewayLogging("api-logging", account=settings)
    else:
        pulumi.log.info(f"API Gateway writes its logs as {theirs}, which is left as it is")
    pulumi.export("apiLogging", theirs or "created")
    pulumi.export("registryBucket", registry.name)


def deploy_model(settings: Settings) -> None:
    """One environment: the model that its tag points at, behind an API."""
    outputs = own_outputs()
    check_transition(settings, outputs)
    check_region(settings)
    release = resolve_release(settings)
    manifest = release.manifest
    model_format = served_format(settings, manifest)
    check_python(settings, model_format.environment.python)
    announce_change(settings, release, outputs)
    check_account(settings, outputs)
    check_environment(environment(settings, release))
    code = own_code(settings, release)
    check_sizes(settings, manifest, code)
    built = model_layer(
        manifest,
        model_format,
        settings.architecture,
        wheels=stored_wheels(settings, release),
        own_code=code,
        signing=bool(settings.public_keys),
        require_hashes=settings.require_hashes,
        trial=golden_trial(settings, release, code),
    )
    versions = published(outputs.get("functionName"))
    prune(versions, settings.keep_versions)
    hold_interfaces = holds_interfaces(versions, outputs)
    name = settings.service

    artifacts = ArtifactBucket(f"{name}-artifacts", account=settings)
    layer = DependencyLayer(
        f"{name}-layer",
        layer=built,
        python=model_format.environment.python,
        architecture=settings.architecture,
        artifacts=artifacts,
    )
    function = ModelFunction(
        name,
        FunctionArgs(
            release=release,
            layer_arn=layer.arn,
            settings=settings,
            own_code=code,
            hold_interfaces=hold_interfaces,
            is_checked=is_checked(settings, outputs),
        ),
    )
    api = deploy_api(settings, manifest, function) if settings.api == "rest" else None
    watch(settings, manifest, function, api.api_name if api else None)
    pulumi.export("modelName", manifest.name)
    pulumi.export("modelVersion", manifest.version)
    pulumi.export("modelManifestSha256", release.manifest_sha256)
    pulumi.export("modelFormat", settings.model_format)
    pulumi.export("functionName", function.function_name)
    pulumi.export("functionAlias", function.alias_arn)
    pulumi.export("interfaceRights", settings.in_vpc or hold_interfaces)
    pulumi.export("capacity", capacity_output(settings))
    pulumi.export("layerArn", layer.arn)
    pulumi.export("registryBucket", settings.registry_bucket)
    pulumi.export("artifactBucket", artifacts.name)


settings = read_settings()
if isinstance(settings, Settings):
    deploy_model(settings)
else:
    deploy_registry(settings)
