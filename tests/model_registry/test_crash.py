"""A process that is killed between any two storage calls leaves the registry readable, consistent and usable."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.records import DELETED_FILE
from model_registry.reference import TagRef, VersionRef
from model_runtime.errors import ConflictError, NotFoundError
from model_runtime.manifest import (
    FORMAT_FILES,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    SBOM_FILE,
    SKOPS_FILE,
    FormatName,
    version_key,
)
from model_runtime.storage import PROBES, Content, Stored
from tests.conftest import ACTOR, new_bucket
from tests.model_registry.processes import add, finish, start

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])
AT_ONCE = timedelta(0)
FORMED = 4
"""The version that has every form of a model."""
MOST_CALLS = 30
"""More storage calls than any verb makes."""
EACH = [4, pytest.param(1, marks=pytest.mark.soak)]
"""Killed after every fourth call, and in `make soak` after each; beginning with the first or the second in turn."""


class Killed(Storage):
    """Real storage whose process gets SIGKILL right after its n-th call, reads included."""

    calls = 0
    deadly = 0

    def read(self, key: str) -> Stored | None:
        stored: Stored | None = self._counted(lambda: super(Killed, self).read(key))
        return stored

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        self._counted(lambda: super(Killed, self).create(key, data, token=token))

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self._counted(lambda: super(Killed, self).replace(key, data, etag))

    def delete(self, key: str) -> None:
        self._counted(lambda: super(Killed, self).delete(key))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = self._counted(lambda: list(super(Killed, self).entries(prefix)))
        return iter(found)

    def folders(self, prefix: str) -> list[str]:
        found: list[str] = self._counted(lambda: super(Killed, self).folders(prefix))
        return found

    def _counted(self, call: Callable[[], Any]) -> Any:
        result = call()
        Killed.calls += 1  # of the process: a copy uses two storages
        if Killed.calls == Killed.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


VERBS: dict[str, Callable[[Registry, Registry], object]] = {
    "publish": lambda registry, _: registry.publish(ESTIMATOR, name="iris", X_example=X),
    "publish with skops": lambda registry, _: registry.publish(
        ESTIMATOR, name="iris", X_example=X, formats=["joblib", "skops"]
    ),
    "publish a new model": lambda registry, _: registry.publish(ESTIMATOR, name="wine", X_example=X),
    "tag, new": lambda registry, _: registry.tag("iris/1", "new"),
    "tag, moved": lambda registry, _: registry.tag("iris/1", "prod"),
    "promote": lambda registry, _: registry.promote("iris", from_tag="dev", to_tag="prod"),
    "rollback": lambda registry, _: registry.rollback("iris@prod"),
    "untag": lambda registry, _: registry.untag("iris@prod"),
    "deprecate": lambda registry, _: registry.deprecate("iris/2", reason="old"),
    "undeprecate": lambda registry, _: registry.undeprecate("iris/4"),
    "delete": lambda registry, _: registry.delete(VersionRef("iris", 4), reason="mistake"),
    "copy": lambda registry, target: registry.copy("iris/3", target),
    "copy with further forms": lambda registry, target: registry.copy("iris/4", target),
    "gc": lambda registry, _: list(registry.gc(older_than=AT_ONCE)),
}
"""Each is run on what `prepare` makes: with the registry, and with an empty one as the target of a copy."""


REFUSED_WHEN_DONE = {"delete": NotFoundError, "deprecate": ConflictError}
"""What says that a verb was done already; the others find nothing to do, or do it once more."""
ONCE_MORE = {"publish", "publish with skops", "publish a new model", "rollback"}
"""Run twice these mean two versions, or two steps back: whoever was killed looks whether it was done."""


def prepare(bucket: str) -> None:
    """iris: versions 1 to 4, of which 4 is deprecated, 5 cut off; dev at 3; prod at 1, 2, 3 and 2 in turn.

    4 has every form, 5 two.
    """
    storage = Storage.open(bucket)
    registry = Registry(storage, actor=ACTOR)
    for number in range(1, 5):
        forms: dict[FormatName, bytes] = {"skops": b"skops", "onnx": b"onnx"} if number == FORMED else {}
        add(storage, "iris", f"model {number}".encode(), forms)
    for file in (MODEL_FILE, SKOPS_FILE):
        storage.create(version_key("iris", 5, file), b"cut off")
    registry.tag("iris/3", "dev")
    for number in (1, 2, 3, 2):
        registry.tag(f"iris/{number}", "prod")
    registry.deprecate("iris/4", reason="bad")


def run(verb: str, source: str, target: str, calls: int) -> None:
    """Run a verb in a process of its own, and be killed after so many storage calls."""
    storage, other = Killed.open(source), Killed.open(target)
    Killed.deadly = calls
    VERBS[verb](Registry(storage, actor=ACTOR), Registry(other, actor=ACTOR))


def contents(storage: Storage) -> dict[str, Any]:
    """What the registry says, without what differs between two runs: times, ids, a new version's number.

    Reading it proves that whatever is listed is there and whole: versions, their bytes, tags, chains.
    """
    registry = Registry(storage, actor=ACTOR)
    found: dict[str, Any] = {}
    for model in registry.models():
        releases = [registry.resolve(VersionRef(model.name, version)) for version in model.versions]
        tags = {tag: registry.tag_of(TagRef(model.name, tag)) for tag in model.tags}
        assert all(tag.version in model.versions for tag in tags.values())
        moves = {
            name: [(move.action, move.from_version, move.to_version) for move in tag.history]
            for name, tag in tags.items()
        }
        models = [
            [comparable(registry.read_model(release, model_format)) for model_format in release.manifest.format_names]
            for release in releases
        ]
        found[model.name] = (models, moves, model.deprecated)
    return found


def comparable(data: bytes) -> bytes:
    """A model's bytes; an archive of skops is not the same twice, as it has the time and the objects' ids in it."""
    return b"an archive" if data.startswith(b"PK") else data


def cut_off(storage: Storage) -> set[str]:
    """The keys of models, in whatever form, of recorded rows and of bills, without a manifest."""
    keys = set(storage.keys(""))
    files = {key for key in keys if key.rpartition("/")[2] in {*FORMAT_FILES.values(), GOLDEN_FILE, SBOM_FILE}}
    return {key for key in files if f"{key.rpartition('/')[0]}/{MANIFEST_FILE}" not in keys}


def kept(storage: Storage) -> set[str]:
    """The keys of the registry; not those by which the service was tried, which a process that is killed leaves."""
    return {key for key in storage.keys("") if not key.startswith(PROBES)}


def unmarked(storage: Storage) -> int:
    """How many objects there are but for marks: what was cut off leaves one, its number is never given again."""
    return len([key for key in kept(storage) if not key.endswith(DELETED_FILE)])


class Case:
    """A prepared registry and an empty one, read from outside the process that is killed."""

    def __init__(self, aws: LocalAws) -> None:
        self.environment = aws.environment()
        self.buckets = (new_bucket(aws), new_bucket(aws))
        prepare(self.buckets[0])
        self.storages = tuple(Storage.open(bucket) for bucket in self.buckets)
        self.registries = tuple(Registry(storage, actor=ACTOR) for storage in self.storages)

    def killed(self, verb: str, calls: int) -> bool:
        """Whether the verb was killed after so many calls; else it came to its end."""
        (code,) = finish([start(run, self.environment, verb, *self.buckets, calls)])
        assert code in {0, -signal.SIGKILL}
        return code != 0

    def contents(self) -> list[dict[str, Any]]:
        return [contents(storage) for storage in self.storages]

    def run(self, verb: str) -> None:
        VERBS[verb](*self.registries)

    def clean(self) -> None:
        """Remove what was cut off; this and nothing else may be missing then."""
        for storage, registry in zip(self.storages, self.registries, strict=True):
            keys, aborted = set(storage.keys("")), cut_off(storage)
            gone = list(registry.gc(older_than=AT_ONCE))
            removed = {version_key(ref.name, ref.version, MODEL_FILE) for ref in gone}
            assert removed == {key for key in aborted if key.endswith(MODEL_FILE)}
            marks = {version_key(ref.name, ref.version, DELETED_FILE) for ref in gone}
            assert kept(storage) == {key for key in (keys - aborted) | marks if not key.startswith(PROBES)}


@pytest.mark.no_cover  # the verbs' own tests cover what is run here many times over
@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("each", EACH)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_killed_after_any_storage_call_was_done_or_not_and_can_be_tried_again(
    aws: LocalAws, verb: str, each: int
) -> None:
    """Right after a call is the same as right before the next one: there is no other I/O in between."""
    whole = Case(aws)
    before = whole.contents()
    whole.run(verb)
    done = whole.contents()
    whole.clean()
    killed = 0
    for calls in range(1 + list(VERBS).index(verb) % min(each, 2), MOST_CALLS, each):
        case = Case(aws)
        if not case.killed(verb, calls):
            break
        killed += 1
        after = case.contents()
        assert after in (before, done), f"killed after call {calls}"
        if after == before or verb not in ONCE_MORE:
            with suppress(*([REFUSED_WHEN_DONE[verb]] if after == done and verb in REFUSED_WHEN_DONE else [])):
                case.run(verb)
        assert case.contents() == done, f"tried again after call {calls}"
        case.clean()
        assert case.contents() == done
        assert [unmarked(storage) for storage in case.storages] == [unmarked(storage) for storage in whole.storages]
        new = add(case.storages[0], "iris", b"next").manifest.reference
        assert (
            case.registries[0].tag(new, "prod").history[-1].to_version
            == case.registries[0].resolve(new).manifest.version
        )
    else:
        pytest.fail(f"{verb} never came to its end")
    assert killed, "it was killed at least once"
    assert case.contents() == done
