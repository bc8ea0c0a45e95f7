import os
from pathlib import Path

import pytest

from model_registry.cache import cache_folder, workspace


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SKLEARN_ON_LAMBDA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder("layers") == Path.home() / ".cache" / "sklearn-on-lambda" / "layers"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("layers") == tmp_path / "sklearn-on-lambda" / "layers"
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path / "own"))
    assert cache_folder("layers") == tmp_path / "own" / "layers"


def test_a_workspace_is_gone_afterwards_and_so_is_what_was_killed_a_day_ago(tmp_path: Path) -> None:
    old, recent = tmp_path / "build-old", tmp_path / "build-recent"
    for folder in (old, recent):
        folder.mkdir()
    os.utime(old, (0, 0))
    with workspace(tmp_path) as work:
        (work / "file").touch()
    assert list(tmp_path.iterdir()) == [recent]
