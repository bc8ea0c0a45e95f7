"""What a deployment needs before it declares anything: the version that the tag names, and its layer's zip.

Whatever is wrong with them stops the program here, in one line, before anything is built or created.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pulumi

from infra.layer.build import Layer, Trial, build_layer
from infra.model_change import Deployed, deployed_version, model_change
from infra.settings import Settings, SettingsError
from infra.trust import Followed, check_history, check_keys, check_mark, check_promoter
from model_registry import shipping, verification
from model_registry.lambda_packages.errors import LayerAnswerError, LayerError
from model_registry.lambda_packages.pinned import layer_spec
from model_registry.lambda_packages.platform import LINUX, runtime_for
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.reference import TagRef, VersionRef
from model_registry.registry import Registry
from model_registry.release import Release
from model_runtime.errors import EnvironmentBuildError, IntegrityError, ModelFormatError, RegistryError
from model_runtime.formats.skops import not_trusted
from model_runtime.manifest import Manifest, ModelFormat
from model_runtime.storage import Storage


def follow_tag(settings: Settings, outputs: Mapping[str, Any]) -> Followed:
    """Pin the version that the stack's tag points at now; SettingsError where there is none, or none to trust.

    `outputs` are those of the stack's last successful update, which the tag's history must continue.
    """
    try:
        # A deployment reads the registry and writes nothing, so nobody is to be named.
        registry = Registry(_storage(settings), actor="pulumi", trusted_keys=settings.public_keys)
        tag = registry.tag_of(TagRef(settings.model, settings.followed_tag))
        check_promoter(settings, tag)
        accepted = check_history(settings, registry, tag, outputs)
        release = registry.release_of(tag)
        warning = check_mark(settings, release, registry.deprecation(release), outputs)
    except RegistryError as error:
        raise SettingsError(str(error)) from error
    for line in filter(None, (*check_keys(settings, outputs), accepted, warning)):
        pulumi.log.warn(line)
    return Followed(release, tag.history[-1])


def announce_change(settings: Settings, release: Release, outputs: Mapping[str, Any]) -> None:
    """Print what the deployment changes about the model; SettingsError where that breaks callers and is not allowed.

    What is deployed now are `outputs`, those of the stack's last successful update, which the engine gives at preview
    too (docs/decisions/0006). A deployed version whose manifest is gone is compared with nothing, and stops nothing.
    """
    deployed = deployed_version(outputs)
    old = None
    if deployed and deployed.name == release.manifest.name:
        try:
            old = _manifest_of(settings, deployed)
        except RegistryError as error:
            pulumi.log.warn(
                f"{deployed.reference}, which is deployed, cannot be compared with {release.manifest.reference}, which "
                f"may break callers: {error}"
            )
    change = model_change(settings.followed_tag, release, settings.model_format, deployed, old)
    pulumi.log.info(change.text)
    if change.breaking and deployed and not settings.allow_breaking:
        raise SettingsError(
            f"{release.manifest.reference} breaks callers of {deployed.reference}: {'; '.join(change.breaking)}. Tag a "
            "version with the same signature, or allow it: `pulumi config set allowBreaking true`"
        )


def _manifest_of(settings: Settings, deployed: Deployed) -> Manifest:
    """Read the manifest of the deployed version, which needs no signature: its digest is the stack's own."""
    release = Registry(_storage(settings), actor="pulumi").resolve(VersionRef(deployed.name, deployed.version))
    if not deployed.is_version_of(release):
        raise IntegrityError(f"the manifest of {deployed.reference} in {settings.registry_bucket} is another one")
    return release.manifest


def _storage(settings: Settings) -> Storage:
    provider = pulumi.Config("aws")
    owner = f"?owner={settings.registry_account}" if settings.registry_account else ""
    return Storage.open(
        f"{settings.registry_bucket}{owner}", profile=provider.get("profile"), region=provider.get("region")
    )


def served_format(settings: Settings, manifest: Manifest) -> ModelFormat:
    """What the stack's format loads; SettingsError where the version lacks it, or has types that are not trusted."""
    try:
        model_format = manifest.model_format(settings.model_format)
        _check_deployable(settings, manifest)
        if not set(model_format.untrusted_types) <= set(settings.trusted_types):
            # What the function trusts it decides from the file itself; this is to say so before anything is created.
            what = f"{model_format.artifact.file} of {manifest.reference}"
            raise not_trusted(model_format.untrusted_types, settings.trusted_types, what=what)
    except ModelFormatError as error:
        raise SettingsError(f"format {settings.model_format}: {error}") from error
    return model_format


