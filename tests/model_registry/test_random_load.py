"""24 processes do anything at random to one registry, their clocks a day apart; what they were told must fit together.

A tag is a register that is read and moved. Its history is the order in which the moves took place. So whether reads and
moves are linearizable (Herlihy and Wing, 1990) is decided by looking, without a search. Each move that succeeded is in
the history once. A move that ended before another began comes before it. A read gives a move that is not older than
the last one that had ended before the read began, nor newer than those that had begun before it ended.
"""

import faulthandler
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from obstore.store import MemoryStore

from local.ministack import LocalAws
from model_registry import Registry, Storage, moves
from model_registry import registry as registry_module
from model_registry.doctor import findings
from model_registry.reference import VersionRef
from model_registry.tags import Tags
from model_runtime.errors import ConflictError, NotFoundError
from tests.conftest import new_bucket
from tests.model_registry.processes import CONTEXT, add, finish, start

PROCESSES = 24
TAG = "iris@prod"
PATIENCE = 120


@dataclass(frozen=True)
class Event:
    """What a process did: when it began and ended (seconds of the machine's steady clock) and what it was told."""

    verb: str
    began: float
    ended: float
    version: int | None = None
    move: str = ""
    sequence: int = 0


class Ahead(datetime):
    """The clock of a machine that is wrong."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # msgspec takes no other class
        return datetime.fromtimestamp(time.time() + cls.by.total_seconds(), tz)


def work(buckets: tuple[str, str], number: int, seconds: float, barrier: Any, answers: Any) -> None:
    faulthandler.enable()  # a process that crashes says where
    Ahead.by = timedelta(days=number % 3 - 1)
    for module in (moves, registry_module):
        module.datetime = Ahead  # type: ignore[attr-defined]  # the only way to a wrong clock
    storage = Storage.open(buckets[0])
    registry, target = Registry(storage, actor=f"process {number}"), Registry(Storage.open(buckets[1]), actor="copier")
    chance, events = random.Random(number), list[Event]()  # noqa: S311  # no secret
    barrier.wait(PATIENCE)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        verb = chance.choice(("add", "tag", "tag", "promote", "rollback", "delete", "copy", "gc", "read", "read"))
        known = registry.page("iris", last=8).versions
        version = chance.choice(known).number if known else 1
        began = time.monotonic()
        try:
            done = do(registry, target, storage, verb, version)
        except (ConflictError, NotFoundError):  # told so, and nothing was changed
            done = {"verb": f"{verb}, refused"}
        except Exception as error:  # noqa: BLE001  # for whoever looks at the test
            done = {"verb": f"{verb}, failed: {error!r}"}
        events.append(Event(**{"verb": verb, "began": began, "ended": time.monotonic(), **done}))
    answers.put(events)


def do(registry: Registry, target: Registry, storage: Storage, verb: str, version: int) -> dict[str, Any]:
    """Do one thing, and give what it says of the tag or the version."""
    if verb == "add":
        return {"version": add(storage, "iris", b"%d" % time.monotonic_ns()).manifest.version}
    if verb == "read":
        move = registry.tag_of(TAG).history[-1]
        return {"version": move.to_version, "move": move.id, "sequence": move.sequence}
    if verb in {"tag", "promote", "rollback"}:
        heard: list[Any] = []
        mover = Registry(storage, actor="mover", notifier=lambda _tag, move: heard.append(move))
        if verb == "tag":
            mover.tag(f"iris/{version}", "prod")
        elif verb == "promote":
            mover.promote("iris", version=version, to_tag="prod")
        else:
            mover.rollback(TAG)
        if not heard:
            return {"verb": "nothing to do"}
        return {"version": heard[0].to_version, "move": heard[0].id, "sequence": heard[0].sequence}
    if verb == "delete":
        registry.delete(VersionRef("iris", version), reason="random")
    elif verb == "copy":
        registry.copy(f"iris/{version}", target)
    else:
        return {"verb": verb, "version": len(list(registry.gc(older_than=timedelta(0))))}
    return {"version": version}


def faults(events: list[Event], history: list[tuple[str, int]]) -> list[str]:
    """What contradicts that moves and reads of the tag took place one after the other, in the history's order."""
    place = {identity: index for index, (identity, _) in enumerate(history)}
    made = [event for event in events if event.verb in {"tag", "promote", "rollback"} and event.move]
    found = [f"{event} is not in the history" for event in made if place.get(event.move) != event.sequence - 1]
    ends = sorted((event.ended, event.sequence) for event in made)
    begins = {event.sequence: event.began for event in made}
    for event in (*made, *(event for event in events if event.verb == "read")):
        before = max((sequence for ended, sequence in ends if ended < event.began), default=0)
        if event.sequence < before:
            found.append(f"{event} is older than move {before}, which had ended before")
        if event.verb == "read" and begins.get(event.sequence, 0) > event.ended:
            found.append(f"{event} was read before it was made")
        if place.get(event.move) != event.sequence - 1:
            found.append(f"{event} gave a move that is not in the history")
    return found


