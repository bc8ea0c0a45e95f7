"""Manifests of models that were never trained."""

from typing import Any

import msgspec

from model_runtime.manifest import Manifest
from tests.model_registry.processes import manifest


def made(version: int = 1, **changes: Any) -> Manifest:
    """A manifest of `iris` with these fields; what it describes is no real model."""
    return msgspec.structs.replace(manifest("iris", version, b"model"), **changes)
