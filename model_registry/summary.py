"""A model at a glance: its versions, and where its tags point."""

from collections.abc import Mapping
from dataclasses import dataclass

from model_registry.reference import TagRef
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.errors import IntegrityError, RecordError


@dataclass(frozen=True)
class ModelSummary:
    """A model of the registry: its versions in ascending order, those deprecated, and where its tags point.

    `broken` are tags that cannot be read, with the reason.
    """

    name: str
    versions: tuple[int, ...]
    tags: Mapping[str, int]
    deprecated: frozenset[int]
    broken: Mapping[str, str]


def summary_of(name: str, versions: Versions, tags: Tags) -> ModelSummary:
    """Read what there is of a model; its `versions` are empty where it has none."""
    pointing: dict[str, int] = {}
    broken: dict[str, str] = {}
    for tag in tags.names(name):
        try:
            found = tags.read(TagRef(name, tag))
        except (IntegrityError, RecordError) as error:
            broken[tag] = str(error)
            continue
        if found and found[0].version is not None:
            pointing[tag] = found[0].version
    numbers, deprecated = versions.listing(name)
    return ModelSummary(name, numbers, pointing, deprecated, broken)
