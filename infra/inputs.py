"""What a deployment needs before it declares anything: the version that the tag names, and its layer's zip.

Whatever is wrong with them stops the program here, in one line, before anything is built or created.
"""

import pulumi

from infra import function_code
from infra.layer_build import Layer, LayerSpec, build_layer
from infra.layer_errors import LayerError
from infra.settings import Settings, SettingsError
from model_registry.errors import RegistryError
from model_registry.manifest import Manifest
from model_registry.reference import TagRef
from model_registry.registry import Registry
from model_registry.release import Release
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


def model_layer(manifest: Manifest, architecture: str, *, signing: bool = False) -> Layer:
    """Build the layer of a model's packages and of what the handler needs, or take it from the cache.

    With `signing` it also has what checks a signature: 16 MB unzipped that only a stack with a public key pays for.
    """
    # Where the model needs a package too, its version wins: it must unpickle the model.
    packages = {**function_code.requirements(signing=signing), **manifest.environment.packages}
    code_size = sum(path.stat().st_size for path in function_code.code_files().values())
    try:
        spec = LayerSpec(manifest.environment.python, architecture, tuple(packages.items()))
        layer = build_layer(spec, progress=pulumi.log.info, reserve=code_size)
    except LayerError as error:
        raise SettingsError(f"{manifest.reference}: {error}") from error
    pulumi.log.info(layer.report())
    return layer
