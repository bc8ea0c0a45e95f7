import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from local.ministack import LocalAws
from model_registry import Registry, Release, Storage
from model_registry.records import Tag, counter_key, tag_key
from model_registry.reference import TagRef
from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConflictError,
    FileError,
    IntegrityError,
    InvalidNameError,
    NotFoundError,
    PublishError,
    RecordError,
)
from model_runtime.manifest import MANIFEST_FILE, digest, encode, version_key, versions_prefix
from model_runtime.storage import Content, Stored
from tests.conftest import ACTOR

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])
MANIFEST_1 = version_key("iris", 1, "manifest.json")
MODEL_1 = version_key("iris", 1, "model.joblib")
GOLDEN_1 = version_key("iris", 1, "golden.json")
SBOM_1 = version_key("iris", 1, "sbom.cdx.json")


def publish(registry: Registry, name: str = "iris", **more: Any) -> Release:
    return registry.publish(ESTIMATOR, **{"name": name, "X_example": X, **more})


def content(storage: Storage, key: str) -> bytes:
    stored = storage.read(key)
    assert stored is not None
    return stored.data


def overwrite(storage: Storage, key: str, data: bytes) -> None:
    """What the registry itself never does."""
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, data, stored.etag)


# -- publish and read ----------------------------------------------------------------------------------------


def test_what_was_published_comes_back_byte_by_byte(registry: Registry, storage: Storage, tmp_path: Path) -> None:
    release = publish(registry, metrics={"accuracy": 0.5}, description="naive")
    assert registry.resolve("iris/1") == release
    model, manifest, bill = registry.download("iris/1", tmp_path / "new" / "folder")
    assert manifest.read_bytes() == release.manifest_bytes == content(storage, MANIFEST_1)
    assert digest(model.read_bytes()) == release.manifest.artifact.sha256
    assert model.stat().st_size == release.manifest.artifact.size
    assert joblib.load(model).predict(X).tolist() == ESTIMATOR.predict(X).tolist()
    assert (release.manifest.created_by, release.manifest.metrics) == (ACTOR, {"accuracy": 0.5})
    assert release.manifest_sha256 == digest(manifest.read_bytes())
    assert release.manifest.sbom is not None
    assert release.manifest.sbom.sha256 == digest(bill.read_bytes())


def test_the_bytes_of_a_file_are_published_as_they_are(registry: Registry) -> None:
    file = io.BytesIO()
    joblib.dump(ESTIMATOR, file, compress=9)
    release = publish(registry, model_bytes=file.getvalue())
    assert registry.read_model(release) == file.getvalue()


def test_versions_count_up_for_each_model(registry: Registry) -> None:
    assert [publish(registry, name).manifest.reference for name in ("iris", "iris", "wine")] == [
        "iris/1",
        "iris/2",
        "wine/1",
    ]
    assert [(m.name, m.versions, m.tags) for m in registry.models()] == [("iris", (1, 2), {}), ("wine", (1,), {})]


def test_version_ten_follows_nine(registry: Registry) -> None:
    for _ in range(10):
        publish(registry)
    assert registry.model("iris").versions == tuple(range(1, 11))
    assert publish(registry).manifest.version == 11


class FailsAt(Storage):
    """Real storage, whose connection ends at one key."""

    key = ""

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        if key == self.key:
            raise ConnectionResetError
        super().create(key, data, token=token)


def test_a_publish_that_ends_before_the_manifest_is_invisible(storage: Storage, bucket: str) -> None:
    breaking = FailsAt.open(bucket)
    breaking.key = MANIFEST_1  # type: ignore[attr-defined]  # `open` is declared to give a Storage
    with pytest.raises(ConnectionResetError):
        publish(Registry(breaking, actor=ACTOR))
    registry = Registry(storage, actor=ACTOR)
    assert list(storage.keys(versions_prefix("iris"))) == [GOLDEN_1, MODEL_1, SBOM_1], "the manifest is written last"
    assert list(registry.models()) == []
    with pytest.raises(NotFoundError):
        registry.resolve("iris/1")
    aborted = content(storage, MODEL_1)
    assert publish(registry, description="second").manifest.version == 2
    assert registry.model("iris").versions == (2,)
    assert content(storage, MODEL_1) == aborted


