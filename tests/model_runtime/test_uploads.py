"""Large files: sent piece by piece, in parts where the service completes these under a condition, and written once."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.ministack import LocalAws
from model_registry.cli.common import open_registry
from model_registry.cli.work import Work
from model_runtime import uploads
from model_runtime.errors import ConflictError, StorageError
from model_runtime.manifest import digest
from model_runtime.storage import Storage
from tests.model_registry.processes import add

MEGABYTE = 1 << 20
MINE, OTHER = "mine", "another's"
PART = 5 * MEGABYTE
"""The smallest that S3 allows."""


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of three parts, the last of them not whole."""
    monkeypatch.setattr(uploads, "PART", PART)
    path = tmp_path / "model"
    path.write_bytes(os.urandom(2 * PART + MEGABYTE))
    return path


@pytest.fixture
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that completes parts under a condition, and one that is found not to."""
    if request.param == "whole":
        monkeypatch.setattr(uploads.Uploads, "refuses_parts_of", lambda *_: False)


both = pytest.mark.parametrize("service", ["parts", "whole"], indirect=True)


def unfinished(aws: LocalAws, bucket: str) -> list[Any]:
    found: list[Any] = aws.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found


@both
@pytest.mark.usefixtures("service")
def test_a_large_file_is_written_once_and_its_bytes_are_told(
    aws: LocalAws, bucket: str, storage: Storage, large: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    storage.watcher = lambda *one: told.append(one)
    storage.create("model", large, token=MINE)
    size = large.stat().st_size
    assert told[-1] == ("model", size, size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told), "not what is read to be signed"
    assert storage.read("model").data == large.read_bytes()  # type: ignore[union-attr]  # it is there
    told.clear()
    chunks = storage.chunks("model")
    assert chunks
    assert digest(b"".join(chunks)) == digest(large.read_bytes())
    assert told[-1] == ("model", size, size)
    storage.create("model", large, token=MINE)  # as tried again once the answer was lost
    with pytest.raises(ConflictError, match="exists already"):
        storage.create("model", large, token=OTHER)
    with pytest.raises(ConflictError, match="exists already"):
        storage.create("model", b"x" * 2 * MEGABYTE, token=OTHER)
    assert unfinished(aws, bucket) == [], "parts that were uploaded for nothing are removed"


def test_parts_are_used_where_the_service_completes_them_under_a_condition(aws: LocalAws, bucket: str) -> None:
    storage = Storage.open(bucket)
    storage.create("first", b"")
    assert storage._uploads
    assert storage._uploads.refuses_parts_of("first")
    assert not storage._uploads.refuses_parts_of("nothing"), "completed, as nothing is there"
    assert unfinished(aws, bucket) == []


def test_a_file_that_the_service_cannot_take_is_refused_before_it_is_sent(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads.Uploads, "refuses_parts_of", lambda *_: False)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(uploads.LARGEST + 1)
    with pytest.raises(
        StorageError, match=r"cannot complete an upload in parts .*: keep models of more than 5,368,709"
    ):
        storage.create("model", tmp_path / "huge")


@pytest.mark.usefixtures("outsider")
def test_credentials_without_the_right_to_write_are_told_so_for_a_large_file_too(bucket: str, large: Path) -> None:
    with pytest.raises(
        StorageError, match=r"not allowed to write model \(AccessDenied: .*\): use credentials that may"
    ):
        Storage.open(bucket).create("model", large)


UPLOADED = """
import resource, sys
from pathlib import Path
from model_runtime.storage import Storage
storage = Storage.open(sys.argv[1])
storage.create("small", bytes(2_000_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
storage.create("large", Path(sys.argv[2]), token="mine")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_what_is_uploaded(bucket: str, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(160 * MEGABYTE)
    arguments = [sys.executable, "-c", UPLOADED, bucket, str(tmp_path / "large")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32 << 10, f"{done.stdout} kB more"


def test_the_command_line_shows_what_is_transferred(bucket: str, storage: Storage, tmp_path: Path) -> None:
    class Heard(Work):
        def transferred(self, key: str, done: int, size: int) -> None:
            heard.append((key, done, size))

    heard: list[tuple[str, int, int]] = []
    add(storage, "iris", bytes(MEGABYTE))
    open_registry(bucket, None, work=Heard("downloading")).download("iris/1", tmp_path)
    assert heard[-1] == ("models/iris/versions/1/model.joblib", MEGABYTE, MEGABYTE)


def test_what_is_shown_of_a_transfer_has_bytes_speed_and_the_time_that_is_left() -> None:
    work, now = Work("downloading iris/1"), 0.0
    work._bars.get_time = lambda: now
    for done in (0, 50, 100):
        work.transferred("models/iris/versions/1/model.joblib", done * MEGABYTE, 600 * MEGABYTE)
        now += 10
    console = Console(file=io.StringIO(), width=120)
    console.print(work.shown)
    said = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
    assert re.search(r"model\.joblib .* 104\.9/629\.1 MB 5\.2 MB/s 0:01:[34]\d", said), said
    work.transferred("models/iris/versions/1/model.joblib", 600 * MEGABYTE, 600 * MEGABYTE)
    assert not work._bars.tasks
