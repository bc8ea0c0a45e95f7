"""Verbs that meet, in every order of their storage calls with a few switches, and in many with any number."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from obstore.store import MemoryStore

from model_registry import Registry, Storage
from model_registry.reference import VersionRef
from model_registry.release import Release
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.errors import ConflictError, IntegrityError, NotFoundError, RegistryError
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, encode, version_key
from tests.model_registry.interleaving import Scheduler, Stepped, orders, sampled
from tests.model_registry.processes import add, manifest

Verb = Callable[[Registry], object]
ONE = VersionRef("iris", 1)
AT_ONCE = timedelta(0)

# Thousands of times the same few lines, which other tests cover: measuring each would take longer than running it.
pytestmark = pytest.mark.no_cover

SAMPLES = [100, pytest.param(600, marks=pytest.mark.soak)]
"""How many orders are drawn from those with any number of switches."""


def delete(registry: Registry) -> None:
    registry.delete(ONE, reason="mistake")


def move(tag: str) -> Verb:
    return lambda registry: registry.tag("iris/1", tag)


def prepared() -> MemoryStore:
    """Versions 1 and 2, prod was at 1 and is at 2."""
    store = MemoryStore()
    storage = Storage(store, "memory")
    add(storage, "iris", b"1")
    add(storage, "iris", b"2")
    registry = Registry(storage, actor="the tests")
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "prod")
    return store


def check_tags(store: MemoryStore, results: Sequence[object]) -> Registry:
    """Whatever a tag points at is there, whole and not marked as deleted; only known errors were raised."""
    storage = Storage(store, "memory")
    registry = Registry(storage, actor="the tests")
    for tag in Tags(storage).names("iris"):
        try:
            release = registry.resolve(f"iris@{tag}")
        except NotFoundError as error:
            assert "is not set" in str(error), results  # noqa: PT017  # every other error is one
            continue
        registry.read_model(release)
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, RegistryError), result
    return registry


def meeting(verbs: Sequence[Verb], *, fails: Sequence[Any] = ()) -> Callable[[Scheduler], None]:
    """Verbs that start at once on what `prepared` makes, and what must be so when all have ended."""

    def run(scheduler: Scheduler) -> None:
        store = prepared()
        failing = [*fails, *[None] * len(verbs)]
        registries = [
            Registry(Stepped(store, scheduler, caller, failing[caller]), actor=f"caller {caller}")
            for caller in range(len(verbs))
        ]
        calls = [partial(verb, one) for verb, one in zip(verbs, registries, strict=True)]
        results = scheduler.run(calls)
        registry = check_tags(store, results)
        deleted = any(verb is delete and result is None for verb, result in zip(verbs, results, strict=True))
        if deleted:
            with pytest.raises(NotFoundError):
                registry.resolve(ONE)
        moved = [tag for tag in registry.model("iris").tags.values() if tag == 1]
        assert not (deleted and moved), results

    return run


@pytest.mark.parametrize("tag", ["prod", "new"])
@pytest.mark.parametrize(("switches", "least"), [(2, 150), pytest.param(3, 300, marks=pytest.mark.soak)])
def test_of_a_deletion_and_a_move_one_is_refused_in_every_order(switches: int, least: int, tag: str) -> None:
    count = orders(meeting([delete, move(tag)]), switches=switches)
    assert count > least


@pytest.mark.parametrize("count", SAMPLES)
@pytest.mark.parametrize("tag", ["prod", "new"])
def test_two_deletions_and_a_move_leave_no_tag_at_what_is_gone(tag: str, count: int) -> None:
    orders(meeting([delete, delete, move(tag)]), switches=1)
    sampled(meeting([delete, delete, move(tag)]), count=count)


@pytest.mark.parametrize("count", SAMPLES)
def test_two_deletions_a_move_there_and_a_move_away_leave_no_tag_at_what_is_gone(count: int) -> None:
    sampled(meeting([delete, delete, move("prod"), lambda registry: registry.tag("iris/2", "prod")]), count=count)


@pytest.mark.parametrize("count", [10, pytest.param(40, marks=pytest.mark.soak)])
@pytest.mark.parametrize("failing", range(1, 16))
def test_a_deletion_that_is_cut_off_by_an_error_leaves_no_tag_at_what_is_gone(failing: int, count: int) -> None:
    """At every one of its calls in turn, while a move is made in many orders; `gc` comes afterwards."""

    def run(scheduler: Scheduler) -> None:
        calls = 0

        def fails(_verb: str, _key: str) -> bool:
            nonlocal calls
            calls += 1
            return calls == failing

        meeting([delete, move("prod"), lambda registry: list(registry.gc(older_than=AT_ONCE))], fails=[fails])(
            scheduler
        )

    sampled(run, count=count)


def publish(name: str, data: bytes) -> Verb:
    return lambda registry: registry._versions.add(name, data, lambda version: manifest(name, version, data))


def test_gc_never_takes_what_a_publish_reports() -> None:
    def run(scheduler: Scheduler) -> None:
        store = MemoryStore()
        add(Storage(store, "memory"), "iris", b"1")
        callers = [Registry(Stepped(store, scheduler, caller, None), actor="x") for caller in range(2)]
        released, collected = scheduler.run(
            [
                lambda: publish("iris", b"new")(callers[0]),
                lambda: list(callers[1].gc(older_than=AT_ONCE)),
            ]
        )
        assert isinstance(released, Release), released
        assert not isinstance(collected, Exception), collected
        registry = check_tags(store, [])
        found = registry.resolve(released.manifest.reference)
        assert registry.read_model(found) == b"new"
        registry.tag(found.manifest.reference, "prod")
        assert list(registry.gc(older_than=AT_ONCE)) == []

    assert orders(run, switches=2) > 50


@pytest.mark.parametrize(("switches", "least"), [(2, 25), pytest.param(3, 50, marks=pytest.mark.soak)])
def test_a_copy_never_commits_the_number_of_a_publish_with_the_same_bytes(switches: int, least: int) -> None:
    def run(scheduler: Scheduler) -> None:
        store, source = MemoryStore(), MemoryStore()
        for _ in range(2):
            add(Storage(source, "source"), "iris", b"same")
        add(Storage(store, "memory"), "iris", b"1")
        target = Registry(Stepped(store, scheduler, 1, None), actor="x")
        copied, published = scheduler.run(
            [
                lambda: Registry(Storage(source, "source"), actor="x").copy(
                    "iris/2", Registry(Stepped(store, scheduler, 0, None), actor="x")
                ),
                lambda: publish("iris", b"same")(target),
            ]
        )
        assert isinstance(published, Release), published
        registry = check_tags(store, [])
        assert registry.resolve(published.manifest.reference).manifest_bytes == published.manifest_bytes
        if isinstance(copied, Release):
            assert registry.resolve("iris/2").manifest_bytes == copied.manifest_bytes
        else:
            assert isinstance(copied, ConflictError), copied

    assert orders(run, switches=switches) > least


def test_publishes_that_meet_get_numbers_of_their_own_without_a_gap() -> None:
    def run(scheduler: Scheduler) -> None:
        store = MemoryStore()
        callers = [Registry(Stepped(store, scheduler, caller, None), actor="x") for caller in range(3)]
        results = scheduler.run([partial(publish("iris", str(n).encode()), one) for n, one in enumerate(callers)])
        numbers = [result.manifest.version for result in results if isinstance(result, Release)]
        assert sorted(numbers) == [1, 2, 3], results

    orders(run, switches=1)
    sampled(run, count=200)


@pytest.mark.parametrize("switches", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_moves_that_meet_are_one_chain_of_those_that_succeeded(switches: int) -> None:
    def run(scheduler: Scheduler) -> None:
        store = prepared()
        callers = [Registry(Stepped(store, scheduler, caller, None), actor=str(caller)) for caller in range(3)]
        verbs: list[Verb] = [move("prod"), lambda r: r.rollback("iris@prod"), lambda r: r.untag("iris@prod")]
        results = scheduler.run([partial(v, r) for v, r in zip(verbs, callers, strict=True)])
        made = {move.by for move in check_tags(store, results).history("iris@prod")} - {"the tests"}
        succeeded = {str(n) for n, result in enumerate(results) if not isinstance(result, Exception)}
        assert made <= succeeded
        assert len(made) >= 1

    orders(run, switches=switches)
    sampled(run, count=100)


def test_a_manifest_that_was_replaced_is_not_pinned_by_another_tag() -> None:
    storage = Storage(prepared(), "memory")
    registry = Registry(storage, actor="the tests")
    forged = manifest("iris", 1, b"forged")
    for file, data in ((MODEL_FILE, b"forged"), (MANIFEST_FILE, encode(forged))):
        key = version_key("iris", 1, file)
        stored = storage.read(key)
        assert stored is not None
        storage.replace(key, data, stored.etag)
    with pytest.raises(IntegrityError, match="iris/1 is not the one that iris@prod was pointed at"):
        registry.tag("iris/1", "stage")
    with pytest.raises(IntegrityError, match="iris/1 is not the one that iris@prod was pointed at"):
        registry.rollback("iris@prod")
    assert Versions(storage).numbers("iris") == (1, 2)