def repeated(events: list[Event]) -> list[Event]:
    """Deletions that succeeded though another of the same version had ended before they began."""
    ended: dict[int | None, float] = {}
    found = []
    for event in sorted((one for one in events if one.verb == "delete"), key=lambda one: one.began):
        first = ended.setdefault(event.version, event.ended)
        if first < event.began:
            found.append(event)
        ended[event.version] = min(first, event.ended)
    return found


def loaded(aws: LocalAws, bucket: str, processes: int, seconds: float) -> list[Event]:
    barrier, answers = CONTEXT.Barrier(processes), CONTEXT.Queue()
    buckets = (bucket, new_bucket(aws))
    running = [start(work, aws.environment(), buckets, n, seconds, barrier, answers) for n in range(processes)]
    try:
        return [event for _ in running for event in answers.get(timeout=PATIENCE)]
    finally:
        assert finish(running) == [0] * processes
        answers.close()


@pytest.mark.parametrize(
    ("processes", "seconds"), [(4, 3.0), pytest.param(PROCESSES, 60.0, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_whatever_processes_do_at_once_fits_together(
    aws: LocalAws, bucket: str, *, processes: int, seconds: float
) -> None:
    storage = Storage.open(bucket)
    registry = Registry(storage, actor="the tests")
    for number in range(3):
        add(storage, "iris", b"%d" % number)
    registry.tag("iris/1", "prod")
    first = registry.history(TAG)
    events = loaded(aws, bucket, processes, seconds)
    assert [event for event in events if "failed" in event.verb] == []
    tag = registry.tag_of(TAG)
    history = [(move.id, move.to_version or 0) for move in reversed(list(Tags(storage).newest_first(tag)))]
    made = {event.move for event in events if event.verb in {"tag", "promote", "rollback"} and event.move}
    assert len(history) == len(made) + len(first), "no move was lost, none was made that nobody heard of"
    assert faults(events, history) == []
    times = [move.at for move in registry.history(TAG)]
    assert times == sorted(times)
    published = [event.version for event in events if event.verb == "add"]
    assert len(published) == len(set(published)), "no number was given twice"
    deleted = [event.version for event in events if event.verb == "delete"]
    assert repeated(events) == [], "of deletions of one version several succeed only if they are at it together"
    there = set(registry.model("iris").versions)
    assert there == ({1, 2, 3} | set(published)) - set(deleted)
    assert [one for one in findings(storage) if one.severity == "error"] == []
    assert tag.version in there
    assert {event.verb for event in events} >= {"add", "read", "tag", "delete", "copy", "gc"}


def test_the_checker_sees_what_is_wrong() -> None:
    history = [("a", 1), ("b", 2), ("c", 3)]
    moved = [Event("tag", n, n + 0.5, n, identity, n) for n, (identity, _) in enumerate(history, 1)]
    assert faults(moved, history) == []
    assert faults([*moved, Event("read", 2.7, 2.8, 2, "b", 2)], history) == []
    assert len(faults([*moved, Event("read", 4, 5, 2, "b", 2)], history)) == 1, "a stale read"
    assert len(faults([*moved, Event("read", 1.6, 1.7, 3, "c", 3)], history)) == 1, "a read of what comes later"
    assert faults(moved, history[:2]), "a lost move"
    twice = [Event("delete", 1, 2, 7), Event("delete", 1.5, 3, 7), Event("delete", 2.5, 4, 7)]
    assert repeated(twice) == twice[2:]
    assert faults([moved[0], Event("tag", 0.1, 0.2, 2, "b", 2), moved[2]], history), "an order that time forbids"


def test_a_version_that_is_deleted_while_it_is_read_is_told_so() -> None:
    storage = Storage(MemoryStore(), "memory")
    registry = Registry(storage, actor="me")
    release = add(storage, "iris", b"1")
    registry.delete(VersionRef("iris", 1), reason="seen by the random load")
    with pytest.raises(NotFoundError, match="iris/1 was deleted meanwhile: choose another version"):
        registry.read_model(release)
