"""A model registry in a bucket or a folder: publish immutable versions of a model, point tags at them, load them.

The names below are loaded when first used: comparing manifests must not pay for storage.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_registry.folder import open_storage
    from model_registry.registry import Registry
    from model_registry.release import Release
    from model_runtime.errors import RegistryError
    from model_runtime.storage import Storage

__all__ = ["Registry", "RegistryError", "Release", "Storage", "open_storage"]

_HOME = {
    "Registry": "model_registry.registry",
    "RegistryError": "model_runtime.errors",
    "Release": "model_registry.release",
    "Storage": "model_runtime.storage",
    "open_storage": "model_registry.folder",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
