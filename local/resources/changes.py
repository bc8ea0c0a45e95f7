"""What has changed of a resource, told from digests: values need not be kept, and an asset counts by its bytes."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pulumi import Archive, Asset

from local.resources.assets import digest
from local.resources.base import Properties, ResourceType

Action = Literal["same", "update", "replace"]


def digests(inputs: Properties) -> dict[str, str]:
    """Return a digest of each input, in which an asset counts by its bytes and not by its path."""
    return {name: _digest(value) for name, value in inputs.items()}


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the inputs whose digests differ, or that only one side has."""
    return frozenset(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def action(kind: ResourceType, names: frozenset[str]) -> Action:
    """Return what is to be done to a resource of which the inputs of these names have changed."""
    if not names:
        return "same"
    return "update" if kind.update and not names & kind.identity else "replace"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_content).encode()).hexdigest()


def _content(value: object) -> dict[str, str]:
    if isinstance(value, Asset | Archive):
        return {"sha256": digest(value)}
    raise TypeError(f"{type(value).__name__} is not a property of a resource")
