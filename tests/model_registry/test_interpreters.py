import os
from pathlib import Path

import pytest

from model_registry.interpreters import search_path


def test_the_interpreters_of_pyenv_come_before_its_shims_newest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for version in ("3.9.18", "3.12.1", "3.13.0"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/somewhere")
    folders = [str(tmp_path / "versions" / version / "bin") for version in ("3.13.0", "3.12.1", "3.9.18")]
    assert search_path().split(os.pathsep) == [*folders, "/somewhere"]


def test_without_pyenv_the_path_is_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/somewhere")
    assert search_path() == "/somewhere"
