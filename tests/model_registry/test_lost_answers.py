"""A write that happened, but whose answer never arrived, happens once."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from benchmarks.proxy import Proxy, running
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_runtime import storage
from model_runtime.aws import store_options
from model_runtime.errors import ConflictError, StorageError
from tests.conftest import ACTOR, new_bucket
from tests.model_registry.processes import add

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])

VERBS: dict[str, tuple[int, Callable[[Registry, Registry], object]]] = {
    "publish": (5, lambda registry, _: registry.publish(ESTIMATOR, name="iris", X_example=X)),
    "publish with skops": (
        6,
        lambda registry, _: registry.publish(ESTIMATOR, name="iris", X_example=X, formats=["joblib", "skops"]),
    ),
    "tag, new": (2, lambda registry, _: registry.tag("iris/2", "new")),
    "tag, moved": (1, lambda registry, _: registry.tag("iris/2", "prod")),
    "rollback": (1, lambda registry, _: registry.rollback("iris@dev")),
    "untag": (1, lambda registry, _: registry.untag("iris@prod")),
    "deprecate": (1, lambda registry, _: registry.deprecate("iris/2", reason="old")),
    "copy": (3, lambda registry, target: registry.copy("iris/1", target)),
    "copy with further forms": (5, lambda registry, target: registry.copy("iris/2", target)),
}
"""Each with the number of objects that it writes; run on what `case` makes, a copy goes to an empty registry."""
WRITES = [(verb, write) for verb, (writes, _) in VERBS.items() for write in range(1, writes + 1)]


class LossyProxy(Proxy):
    """Loses answers: the connection ends instead. While `down`, it passes nothing on either."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.down = False
        self.loses: Callable[[str, str], bool] = lambda _method, _path: False

    def answer(self, method: str, path: str, data: bytes) -> bytes | None:
        # Looked at now, as this connection may have waited for its next request since before it went down.
        answer = None if self.down else super().answer(method, path, data)
        return None if answer is None or self.loses(method, path) else answer


@pytest.fixture
def proxy(aws: LocalAws) -> Iterator[LossyProxy]:
    with running(LossyProxy(aws.port)) as proxy:
        yield proxy


class Case:
    """A registry with versions 1 and 2 and the tags prod at 1, dev at 1 and then 2; both ways to it."""

    def __init__(self, aws: LocalAws, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.proxy = aws, proxy
        self.buckets = (new_bucket(aws), new_bucket(aws))
        for bucket in self.buckets:  # the service is tried before the first write to a bucket
            Storage.open(bucket).create("models/.probe/first", b"")
        self.storage = Storage.open(self.buckets[0])
        self.registry = Registry(self.storage, actor=ACTOR)
        add(self.storage, "iris", b"1")
        add(self.storage, "iris", b"2", {"skops": b"2s", "onnx": b"2o"})
        for version, tag in ((1, "prod"), (1, "dev"), (2, "dev")):
            self.registry.tag(f"iris/{version}", tag)
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", proxy.url)
            self._registries = [Registry(Storage.open(bucket), actor=ACTOR) for bucket in self.buckets]
        self.before = self.written()

    def run(self, verb: str) -> object:
        """Run a verb through the proxy."""
        return VERBS[verb][1](*self._registries)

    def lose(self, write: int, *, then_down: bool = False) -> None:
        """Let the answer to the n-th PUT be lost; nothing gets through afterwards if `then_down`."""
        left = write

        def loses(method: str, _path: str) -> bool:
            nonlocal left
            left -= method == "PUT"
            lost = method == "PUT" and left == 0
            self.proxy.down = self.proxy.down or (lost and then_down)
            return lost

        self.proxy.loses = loses

    def written(self) -> Counter[str]:
        """How often each object was written so far."""
        s3 = self.aws.client("s3")
        return Counter(
            f"{bucket}/{entry['Key']}"
            for bucket in self.buckets
            for entry in s3.list_object_versions(Bucket=bucket).get("Versions", [])
        )

    def tried(self) -> int:
        """How many writes reached the service."""
        return sum(method == "PUT" for method, _ in self.proxy.requests)


@pytest.fixture
def case(
    aws: LocalAws, bucket: str, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Case:
    """As given by `indirect`, storages that give up after so many seconds without an answer instead of eight."""
    del bucket  # its environment is wanted
    if patience := getattr(request, "param", None):
        options = functools.partial(store_options, retries=timedelta(seconds=patience))
        monkeypatch.setattr(storage, "store_options", lambda *given: options(*given[:-1]))
    return Case(aws, proxy, monkeypatch)


def facts(case: Case) -> list[Any]:
    model = case.registry.model("iris")
    moves = {tag: len(case.registry.tag_of(f"iris@{tag}").history) for tag in ("prod", "dev")}
    return [model.versions, model.tags, model.deprecated, moves]


@pytest.mark.parametrize("verb", VERBS)
def test_the_writes_of_a_verb_are_as_many_as_tested_here(case: Case, verb: str) -> None:
    case.run(verb)
    assert case.tried() == VERBS[verb][0]


@pytest.mark.parametrize(("verb", "write"), WRITES)
def test_a_write_whose_answer_is_lost_succeeds_once(case: Case, verb: str, write: int) -> None:
    case.lose(write)
    case.run(verb)
    once = case.written() - case.before
    assert sum(once.values()) == VERBS[verb][0]
    most = 2 if verb == "tag, new" else 1  # it is created before it is moved
    assert set(once.values()) == {most}, "each write was done once"
    before = facts(case)
    if verb not in {"publish", "publish with skops", "rollback", "deprecate"}:
        case.run(verb)
        assert facts(case) == before, "run again, there is nothing to do"


@pytest.mark.parametrize(
    ("verb", "write", "case"),
    [(verb, write, None if verb == "deprecate" else 0.5) for verb, write in WRITES],
    indirect=["case"],
)
def test_a_write_after_which_the_service_is_gone_is_an_error_and_not_done_twice_by_trying_again(
    case: Case, verb: str, write: int
) -> None:
    case.lose(write, then_down=True)
    with pytest.raises(StorageError, match=r"s3://models-\w+: cannot write models/iris/") as caught:
        case.run(verb)
    is_move = verb in {"tag, new", "tag, moved", "rollback", "untag"} and (verb, write) != ("tag, new", 1)
    assert ("was moved is not known: look at `history iris@" in str(caught.value)) is is_move
    case.proxy.down = False
    case.proxy.loses = lambda _method, _path: False
    done = case.written() - case.before
    assert sum(done.values()) == write, "it was written, though nobody heard of it"
    if verb.startswith("publish"):
        case.run(verb)
        committed = write == VERBS[verb][0]
        assert case.registry.model("iris").versions == ((1, 2, 3, 4) if committed else (1, 2, 4))
    elif verb == "deprecate":
        with pytest.raises(ConflictError, match="was deprecated already by the tests"):
            case.run(verb)
    elif verb == "rollback":
        assert len(case.registry.tag_of("iris@dev").history) == 3
    else:
        case.run(verb)
        once = {key: 1 for key in case.written() if key not in case.before and key not in done}
        if (verb, write) == ("tag, new", 1):  # it was created, and is moved now
            once = dict.fromkeys(done, 1)
        assert case.written() - case.before == done + Counter(once)
    written = case.written() - case.before
    most = {"tags/new.json": 2, "counter.json": 2}  # created and moved; a number for each time that it was tried
    for key, times in written.items():
        assert times <= most.get(key.partition("/models/iris/")[2], 1), key
