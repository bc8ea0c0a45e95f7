"""scikit-learn models behind an API on AWS Lambda: the Pulumi components, and the registry.

The names below are loaded when first used: a pipeline that moves tags has no Pulumi.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.component_args import ModelRegistryBucketArgs, SklearnModelArgs
    from infra.model import SklearnModel
    from infra.registry import ModelRegistryBucket
    from model_registry.folder import open_storage
    from model_registry.publish.from_mlflow import read_mlflow
    from model_registry.registry import Registry
    from model_registry.release import Release
    from model_registry.signing import Signer
    from model_runtime.errors import RegistryError
    from model_runtime.storage import Storage

__all__ = [
    "ModelRegistryBucket",
    "ModelRegistryBucketArgs",
    "Registry",
    "RegistryError",
    "Release",
    "Signer",
    "SklearnModel",
    "SklearnModelArgs",
    "Storage",
    "open_storage",
    "read_mlflow",
]

_HOME = {
    "ModelRegistryBucket": "infra.registry",
    "ModelRegistryBucketArgs": "infra.component_args",
    "Registry": "model_registry.registry",
    "RegistryError": "model_runtime.errors",
    "Release": "model_registry.release",
    "Signer": "model_registry.signing",
    "SklearnModel": "infra.model",
    "SklearnModelArgs": "infra.component_args",
    "Storage": "model_runtime.storage",
    "open_storage": "model_registry.folder",
    "read_mlflow": "model_registry.publish.from_mlflow",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
