"""A process of its own for what is measured warm."""

import os

import pytest

from benchmarks.alone import own_process


def test_each_process_is_a_new_one_with_the_same_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THIS_TEST", "here")
    assert own_process(os.getenv, "OF_THIS_TEST") == "here"
    assert len({os.getpid(), own_process(os.getpid), own_process(os.getpid)}) == 3
