"""Publish, move, resolve and `which` make as many requests, of as many bytes, at any number of versions and moves."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest
from obstore.store import MemoryStore

from model_registry import Registry, Storage, history
from model_registry.records import SEGMENT, Counter, Segment, counter_key, segment_key, tag_key
from model_registry.reference import TagRef, VersionRef
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, digest, encode, version_key
from model_runtime.storage import Content, Stored
from tests.model_registry.processes import add, manifest

START = datetime(2026, 1, 1, tzinfo=UTC)
PROD = TagRef("iris", "prod")
PAGE = 1000
"""So many keys S3 lists in one request."""


class Counted(Storage):
    """Storage in memory that counts requests, a page of a listing as one, and bytes."""

    requests = 0
    size = 0

    def read(self, key: str) -> Stored | None:
        found = super().read(key)
        self._count(len(found.data) if found else 0)
        return found

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        self._count(len(data) if isinstance(data, bytes) else data.stat().st_size)
        super().create(key, data, token=token)

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self._count(len(data))
        super().replace(key, data, etag)

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        found = list(super().entries(prefix))
        self._count(len(found) * 100, 1 + len(found) // PAGE)
        return iter(found)

    def folders(self, prefix: str) -> list[str]:
        found = super().folders(prefix)
        self._count(len(found) * 100, 1 + len(found) // PAGE)
        return found

    def _count(self, size: int, requests: int = 1) -> None:
        self.requests += requests
        self.size += size


def filled(versions: int, moves: int) -> Counted:
    """A registry of this size, written as objects: one by one it would take minutes."""
    storage = Counted(MemoryStore(), "memory")
    contents: dict[int, bytes] = {}
    for version in range(1, versions + 1):
        data = encode(manifest("iris", version, b"model"))
        storage.create(version_key("iris", version, MODEL_FILE), b"model")
        storage.create(version_key("iris", version, MANIFEST_FILE), data)
        contents[version] = data
    storage.create(counter_key("iris"), encode(Counter(last=versions, writer="the tests")))
    write_tag(storage, moves, lambda number: 1 + number % versions, contents.__getitem__)
    return storage


def write_tag(storage: Storage, moves: int, version_of: Callable[[int], int], contents: Callable[[int], bytes]) -> None:
    """The tag prod with so many moves, a minute apart, the older ones in segments."""
    tag = history.unset(PROD)
    for number in range(moves):
        version, at = version_of(number), START + timedelta(minutes=number)
        sha256 = digest(contents(version))
        tag = history.moved(tag, version, manifest_sha256=sha256, action="tag", by="me", at=at, reason="better")
        if len(tag.history) >= SEGMENT + 16:
            segment = Segment(name="iris", tag="prod", moves=tag.history[:SEGMENT])
            storage.create(segment_key("iris", "prod", tag.sealed + 1), encode(segment))
            tag = msgspec.structs.replace(tag, history=tag.history[SEGMENT:], sealed=tag.sealed + SEGMENT)
    storage.create(tag_key("iris", "prod"), encode(tag))


class Vast(Counted):
    """A registry with a million versions, whose manifests are made as they are read; listing them all fails."""

    versions = 1_000_000

    def read(self, key: str) -> Stored | None:
        found = super().read(key)
        version = re.fullmatch(r"models/iris/versions/([0-9]+)/manifest\.json", key)
        if found is None and version and int(version[1]) <= self.versions:
            data = self.manifest(int(version[1]))
            self._count(len(data), 0)
            return Stored(data, digest(data))
        return found

    def manifest(self, version: int) -> bytes:
        return encode(msgspec.structs.replace(manifest("iris", version, b"model"), created_at=START))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        assert prefix not in {"", "models/iris/", "models/iris/versions/"}, "a verb lists all versions"
        return super().entries(prefix)

    def folders(self, prefix: str) -> list[str]:
        assert prefix != "models/iris/versions/", "a verb lists all versions"
        return super().folders(prefix)


def vast(moves: int) -> Vast:
    storage = Vast(MemoryStore(), "memory")
    storage.create(counter_key("iris"), encode(Counter(last=storage.versions, writer="the tests")))
    write_tag(storage, moves, lambda number: 1 + number * 7919 % storage.versions, storage.manifest)
    return storage


@pytest.fixture(scope="module")
def small() -> Counted:
    return filled(10, 10)


@pytest.fixture(scope="module")
def large() -> Counted:
    return filled(3000, 20_000)


@pytest.fixture(scope="module")
def million() -> Vast:
    return vast(200)


def measured(storage: Counted, verb: Callable[[Registry], object]) -> tuple[int, int]:
    storage.requests = storage.size = 0
    verb(Registry(storage, actor="the tests"))
    return storage.requests, storage.size


VERBS: dict[str, tuple[int, Callable[[Registry], object]]] = {
    "publish": (5, lambda registry: add(registry._storage, "iris", b"next")),
    "resolve a version": (1, lambda registry: registry.resolve("iris/7")),
    "resolve a tag": (2, lambda registry: registry.resolve("iris@prod")),
    "pin": (1, lambda registry: registry.pin("iris@prod")),
    "tag": (7, lambda registry: registry.tag("iris/3", "prod")),
    "promote": (9, lambda registry: registry.promote("iris", version=4, to_tag="prod")),
    "rollback": (6, lambda registry: registry.rollback("iris@prod")),
    "list --last 20": (43, lambda registry: registry.page("iris")),
    "history --last 10": (1, lambda registry: registry.history("iris@prod", last=10)),
}
"""Each with the requests that it makes at most; rollback makes one more for each version that was deleted.

