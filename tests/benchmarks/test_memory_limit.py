"""A limit of memory that the operating system enforces."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks import memory_limit
from benchmarks.cold import ColdStart
from benchmarks.memory_limit import run_within

MB = 1024**2
_ANSWER = "import json; print(json.dumps({'answered': 1e12, 'answer': len(held), 'modules': 0, 'peak_bytes': 0}))"


def _holding(megabytes: int, folder: Path) -> ColdStart:
    """A process that fills so much memory and answers how much."""
    program = f"held = bytearray({megabytes} << 20); held[::4096] = b'1' * len(held[::4096]); {_ANSWER}"
    return ColdStart((sys.executable, "-S", "-c", program), {"PYTHONPATH": str(folder)}, folder)


@pytest.mark.parametrize("control_groups", [True, False])
def test_a_start_within_the_limit_answers_and_one_beyond_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, control_groups: bool
) -> None:
    """With what this machine has, and with the second choice, which every Linux has."""
    if not control_groups:
        monkeypatch.setattr(memory_limit, "_made", lambda *_: None)
    (tmp_path / "a file").write_text("to be evicted")
    enough = run_within(_holding(10, tmp_path), 64 * MB)
    assert enough.first is not None, enough.reason
    assert enough.first.answer == 10 * MB
    too_much = run_within(_holding(200, tmp_path), 64 * MB)
    assert too_much.first is None
    assert "the cold start ended with" in too_much.reason
    assert {enough.mechanism, too_much.mechanism} <= (
        {"a control group", "RLIMIT_DATA"} if control_groups else {"RLIMIT_DATA"}
    )


def test_no_group_is_left(tmp_path: Path) -> None:
    run_within(_holding(1, tmp_path), 64 * MB)
    parents = filter(None, [memory_limit._parent_v1(), memory_limit._parent_v2()])
    assert not [parent for parent in parents if (parent / f"sklearn-on-lambda-{os.getpid()}").exists()]
