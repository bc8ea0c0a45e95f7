"""A model at a glance: its versions, all or the last ones, and where its tags point."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model_registry.reference import TagRef, VersionRef
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.errors import IntegrityError, RecordError
from model_runtime.manifest import Manifest

_AT_ONCE = 16
_GONE = 100
"""So many numbers without a version are looked at before all keys are listed."""


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


@dataclass(frozen=True)
class ListedVersion:
    """A version with its manifest, or why that cannot be read."""

    number: int
    manifest: Manifest | None
    error: str
    is_deprecated: bool
    is_revoked: bool = False


@dataclass(frozen=True)
class Page:
    """Some versions of a model in ascending order, and where its tags point; `broken` as in `ModelSummary`."""

    name: str
    versions: tuple[ListedVersion, ...]
    tags: Mapping[str, int]
    broken: Mapping[str, str]


def summary_of(name: str, versions: Versions, tags: Tags) -> ModelSummary:
    """Read what there is of a model; its `versions` are empty where it has none."""
    pointing, broken = _pointing(name, tags)
    numbers, deprecated = versions.listing(name)
    return ModelSummary(name, numbers, pointing, deprecated, broken)


def page_of(name: str, versions: Versions, tags: Tags, *, last: int, before: int | None) -> Page:
    """Read the last versions of a model, or the last before a number, by two requests each.

    Only where very many of them in a row are gone are the keys of the model listed.
    """
    pointing, broken = _pointing(name, tags)
    top = versions.counted.last(name)
    top = top if before is None else min(top, before - 1)
    found: list[ListedVersion] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tried = 0
        while top > 0 and len(found) < last:
            step: Sequence[int] = range(top, max(0, top - max(last, _AT_ONCE)), -1)
            if tried > _GONE + 2 * last:
                step = [number for number in versions.numbers(name)[::-1] if number <= top][: last - len(found)]
                top = 0
            found += filter(None, pool.map(lambda number: _listed(VersionRef(name, number), versions), step))
            top, tried = top - len(step), tried + len(step)
    return Page(name, tuple(reversed(found[:last])), pointing, broken)


def _listed(ref: VersionRef, versions: Versions) -> ListedVersion | None:
    manifest, error = None, ""
    try:
        release = versions.found(ref)
        if release is None:
            return None
        manifest = release.manifest
    except (IntegrityError, RecordError) as unread:
        error = str(unread)
    try:
        mark = versions.deprecation(ref)
    except RecordError:
        return ListedVersion(ref.version, manifest, error, is_deprecated=True)
    return ListedVersion(ref.version, manifest, error, mark is not None, mark is not None and mark.revoked)


def _pointing(name: str, tags: Tags) -> tuple[dict[str, int], dict[str, str]]:
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
    return pointing, broken
