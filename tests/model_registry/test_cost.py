"""Publish, move, resolve and `which` make as many requests, of as many bytes, at any number of versions and moves."""

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
    tag = history.unset(PROD)
    for number in range(moves):
        version = 1 + number % versions
        at = START + timedelta(minutes=number)
        sha256 = digest(contents[version])
        tag = history.moved(tag, version, manifest_sha256=sha256, action="tag", by="me", at=at, reason="better")
        if len(tag.history) >= SEGMENT + 16:
            segment = Segment(name="iris", tag="prod", moves=tag.history[:SEGMENT])
            storage.create(segment_key("iris", "prod", tag.sealed + 1), encode(segment))
            tag = msgspec.structs.replace(tag, history=tag.history[SEGMENT:], sealed=tag.sealed + SEGMENT)
    storage.create(tag_key("iris", "prod"), encode(tag))
    return storage


@pytest.fixture(scope="module")
def small() -> Counted:
    return filled(10, 10)


@pytest.fixture(scope="module")
def large() -> Counted:
    return filled(3000, 20_000)


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
    "rollback": (5, lambda registry: registry.rollback("iris@prod")),
    "history --last 10": (1, lambda registry: registry.history("iris@prod", last=10)),
}
"""Each with the requests that it makes at most; rollback makes one more for each version that was deleted."""


@pytest.mark.parametrize("verb", VERBS)
def test_the_cost_of_a_verb_does_not_grow(small: Counted, large: Counted, verb: str) -> None:
    most, call = VERBS[verb]
    few, many = measured(small, call), measured(large, call)
    assert few[0] <= most
    assert many[0] <= most
    assert many[1] < 250_000, "bytes of the tag's latest moves, read twice and written once"


def test_which_halves_the_history(large: Counted) -> None:
    for number in (0, 1, 777, 19_000, 19_999):
        requests, size = measured(
            large, partial(Registry.which, address="iris@prod", at=START + timedelta(minutes=number))
        )
        assert requests <= 11, "the tag, and the logarithm of 312 segments"
        assert size < 500_000
    registry = Registry(large, actor="x")
    assert registry.which("iris@prod", START + timedelta(minutes=777, seconds=3)) == VersionRef("iris", 778)