def _check_deployable(settings: Settings, manifest: Manifest) -> None:
    fits = manifest.deployable
    if fits and settings.model_format not in fits:
        raise SettingsError(
            f"format {settings.model_format}: {manifest.reference} does not fit into a function in it, its publish "
            f"found: deploy {' or '.join(fits)}, `pulumi config set format {fits[0]}`"
        )


def own_code(settings: Settings, release: Release) -> dict[str, Path]:
    """The owner's own code that the served format needs, checked and unpacked: ONNX has none of it."""
    if settings.model_format == "onnx" or not release.manifest.code:
        return {}
    try:
        return Registry(_storage(settings), actor="pulumi").own_code(release)
    except RegistryError as error:
        raise SettingsError(str(error)) from error


def stored_wheels(settings: Settings, release: Release) -> tuple[Path, ...]:
    """Packages that the version has itself as no index does, checked."""
    try:
        return Registry(_storage(settings), actor="pulumi").wheels(release) if release.manifest.wheels else ()
    except RegistryError as error:
        raise SettingsError(str(error)) from error


def golden_trial(settings: Settings, release: Release, own: Mapping[str, Path]) -> Trial:
    """Have the golden examples answered by the version's model in a process that has a new layer's packages alone."""
    model_format = release.manifest.model_format(settings.model_format)

    def answer(opt: Path, interpreter: str) -> None:
        pulumi.log.info(f"asking {release.manifest.reference} its golden examples from the layer")
        registry = Registry(_storage(settings), actor="pulumi")
        try:
            with verification.saved(registry, release, settings.model_format, own) as folder:
                verification.replay(
                    release.manifest,
                    settings.model_format,
                    folder,
                    [interpreter, "-I", "-S", "-B", "-W", "ignore"],
                    readable=[opt],
                    packages=opt / runtime_for(model_format.environment.python).site_packages,
                    variables={"LD_LIBRARY_PATH": str(opt / "lib"), **shipping.ONE_THREAD},
                )
        except RegistryError as error:
            raise LayerAnswerError(
                f"the layer was built, and from it {error}; or deploy another version, `python -m model_registry tag`"
            ) from error

    return answer


def model_layer(
    manifest: Manifest,
    model_format: ModelFormat,
    architecture: str,
    *,
    wheels: Sequence[Path] = (),
    own_code: Mapping[str, Path] = MappingProxyType({}),
    signing: bool = False,
    require_hashes: bool = False,
    trial: Trial | None = None,
) -> Layer:
    """Build the layer of a format's packages and of what the handler needs, or take it from the cache.

    `wheels` are packages that are on no index. `own_code` is not part of it, but of what must fit into the function
    beside it. With `signing` it also has what checks a signature: 16 MB unzipped that only a stack with a public key
    pays for. A layer that is built must pass the `trial`. Wheels are installed that the manifest has the digests of,
    and no others; with `require_hashes` a version that lacks some is refused, and warned of otherwise.
    """
    try:
        spec = layer_spec(model_format.environment, architecture, wheels, signing=signing)
        _check_hashes(manifest, spec, require_hashes=require_hashes)
        reserve = shipping.reserved_bytes(own_code)
        layer = build_layer(spec, progress=pulumi.log.info, reserve=reserve, trial=trial)
    except (LayerError, EnvironmentBuildError) as error:
        raise SettingsError(f"{manifest.reference}: {error}") from error
    pulumi.log.info(layer.report())
    return layer


def _check_hashes(manifest: Manifest, spec: LayerSpec, *, require_hashes: bool) -> None:
    if not spec.unpinned or spec.system != LINUX:  # for the local AWS on another system, of which no digest is known
        return
    fact = (
        f"the manifest of {manifest.reference} lacks the digests of wheels for {spec.architecture} "
        f"({', '.join(spec.unpinned)})"
    )
    if require_hashes:
        raise SettingsError(
            f"requireHashes: {fact}: publish it again with `--proof full`, or `pulumi config set requireHashes false`"
        )
    pulumi.log.warn(f"{fact}, so its layer takes those that an index has now: publish it again with `--proof full`")
