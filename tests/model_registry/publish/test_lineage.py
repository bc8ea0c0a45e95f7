"""Where a model comes from: read off a real repository, MLflow's own run and the data; never a reason to fail."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.linear_model import LinearRegression

from handler.app import App
from model_registry import Registry, Storage
from model_registry.publish.lineage import checked_labels, data_digest, lineage_of
from model_runtime.errors import PublishError
from model_runtime.pin import Pin
from model_runtime.start import Deployment, load
from tests.handler.conftest import gateway
from tests.handler.environments import python_of
from tests.structure import ROOT

ASK = "import json, msgspec; from model_registry.publish.lineage import lineage_of; "
PRINT = ASK + "print(json.dumps(msgspec.to_builtins(lineage_of())))"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, and a script in a folder that prints the lineage of a model made there."""
    folder = tmp_path / "project"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "train.py").write_text(PRINT)
    (folder / ".gitignore").write_text("models/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    return folder


def told(*command: str, cwd: Path, **variables: str) -> Any:
    """The lineage that a process prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_script_is_named_by_its_path_in_its_repository_whatever_the_current_folder(
    repository: Path, tmp_path: Path
) -> None:
    script, commit = str(repository / "jobs" / "train.py"), git(repository, "rev-parse", "HEAD")
    expected = {"git_commit": commit, "git_clean": True, "entry": "jobs/train.py"}
    assert told(sys.executable, script, "--password=secret", cwd=tmp_path) == expected
    (repository / "models").mkdir()
    (repository / "models" / "model.joblib").touch()
    assert told(sys.executable, script, cwd=tmp_path) == expected  # what git ignores is no change


@pytest.mark.parametrize("changed", ["jobs/train.py", "jobs/new.py"])
def test_a_change_and_a_file_that_is_not_committed_are_told(repository: Path, changed: str) -> None:
    (repository / changed).write_text(PRINT + "\n")
    assert told(sys.executable, "jobs/train.py", cwd=repository)["git_clean"] is False


def test_without_a_script_the_current_folder_is_looked_at(repository: Path) -> None:
    found = told(sys.executable, "-c", PRINT, cwd=repository)
    assert found == {"git_commit": git(repository, "rev-parse", "HEAD"), "git_clean": True}
    notebook = {"JPY_SESSION_NAME": str(repository / "jobs" / "train.ipynb")}
    assert told(sys.executable, "-c", PRINT, cwd=repository, **notebook)["entry"] == "jobs/train.ipynb"


def test_the_repository_s_own_programs_and_a_hook_s_variables_count_for_nothing(
    repository: Path, tmp_path: Path
) -> None:
    ran, monitor = tmp_path / "ran", tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {ran}\n")
    monitor.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(monitor))
    found = told(sys.executable, "jobs/train.py", cwd=repository, GIT_DIR=str(tmp_path / "elsewhere"))
    assert found["git_clean"] is True
    assert not ran.exists()


@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"])
def test_without_a_repository_or_without_git_there_is_the_bare_name(tmp_path: Path, path: str) -> None:
    (tmp_path / "train.py").write_text(PRINT)
    assert told(sys.executable, str(tmp_path / "train.py"), cwd=tmp_path, PATH=path) == {"entry": "train.py"}


def test_a_command_that_is_installed_is_no_entry() -> None:
    assert lineage_of().entry is None  # of pytest


def test_the_active_run_of_mlflow_is_recorded_and_mlflow_is_never_imported_for_it(tmp_path: Path) -> None:
    python = str(python_of(Path(__file__).parent / "mlflow.txt"))
    store = {"MLFLOW_TRACKING_URI": (tmp_path / "runs").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    started = f"import mlflow; run = mlflow.start_run(); {ASK}"
    program = started + "print(json.dumps([run.info.run_id, lineage_of().mlflow_run]))"
    run, found = told(python, "-W", "ignore", "-c", program, cwd=tmp_path, **store)
    assert run == found
    program = ASK + "import sys; found = lineage_of().mlflow_run; print(json.dumps([found, 'mlflow' in sys.modules]))"
    assert told(python, "-c", program, cwd=tmp_path) == [None, False]


FRAME = pd.DataFrame(
    {
        "number": [1.0, np.nan, 3.0],
        "text": ["a", None, "c"],
        "day": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
        "zone": pd.to_datetime(["2026-01-01", "2026-01-02", None], utc=True),
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "kind": pd.Categorical(["x", "y", "x"]),
    }
)
FORMS: dict[str, Any] = {
    "frame": FRAME,
    "array": np.arange(6.0).reshape(3, 2),
    "texts": ["one", "two"],
    "objects": [{"a": 1, "b": None}, {"a": 2.5, "b": "x"}],
    "array of objects": np.array([["a", 1], ["b", None]], dtype=object),
}


def test_every_form_of_training_data_has_a_digest_that_no_other_has() -> None:
    digests = {name: data_digest(X) for name, X in FORMS.items()}
    assert None not in digests.values()
    assert len(set(digests.values())) == len(FORMS)


@pytest.mark.parametrize("place", range(FRAME.shape[1]))
def test_another_value_in_any_column_gives_another_digest(place: int) -> None:
    other = FRAME.copy()
    other.iloc[0, place] = FRAME.iloc[1, place] if place != 1 else "z"
    assert data_digest(other) != data_digest(FRAME)
    assert data_digest(FRAME.rename(columns={FRAME.columns[place]: "other"})) != data_digest(FRAME)


def test_the_digest_is_of_the_values_and_not_of_how_they_lie_in_memory() -> None:
    X = np.arange(60_000.0).reshape(30_000, 2)
    assert data_digest(X) == data_digest(np.asfortranarray(X)) == data_digest(X.astype(">f8"))
    assert data_digest(X) != data_digest(X[::-1]) != data_digest(X.reshape(-1, 4))
    assert data_digest(FRAME) == data_digest(FRAME.set_axis([7, 8, 9]))
    objects = FORMS["objects"]
    assert data_digest(objects) == data_digest([dict(reversed(row.items())) for row in objects])
    # Written down, so that no change of the code changes what earlier versions recorded.
    assert data_digest(X[:2]) == "f0d4ac3efd68358bbb282e3806946f49fa881f7490f4df68247476c9a8357b9b"


def test_data_without_stable_bytes_has_no_digest() -> None:
    assert data_digest([object()]) is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"": "a"}, "label '': the name '' is not usable: give 1 to 64 printable characters"),
        ({"team": ""}, "label 'team': the value '' is not usable: give 1 to 256 printable"),
        ({"team": "a\nb"}, r"the value 'a\\nb' is not usable"),
        ({"te\x1bam": "a"}, "is not usable"),
        ({"team": " a"}, "without space around them"),
        ({"t" * 65: "a"}, "is not usable"),
        ({"team": "a" * 257}, "is not usable"),
        ({"a=b": "c"}, "label 'a=b': a name has no '='"),
        ({"team": 1}, "the value '1' is not usable"),
        ({str(number): "a" for number in range(33)}, "33 labels are given: give 32 at most"),
    ],
)
def test_labels_that_are_no_short_text_are_refused(labels: dict[str, str], message: str) -> None:
    with pytest.raises(PublishError, match=message):
        checked_labels(labels)


def test_a_version_has_its_lineage_and_callers_see_the_labels_alone() -> None:
    storage = Storage(MemoryStore(), "memory")
    X = FORMS["array"]
    registry = Registry(storage, actor="the tests", proof="none")
    labels = {"team": "Risk, Zürich", "data": "2026-11"}
    release = registry.publish(
        LinearRegression().fit(X, [1, 2, 3]), name="rooms", X_example=X[:1], X_train=X, labels=labels
    )
    manifest = registry.resolve("rooms/1").manifest
    assert manifest.labels == labels
    assert manifest.lineage.training_data_sha256 == data_digest(X)
    assert manifest.lineage.git_commit == git(ROOT, "rev-parse", "HEAD")
    served = load(Deployment("memory", Pin("rooms", 1, release.manifest_sha256)), storage)
    body = App(lambda: served)(gateway("GET", "/model"), None)["body"]
    assert json.loads(body)["labels"] == labels
    assert "lineage" not in body
    assert str(manifest.lineage.git_commit) not in body
