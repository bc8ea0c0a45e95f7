"""Many processes write to one registry at once, through a real S3 API."""

import random
from collections import Counter
from typing import Any

import numpy as np
from sklearn.naive_bayes import GaussianNB

from local.ministack import LocalAws
from model_registry import Registry, Storage, history
from model_registry.records import tag_key
from model_registry.reference import TagRef, VersionRef
from model_runtime.errors import ConflictError
from model_runtime.manifest import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    SBOM_FILE,
    digest,
    version_key,
    versions_prefix,
)
from tests.model_registry.processes import CONTEXT, SECONDS, add, finish, start

PROCESSES = 16
PUBLISHES = 200
MOVES = 200
X = np.arange(12.0).reshape(6, 2)


def share(total: int, number: int) -> int:
    """How many of the total process `number` does."""
    return total // PROCESSES + (number < total % PROCESSES)


class AllAtOnce(Storage):
    """Real storage that waits, in the middle of its first operation, until every process has come as far."""

    barrier: Any = None

    def folders(self, prefix: str) -> list[str]:
        found = super().folders(prefix)
        self._meet()
        return found

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self._meet()
        super().replace(key, data, etag)

    def _meet(self) -> None:
        if self.barrier:
            self.barrier.wait(SECONDS)
            self.barrier = None


def opened(bucket: str, barrier: Any) -> AllAtOnce:
    storage = AllAtOnce.open(bucket)
    assert isinstance(storage, AllAtOnce)
    storage.barrier = barrier
    return storage


def publisher(bucket: str, number: int, barrier: Any, answers: Any) -> None:
    """Publish a share: one version with all that `Registry.publish` does, the others prepared."""
    storage = opened(bucket, barrier)
    published = []
    for turn in range(share(PUBLISHES, number)):
        if turn == 0:
            estimator = GaussianNB(var_smoothing=1e-9 * (number + 1)).fit(X, [0, 0, 0, 1, 1, 1])
            release = Registry(storage, actor=f"process {number}").publish(estimator, name="iris", X_example=X)
        else:
            release = add(storage, "iris", f"process {number}, turn {turn}".encode())
        published.append((release.manifest.version, release.manifest.artifact.sha256))
    answers.put(published)


def mover(bucket: str, number: int, barrier: Any, answers: Any) -> None:
    """Make a share of the moves, each to a version that no other process uses; after a conflict decide again."""
    registry = Registry(opened(bucket, barrier), actor=f"process {number}")
    chance = random.Random(number)  # noqa: S311  # no secret
    moves: list[tuple[str, int]] = []
    conflicts, last = 0, 0
    while len(moves) < share(MOVES, number):
        version = chance.choice([v for v in (3 * number + 1, 3 * number + 2, 3 * number + 3) if v != last])
        try:
            tag = registry.tag(f"iris/{version}", "prod")
        except ConflictError:
            conflicts += 1
        else:
            last = version
            moves.append((tag.history[-1].id, version))
    answers.put((moves, conflicts))


def run(target: Any, aws: LocalAws, bucket: str) -> list[Any]:
    """Run a function in all processes at once; every one must end well, so a wrong exception fails the test."""
    barrier, answers = CONTEXT.Barrier(PROCESSES), CONTEXT.Queue()
    processes = [start(target, aws.environment(), bucket, number, barrier, answers) for number in range(PROCESSES)]
    try:
        return [answers.get(timeout=SECONDS) for _ in processes]
    finally:
        assert finish(processes) == [0] * PROCESSES
        answers.close()


def test_200_publishes_by_16_processes_get_200_numbers_without_gap_loss_or_overwrite(
    aws: LocalAws, bucket: str, storage: Storage, registry: Registry
) -> None:
    answers = [published for answer in run(publisher, aws, bucket) for published in answer]
    numbers = list(range(1, PUBLISHES + 1))
    assert sorted(version for version, _ in answers) == numbers
    assert len({sha256 for _, sha256 in answers}) == PUBLISHES, "every publish has bytes of its own"
    assert registry.model("iris").versions == tuple(numbers)
    files = {version_key("iris", version, file) for version in numbers for file in (MODEL_FILE, MANIFEST_FILE)}
    for version, sha256 in answers:
        release = registry.resolve(VersionRef("iris", version))
        beside = {GOLDEN_FILE: release.manifest.golden, SBOM_FILE: release.manifest.sbom}
        files |= {version_key("iris", version, file) for file, artifact in beside.items() if artifact}
        assert release.manifest.artifact.sha256 == sha256
        assert digest(registry.read_model(release)) == sha256
    assert set(storage.keys(versions_prefix("iris"))) == files, "nothing else is there"
    written = (
        aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=versions_prefix("iris"))
    )
    counts = Counter(entry["Key"] for page in written for entry in page["Versions"])
    assert set(counts.values()) == {1}, "no object was ever written twice"


def test_200_moves_by_16_processes_are_one_chain_of_exactly_the_moves_that_succeeded(
    aws: LocalAws, bucket: str, storage: Storage, registry: Registry
) -> None:
    for number in range(3 * PROCESSES + 1):
        add(storage, "iris", str(number).encode())
    first = registry.tag(f"iris/{3 * PROCESSES + 1}", "prod")
    answers = run(mover, aws, bucket)
    moves = [move for made, _ in answers for move in made]
    assert len(moves) == MOVES
    found = registry.history("iris@prod")
    assert list(history.chain_faults(TagRef("iris", "prod"), found)) == []
    assert found[0] == first.history[0]
    assert sorted((move.id, move.to_version) for move in found[1:]) == sorted(moves)
    conflicts = sum(count for _, count in answers)
    assert conflicts >= PROCESSES - 1, "all wrote their first move over the same state: one can win"
    written = aws.client("s3").list_object_versions(Bucket=bucket, Prefix=tag_key("iris", "prod"))
    assert len(written["Versions"]) == MOVES + 2, "it is created once, and a loser wrote nothing"