A list reads the counter and the tags, and of each version its manifest and whether it is deprecated.
"""


@pytest.mark.parametrize("verb", VERBS)
def test_the_cost_of_a_verb_does_not_grow(small: Counted, large: Counted, verb: str) -> None:
    most, call = VERBS[verb]
    few, many = measured(small, call), measured(large, call)
    assert few[0] <= most
    assert many[0] <= most
    assert many[1] < 250_000, "bytes of the tag's latest moves, read twice and written once"


@pytest.mark.parametrize("verb", VERBS)
def test_the_cost_of_a_verb_is_the_same_at_a_million_versions(million: Vast, verb: str) -> None:
    most, call = VERBS[verb]
    requests, size = measured(million, call)
    assert requests <= most
    assert size < 250_000


@pytest.mark.soak
@pytest.mark.parametrize("verb", VERBS)
def test_the_cost_of_a_verb_is_the_same_at_a_hundred_thousand_moves(verb: str) -> None:
    most, call = VERBS[verb]
    requests, size = measured(vast(100_000), call)
    assert requests <= most
    assert size < 250_000


def test_pages_follow_one_another(million: Vast) -> None:
    registry = Registry(million, actor="x")
    numbers = [one.number for one in registry.page("iris", last=5, before=501).versions]
    assert numbers == [496, 497, 498, 499, 500]
    assert [one.number for one in registry.page("iris", last=5, before=4).versions] == [1, 2, 3]
    assert registry.page("iris", before=1).versions == ()


def test_versions_behind_a_long_gap_are_found_by_listing() -> None:
    storage = filled(3, 1)
    storage.replace(counter_key("iris"), encode(Counter(last=5000, writer="x")), storage.read(counter_key("iris")).etag)  # type: ignore[union-attr]  # it is there
    assert [one.number for one in Registry(storage, actor="x").page("iris", last=2).versions] == [2, 3]


def test_a_copy_is_listed_though_its_number_was_not_given_here() -> None:
    source, target = filled(40, 1), Counted(MemoryStore(), "target")
    registry = Registry(target, actor="x")
    for version in (40, 7):
        Registry(source, actor="x").copy(f"iris/{version}", registry)
    assert [one.number for one in registry.page("iris").versions] == [7, 40]
    assert add(target, "iris", b"next").manifest.version == 41


def test_which_halves_the_history(large: Counted) -> None:
    for number in (0, 1, 777, 19_000, 19_999):
        requests, size = measured(
            large, partial(Registry.which, address="iris@prod", at=START + timedelta(minutes=number))
        )
        assert requests <= 11, "the tag, and the logarithm of 312 segments"
        assert size < 500_000
    registry = Registry(large, actor="x")
    assert registry.which("iris@prod", START + timedelta(minutes=777, seconds=3)) == VersionRef("iris", 778)
