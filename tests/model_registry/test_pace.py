"""How far work is, and how long it takes: bytes of downloads and zips, requests of a proof."""

import time
from itertools import islice
from pathlib import Path
from queue import Queue

import pytest

from handler import proof as proof_program
from infra.layer.zip import write_zip
from model_registry import uv
from model_registry.pace import Downloads, Pace
from model_registry.publish import proof


class Clock:
    """Stands still but where the test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_line_a_second_says_how_much_is_done_and_how_long_the_rest_takes(clock: Clock) -> None:
    said: list[str] = []
    work = Pace("writing zip", 40_000_000, said.append)
    for done in range(0, 41, 4):
        work(done * 1_000_000)
        clock.now += 0.5
    assert said == [
        "writing zip: 12.0 MB of 40.0 MB, 4 s left",
        "writing zip: 20.0 MB of 40.0 MB, 2 s left",
        "writing zip: 28.0 MB of 40.0 MB, 2 s left",
        "writing zip: 36.0 MB of 40.0 MB, 0 s left",
    ]


def test_long_work_is_told_in_minutes_and_short_work_not_at_all(clock: Clock) -> None:
    said: list[str] = []
    work = Pace("asking", 1000, said.append, shown="{:,}".format)
    clock.now += 1000  # until it begins
    work(100)
    assert said == []
    clock.now += 160
    work(500)
    work(1000)
    assert said == ["asking: 500 of 1,000, 3 min left"]


def test_downloads_are_told_by_what_uv_says(clock: Clock) -> None:
    said: list[str] = []
    downloads = Downloads(said.append)
    for line in ("Resolved 4 packages", "Downloading scipy (30.0MiB)", "Downloading numpy (10.0MiB)"):
        downloads.read(line)
    clock.now += 2
    for line in (" Downloaded numpy", " Downloaded scipy", "Prepared 2 packages in 3.74s"):
        downloads.read(line)
    assert said == [
        "downloading scipy: 0.0 MB of 31.5 MB",
        "downloading scipy, numpy: 0.0 MB of 41.9 MB",
        "downloading scipy: 10.5 MB of 41.9 MB, 6 s left",
    ]


def test_a_run_of_uv_tells_its_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\necho 'Downloading scipy (30.0MiB)' >&2\necho ' Downloaded scipy' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv, "find_uv", lambda: str(program))
    said: list[str] = []
    assert uv.run(["pip"], progress=said.append).ok
    assert said == ["downloading scipy: 0.0 MB of 31.5 MB"]


def test_rows_that_a_proof_has_sent_are_told_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the program in one file, by whoever waits from there."""
    monkeypatch.setattr("handler.proof._WRITTEN_EVERY", 0)
    monkeypatch.setattr("model_registry.pace.EVERY", 0)
    monkeypatch.setattr("model_registry.publish.proof.EVERY", 0.01)
    told: Queue[str] = Queue()
    asked = proof_program._Asked(tmp_path / proof_program._ASKED_FILE)
    pace = Pace("asking", 8, told.put, shown="{:,}".format)
    pace(1)
    with proof._watched([tmp_path], pace):
        rows = asked.each(range(4))
        assert list(islice(rows, 3)) == [0, 1, 2], "two of them are answered"
        assert told.get().startswith("asking: 2 of 8, ")
        assert list(rows) == [3]
        while not told.get().startswith("asking: 4 of 8, "):
            pass


def test_a_zip_tells_each_file_that_it_has_written(tmp_path: Path) -> None:
    sizes = {"a": 3, "b/c": 70_000, "d": 0}
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    told: list[int] = []
    write_zip(tmp_path / "layer.zip", {name: tmp_path / name for name in sizes}, told.append)
    assert told == [3, 70_003, 70_003]
