"""What a deployment needs before it declares anything: the version that the tag names, and its layer's zip.

Whatever is wrong with them stops the program here, in one line, before anything is built or created.
"""

import pulumi

from infra import function_code
from infra.layer_build import Layer, LayerSpec, build_layer
from infra.layer_errors import LayerError
from infra.settings import Settings, SettingsError
from model_registry.errors import EngineError, RegistryError
from model_registry.manifest import Engine, Manifest
from model_registry.reference import TagRef
from model_registry.registry import Registry
from model_registry.release import Release
from model_registry.skops_model import not_trusted
from model_registry.storage import Storage


def resolve_release(settings: Settings) -> Release:
    """Pin the version that the stack's tag points at now; SettingsError where there is none, or none to trust."""
    provider = pulumi.Config("aws")
    try:
        storage = Storage.open(settings.registry_bucket, profile=provider.get("profile"), region=provider.get("region"))
        # A deployment reads the registry and writes nothing, so nobody is to be named.
        registry = Registry(storage, actor="pulumi", trusted_keys=settings.public_keys)
        return registry.resolve(TagRef(settings.model, settings.tag))
    except RegistryError as error:
        raise SettingsError(str(error)) from error


def served_engine(settings: Settings, manifest: Manifest) -> Engine:
    """What the stack's engine loads; SettingsError where the version lacks it, or has types that are not trusted."""
    try:
        engine = manifest.engine(settings.engine)
        if not set(engine.untrusted_types) <= set(settings.trusted_types):
            # What the function trusts it decides from the file itself; this is to say so before anything is created.
            what = f"{engine.artifact.file} of {manifest.reference}"
            raise not_trusted(engine.untrusted_types, settings.trusted_types, what=what)
    except EngineError as error:
        raise SettingsError(f"engine {settings.engine}: {error}") from error
    return engine


def model_layer(manifest: Manifest, engine: Engine, architecture: str, *, signing: bool = False) -> Layer:
    """Build the layer of an engine's packages and of what the handler needs, or take it from the cache.

    With `signing` it also has what checks a signature: 16 MB unzipped that only a stack with a public key pays for.
    """
    # Where the model needs a package too, its version wins: it must unpickle the model.
    packages = {**function_code.requirements(signing=signing), **engine.environment.packages}
    code_size = sum(path.stat().st_size for path in function_code.code_files().values())
    try:
        spec = LayerSpec(engine.environment.python, architecture, tuple(packages.items()))
        layer = build_layer(spec, progress=pulumi.log.info, reserve=code_size)
    except LayerError as error:
        raise SettingsError(f"{manifest.reference}: {error}") from error
    pulumi.log.info(layer.report())
    return layer
