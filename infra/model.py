"""The component that serves a model: `__main__.py` deploys one, and so may any other Pulumi program."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra import aws_account, inputs
from infra.api import ApiArgs
from infra.api_outputs import POLICY, deploy_api
from infra.artifact_bucket import ArtifactBucket
from infra.component_args import SklearnModelArgs
from infra.function import FunctionArgs, ModelFunction, environment
from infra.layer.build import Layer
from infra.layer_version import DependencyLayer
from infra.limits import check_environment, check_sizes
from infra.outputs import outputs_of
from infra.settings import Settings
from infra.settings.arguments import model_settings
from infra.settings.rules import check_python
from infra.transitions import capacity_output, check_transition
from infra.trust import OUTPUT, Followed, trust_output
from infra.version_check import is_checked
from infra.versions import Published, holds_interfaces, prune, published
from infra.vpc import check_way_to_s3
from infra.watching import watch

KIND = "sklearn-on-lambda:index:SklearnModel"
_BEFORE = "sklearn-on-lambda:infra:ModelFunction"


@dataclass(frozen=True)
class _Prepared:
    """What is known before anything is declared."""

    followed: Followed
    python: str
    own_code: Mapping[str, Path]
    layer: Layer
    versions: Published


class SklearnModel(pulumi.ComponentResource):
    """Serves the version of a scikit-learn model that a tag of the registry points at: layer, function and REST API."""

    model_name: pulumi.Output[str]
    """Name of the model."""
    model_version: pulumi.Output[int]
    """Version of the model that is served."""
    model_manifest_sha256: pulumi.Output[str]
    """Digest of the version's manifest, which the function compares before it loads the model."""
    trust: pulumi.Output[dict[str, Any]]
    """The move of the tag that is deployed, and the trusted keys; the next update must continue them."""
    model_format: pulumi.Output[str]
    """Form of the model that the function loads."""
    function_name: pulumi.Output[str]
    """Name of the function."""
    function_alias: pulumi.Output[str]
    """ARN of the alias that callers invoke."""
    layer_arn: pulumi.Output[str]
    """ARN of the layer version with the model's packages."""
    registry_bucket: pulumi.Output[str]
    """Name of the registry's bucket."""
    artifact_bucket: pulumi.Output[str]
    """Name of the bucket through which the layer reaches Lambda."""
    interface_rights: pulumi.Output[bool]
    """Whether the function's role may make network interfaces; the next update reads it."""
    capacity: pulumi.Output[dict[str, Any]]
    """Concurrency and SnapStart as they are deployed; the next update reads it."""
    invoke_url: pulumi.Output[str] | None = None
    """URL of the API that answers `GET` and `POST`, where there is an API."""
    page_url: pulumi.Output[str] | None = None
    """URL of the page to try the model in a browser, where there is one."""
    curl_get: pulumi.Output[str] | None = None
    """A line that calls the API with a query string."""
    curl_post: pulumi.Output[str] | None = None
    """A line that calls the API with a body."""
    api_policy: pulumi.Output[bool] | None = None
    """Whether the API has a resource policy; the next update reads it."""
    api_key_id: pulumi.Output[str] | None = None
    """ID of the API key, where callers need one; its value is no output."""
    domain_url: pulumi.Output[str] | None = None
    """URL below the domain of one's own, where there is one."""
    domain_target: pulumi.Output[str] | None = None
    """Target of the domain's DNS record."""
    domain_target_zone: pulumi.Output[str] | None = None
    """ID of the Route 53 zone of the target."""

    def __init__(self, name: str, args: SklearnModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare everything that serves the model; the tag is followed at each update.

        Args:
            name: what the resources are named after: lower case letters, digits and single hyphens.
            args: the settings (docs/settings.md).
            opts: of the component.

        Raises:
            SettingsError: an argument cannot work, or the model cannot be deployed with it; nothing was declared.

        """
        settings = model_settings(name, args)
        deployed = aws_account.deployed_outputs(KIND, name, _BEFORE)
        prepared = _prepare(settings, deployed)
        super().__init__(KIND, name, None, opts)
        self.outputs: dict[str, pulumi.Input[Any]] = self._declare(name, settings, prepared, deployed)
        for attribute, output in outputs_of(self.outputs).items():
            setattr(self, attribute, output)
        self.register_outputs(self.outputs)

    def _declare(
        self, name: str, settings: Settings, prepared: _Prepared, deployed: Mapping[str, Any]
    ) -> dict[str, pulumi.Input[Any]]:
        # Releases without this component had its children in the stack itself.
        child = pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])
        release = prepared.followed.release
        manifest = release.manifest
        hold_interfaces = holds_interfaces(prepared.versions, deployed)
        artifacts = ArtifactBucket(f"{name}-artifacts", account=settings, opts=child)
        layer = DependencyLayer(
            f"{name}-layer",
            layer=prepared.layer,
            python=prepared.python,
            architecture=settings.architecture,
            artifacts=artifacts,
            opts=child,
        )
        function = ModelFunction(
            name,
            FunctionArgs(
                release=release,
                layer_arn=layer.arn,
                settings=settings,
                own_code=prepared.own_code,
                hold_interfaces=hold_interfaces,
                is_checked=is_checked(settings, deployed),
            ),
            opts=child,
        )
        of_the_api = ApiArgs(manifest.signature, function, settings, had_policy=bool(deployed.get(POLICY)))
        api, of_api = deploy_api(name, of_the_api, manifest, child) if settings.api == "rest" else (None, {})
        watch(name, settings, manifest, function, api_name=api.api_name if api else None, opts=child)
        return {
            **of_api,
            "modelName": manifest.name,
            "modelVersion": manifest.version,
            "modelManifestSha256": release.manifest_sha256,
            OUTPUT: trust_output(settings, prepared.followed.move),
            "modelFormat": settings.model_format,
            "functionName": function.function_name,
            "functionAlias": function.alias_arn,
            "interfaceRights": settings.in_vpc or hold_interfaces,
            "capacity": capacity_output(settings),
            "layerArn": layer.arn,
            "registryBucket": settings.registry_bucket,
            "artifactBucket": artifacts.name,
        }


def _prepare(settings: Settings, deployed: Mapping[str, Any]) -> _Prepared:
    """Find the version, check what can be checked, build its layer, and delete old versions of the function."""
    check_transition(settings, deployed)
    aws_account.check_region(settings)
    followed = inputs.follow_tag(settings, deployed)
    release = followed.release
    manifest = release.manifest
    model_format = inputs.served_format(settings, manifest)
    check_python(settings, model_format.environment.python)
    inputs.announce_change(settings, release, deployed)
    aws_account.check_account(settings, deployed)
    check_way_to_s3(settings)
    check_environment(environment(settings, release))
    code = inputs.own_code(settings, release)
    check_sizes(settings, manifest, code)
    built = inputs.model_layer(
        manifest,
        model_format,
        settings.architecture,
        wheels=inputs.stored_wheels(settings, release),
        own_code=code,
        signing=bool(settings.public_keys),
        require_hashes=settings.require_hashes,
        trial=inputs.golden_trial(settings, release, code),
    )
    versions = published(deployed.get("functionName"))
    prune(versions, settings.keep_versions)
    return _Prepared(followed, model_format.environment.python, code, built, versions)
