"""What the pages show of a registry, read once: models with their last versions, tags with their moves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from model_registry.records import Move
from model_registry.registry import Registry
from model_registry.report.figures import Report
from model_registry.summary import ListedVersion, Page
from model_runtime.errors import RegistryError
from model_runtime.manifest import Manifest

LAST = 50
"""Versions of a model, and moves of a tag, that are shown."""
_RECENT = 10
"""Versions of a model any two of which have a page, where the pages are written beforehand."""


@dataclass(frozen=True)
class Shelf:
    """A model: its last versions in ascending order, and its tags' last moves, newest first."""

    page: Page
    moves: Mapping[str, tuple[Move, ...]]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.page.name

    @cached_property
    def manifests(self) -> Mapping[int, Manifest]:
        """The manifests by the number of their version; those that cannot be read are left out."""
        return {each.number: each.manifest for each in self.page.versions if each.manifest is not None}

    @property
    def latest(self) -> ListedVersion:
        """The last version."""
        return self.page.versions[-1]

    def tags_of(self, version: int) -> list[str]:
        """The tags that point at a version."""
        return [tag for tag, number in self.page.tags.items() if number == version]

    def before(self, version: int) -> int | None:
        """The version before one, of those that are shown."""
        return max((number for number in self.manifests if number < version), default=None)

    @property
    def comparable(self) -> list[int]:
        """Versions any two of which are compared in files: the last ones, and those that a tag points at."""
        return sorted({*sorted(self.manifests)[-_RECENT:], *(self.manifests.keys() & set(self.page.tags.values()))})

    def written_pairs(self) -> list[tuple[int, int]]:
        """All that are compared in files."""
        return sorted({*self.pairs(), *combinations(self.comparable, 2)})

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The comparisons that are listed: each version with the one before it, and those of two tags."""
        found = {(before, number) for number in self.manifests if (before := self.before(number)) is not None}
        tagged = sorted(set(self.page.tags.values()) & self.manifests.keys())
        found |= {(one, other) for one in tagged for other in tagged if one < other}
        yield from sorted(found)


def shelf_of(registry: Registry, name: str) -> Shelf:
    """Read a model; a tag that cannot be read has no moves, and the page says why."""
    page = registry.page(name, last=LAST)
    return Shelf(page, {tag: _moves(registry, f"{name}@{tag}") for tag in page.tags})


def shelves_of(registry: Registry) -> list[Shelf]:
    """Read every model, in the order of their names."""
    return [shelf_of(registry, page.name) for page in registry.pages()]


def shelf_at(registry: Registry, name: str, version: int) -> Shelf:
    """Read a model with one of its versions alone."""
    page = registry.page(name, last=1, before=version + 1)
    return Shelf(page, {tag: _moves(registry, f"{name}@{tag}") for tag in page.tags})


def report_of(registry: Registry, manifest: Manifest) -> Report | str | None:
    """How a version did on test rows, or why that cannot be read; None where there were none."""
    if manifest.report is None:
        return None
    try:
        return registry.report(registry.resolve(manifest.reference))
    except RegistryError as error:
        return str(error)


def sources_of(registry: Registry, name: str, version: int) -> dict[str, str]:
    """The owner's own code in a version, as text by the name of its file; what is no text is named only."""
    release = registry.resolve(f"{name}/{version}")
    code = release.manifest.code
    if code is None or code.artifact is None:
        return {}
    files = registry.own_code(release)
    return {file: path.read_bytes().decode("utf-8", "replace") for file, path in files.items()}


def _moves(registry: Registry, address: str) -> tuple[Move, ...]:
    try:
        return registry.history(address, last=LAST)[::-1]
    except RegistryError:
        return ()
