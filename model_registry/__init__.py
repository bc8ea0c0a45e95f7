"""A model registry that needs only a bucket.

The names below are loaded when first used: the function imports modules of this package one by one, and must not
pay for what it does not need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_registry.errors import RegistryError
    from model_registry.registry import Registry
    from model_registry.release import Release
    from model_registry.storage import Storage

__all__ = ["Registry", "RegistryError", "Release", "Storage"]

_HOME = {"Registry": "registry", "RegistryError": "errors", "Release": "release", "Storage": "storage"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"model_registry.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