class SeesNothing(Storage):
    """Real storage of a publisher that looked before the others wrote, and meets them when it writes."""

    looks = 0

    def read(self, key: str) -> Stored | None:
        if key != counter_key("iris"):
            return super().read(key)
        SeesNothing.looks += 1
        return None if SeesNothing.looks == 1 else super().read(key)

    def folders(self, prefix: str) -> list[str]:
        return super().folders(prefix) if SeesNothing.looks > 1 else []


def test_a_late_publisher_takes_the_next_number_and_overwrites_nothing(
    registry: Registry, storage: Storage, bucket: str
) -> None:
    publish(registry)
    publish(registry)
    before = {key: content(storage, key) for key in storage.keys(versions_prefix("iris"))}
    assert publish(Registry(SeesNothing.open(bucket), actor=ACTOR)).manifest.version == 3
    assert {key: content(storage, key) for key in before} == before


def test_publishers_in_threads_get_distinct_numbers(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        releases = list(pool.map(lambda n: publish(registry, description=str(n)), range(8)))
    assert sorted(release.manifest.version for release in releases) == list(range(1, 9))
    for release in releases:
        assert registry.resolve(release.manifest.reference) == release
        registry.read_model(release)


PUBLISHER = """
import sys
from tests.model_registry.test_registry import publish
from model_registry import Registry, Storage
registry = Registry(Storage.open(sys.argv[1]), actor=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(*(publish(registry).manifest.version for _ in range(2)), flush=True)
"""


def test_publishers_in_processes_get_distinct_numbers(registry: Registry, bucket: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, bucket, f"process-{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for n in range(3)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=60)[0].split() for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert sorted(int(number) for numbers in printed for number in numbers) == list(range(1, 7))
    for number, numbers in enumerate(printed):
        assert {registry.resolve(f"iris/{n}").manifest.created_by for n in numbers} == {f"process-{number}"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "Iris"}, InvalidNameError),
        ({"metrics": {"accuracy": "high"}}, PublishError),
        ({"metrics": {"accuracy": float("nan")}}, PublishError),
        ({"metrics": {"accuracy": None}}, PublishError),
        ({"X_example": X[:, :1]}, PublishError),
    ],
)
def test_what_cannot_be_published_leaves_nothing(
    registry: Registry, storage: Storage, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        publish(registry, **options)
    assert list(storage.keys("")) == []


def test_who_publishes_is_asked_before_anything_is_written(storage: Storage) -> None:
    def unknown() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        publish(Registry(storage, actor=unknown))
    assert list(storage.keys("")) == []


# -- damage --------------------------------------------------------------------------------------------------


def test_a_changed_model_is_refused_with_both_digests(registry: Registry, storage: Storage, tmp_path: Path) -> None:
    release = publish(registry)
    overwrite(storage, MODEL_1, b"other bytes")
    with pytest.raises(IntegrityError) as caught:
        registry.download("iris/1", tmp_path)
    assert digest(b"other bytes") in str(caught.value)
    assert release.manifest.artifact.sha256 in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_model_is_refused(aws: LocalAws, registry: Registry, bucket: str) -> None:
    release = publish(registry)
    aws.client("s3").delete_object(Bucket=bucket, Key=MODEL_1)
    with pytest.raises(IntegrityError, match=r"iris/1 has lost its model\.joblib: publish it again"):
        registry.read_model(release)


def test_a_damaged_manifest_is_refused(registry: Registry, storage: Storage) -> None:
    overwrite(storage, MANIFEST_1, publish(registry).manifest_bytes[:100])
    with pytest.raises(RecordError, match="restore the object from the bucket's versions"):
        registry.resolve("iris/1")


def test_a_manifest_of_a_later_format_is_refused_with_both_numbers(registry: Registry, storage: Storage) -> None:
    document = json.loads(publish(registry).manifest_bytes)
    overwrite(storage, MANIFEST_1, json.dumps({**document, "format": 7}).encode())
    with pytest.raises(RecordError, match="format 7, this release reads 1"):
        registry.resolve("iris/1")


def test_objects_of_other_tools_are_ignored(aws: LocalAws, registry: Registry, bucket: str) -> None:
    """The S3 console marks folders with empty objects."""
    for key in ("", "models/", "models/iris/", "models/iris/tags/", "models/iris/versions/", "models/iris/versions/1/"):
        aws.client("s3").put_object(Bucket=bucket, Key=key or "README.md", Body=b"")
    for key in ("models/iris/tags/README.md", "models/iris/versions/old/manifest.json"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"notes")
    version = publish(registry).manifest.version
    registry.tag(f"iris/{version}", "prod")
    assert [(m.name, m.versions, m.tags) for m in registry.models()] == [("iris", (version,), {"prod": version})]


# -- tags ----------------------------------------------------------------------------------------------------


def test_a_tag_s_history_is_a_chain(registry: Registry, storage: Storage) -> None:
    for _ in range(3):
        publish(registry)
    for version, reason in ((1, "first"), (3, "better"), (2, "3 was slow")):
        registry.tag(f"iris/{version}", "prod", reason=reason)
    found = registry.tag_of(TagRef("iris", "prod"))
    assert (found.name, found.tag, found.version) == ("iris", "prod", 2)
    assert [(m.sequence, m.from_version, m.to_version, m.reason, m.by) for m in found.history] == [
        (1, None, 1, "first", ACTOR),
        (2, 1, 3, "better", ACTOR),
        (3, 3, 2, "3 was slow", ACTOR),
    ]
    one, two, three = found.history
    assert [m.previous for m in (one, two, three)] == [None, digest(encode(one)), digest(encode(two))]
    assert one.at <= two.at <= three.at
    assert content(storage, tag_key("iris", "prod")) == encode(found)


def test_a_tag_that_is_there_already_is_not_written_again(registry: Registry, storage: Storage) -> None:
    publish(registry)
    registry.tag("iris/1", "prod", reason="first")
    before = storage.read(tag_key("iris", "prod"))
    assert len(registry.tag("iris/1", "prod", reason="again").history) == 1
    assert storage.read(tag_key("iris", "prod")) == before


def test_promote_points_one_tag_at_the_version_of_another(registry: Registry) -> None:
    publish(registry)
    registry.tag("iris/1", "dev")
    registry.promote("iris", from_tag="dev", to_tag="prod", reason="good")
    publish(registry)
    registry.tag("iris/2", "dev")
    assert registry.resolve("iris@prod").manifest.version == 1
    moved = registry.promote("iris", from_tag="dev", to_tag="prod")
    assert [(m.from_version, m.to_version) for m in moved.history] == [(None, 1), (1, 2)]
    assert registry.model("iris").tags == {"dev": 2, "prod": 2}


class Interrupted(Storage):
    """Real storage, where another writer moves the tag just after it was read."""

    other: Registry

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self.other.tag("iris/2", "prod", reason="the other's")
        super().replace(key, data, etag)


@pytest.mark.parametrize("is_set", [False, True])
def test_of_two_that_move_a_tag_the_second_gets_an_error(registry: Registry, bucket: str, is_set: bool) -> None:  # noqa: FBT001  # a parameter of the test
    for _ in range(3):
        publish(registry)
    if is_set:
        registry.tag("iris/1", "prod")
    interrupted = Interrupted.open(bucket)
    interrupted.other = registry  # type: ignore[attr-defined]  # `open` is declared to give a Storage
    with pytest.raises(ConflictError, match="this move was not made"):
        Registry(interrupted, actor="late").tag("iris/3", "prod", reason="mine")
    found = registry.tag_of(TagRef("iris", "prod"))
    assert found.version == 2
    assert [move.reason for move in found.history][-1] == "the other's"
    assert "late" not in {move.by for move in found.history}


def test_of_many_that_move_a_tag_each_move_is_kept_or_reported(registry: Registry) -> None:
    for _ in range(5):
        publish(registry)
    registry.tag("iris/1", "prod")

    def moved(version: int) -> Tag | None:
        try:
            return registry.tag(f"iris/{version}", "prod", reason=str(version))
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        succeeded = {tag.version for tag in pool.map(moved, range(2, 6)) if tag}
    history = registry.tag_of(TagRef("iris", "prod")).history
    assert {move.to_version for move in history[1:]} == succeeded
    assert succeeded
    for before, after in pairwise(history):
        assert (after.from_version, after.previous) == (before.to_version, digest(encode(before)))


def test_a_damaged_tag_is_not_overwritten(registry: Registry, storage: Storage) -> None:
    publish(registry)
    tag = registry.tag("iris/1", "prod")
    publish(registry)
    damaged = encode(msgspec.structs.replace(tag, format=3))
    overwrite(storage, tag_key("iris", "prod"), damaged)
    with pytest.raises(RecordError, match="the tag has format 3, this release reads 1 and 2"):
        registry.tag("iris/2", "prod")
    assert content(storage, tag_key("iris", "prod")) == damaged


# -- what is not there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("iris/9", "there is no version iris/9: iris has 1, 2"),
        ("iris@prod", r"the tag iris@prod is not set \(tags of iris: dev\): set it with"),
        ("wine/1", "there is no model 'wine' in s3://.*: it has iris"),
        ("wine@prod", "there is no model 'wine' in s3://.*: it has iris"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(registry: Registry, address: str, message: str) -> None:
    publish(registry)
    publish(registry)
    registry.tag("iris/1", "dev")
    with pytest.raises(NotFoundError, match=message):
        registry.resolve(address)
    with pytest.raises(NotFoundError, match=message):
        registry.tag(address, "new")
    assert registry.model("iris").tags == {"dev": 1}


def test_an_empty_registry_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="it is empty, publish one first"):
        registry.model("iris")


@pytest.mark.parametrize("tag", ["Prod", "a/b", "", ".."])
def test_a_bad_tag_name_is_refused_before_anything_is_asked(registry: Registry, tag: str) -> None:
    with pytest.raises(InvalidNameError, match=r"tag .* is not usable"):
        registry.tag("iris/1", tag)
    with pytest.raises(InvalidNameError, match=r"tag .* is not usable"):
        registry.promote("iris", from_tag=tag, to_tag="prod")


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named() -> None:
    registry = Registry(Storage.open("there-is-none"), actor=ACTOR)
    for use in (lambda: publish(registry), lambda: registry.resolve("iris/1"), lambda: list(registry.models())):
        with pytest.raises(BucketNotFoundError):
            use()


@pytest.mark.usefixtures("outsider")
def test_a_forbidden_bucket_is_named(bucket: str) -> None:
    registry = Registry(Storage.open(bucket), actor=ACTOR)
    for use in (lambda: publish(registry), lambda: registry.resolve("iris/1"), lambda: list(registry.models())):
        with pytest.raises(AccessDeniedError):
            use()


def test_a_manifest_that_was_copied_from_another_version_is_not_believed(registry: Registry, storage: Storage) -> None:
    first = publish(registry)
    storage.create(version_key("iris", 7, MANIFEST_FILE), first.manifest_bytes)
    with pytest.raises(IntegrityError, match="the manifest of iris/7 says that it is iris/1"):
        registry.resolve("iris/7")


def test_a_tag_object_that_was_copied_from_another_tag_is_not_believed(registry: Registry, storage: Storage) -> None:
    publish(registry)
    dev = registry.tag("iris/1", "dev")
    storage.create(tag_key("iris", "prod"), encode(dev))
    with pytest.raises(IntegrityError, match="iris@prod: the object says that it is iris@dev"):
        registry.resolve("iris@prod")


def test_a_download_into_a_file_is_refused(registry: Registry, tmp_path: Path) -> None:
    publish(registry)
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(FileError, match="give another folder"):
        registry.download("iris/1", taken)
    assert taken.read_text() == "a file"
