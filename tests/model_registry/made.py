"""Manifests of models that were never trained."""

from typing import Any

import msgspec

from model_registry.reference import VersionRef
from model_registry.versions import Versions
from model_runtime.manifest import Manifest, encode
from model_runtime.storage import Storage
from tests.model_registry.processes import manifest


def made(version: int = 1, **changes: Any) -> Manifest:
    """A manifest of `iris` with these fields; what it describes is no real model."""
    return msgspec.structs.replace(manifest("iris", version, b"model"), **changes)


def put(storage: Storage, *manifests: Manifest) -> None:
    """Put versions with these manifests."""
    for each in manifests:
        Versions(storage).put(VersionRef(each.name, each.version), [("model.joblib", b"model")], encode(each))
