"""Clients that people have, as they are on PyPI, against the handler behind an HTTP server."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from model_registry import uv
from model_registry.environments import RUNNING, kept_environment
from model_runtime.start import ServedModel
from tests.handler.serving import serving

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def python_of(requirements: Path) -> Path:
    """The interpreter of an environment of these requirements, made once and kept in `.local`."""
    digest = hashlib.sha256(requirements.read_bytes() + RUNNING.encode()).hexdigest()

    def fill(python: Path) -> None:
        outcome = uv.run(["pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)])
        assert outcome.ok, outcome.tail

    return kept_environment(PROJECT / ".local" / f"clients-{digest[:12]}", RUNNING, fill)


@pytest.fixture(scope="module")
def returned(served_iris: ServedModel) -> Any:
    """What the clients returned for a virginica and a setosa."""
    with serving(App(lambda: served_iris)) as url:
        command = [str(python_of(HERE / "clients.txt")), "-I", str(HERE / "clients.py"), url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_mlflow_s_client_for_its_scoring_server_gets_labels(returned: Any) -> None:
    labels = ["virginica", "setosa"]
    assert returned["mlflow"] == {"dataframe": labels, "array": labels, "list": labels}


def test_sagemaker_s_serializers_and_deserializers_fit(returned: Any) -> None:
    found = returned["sagemaker"]
    for name in ("json", "json dict", "csv text"):
        assert found.pop(name) == {"predictions": ["virginica", "setosa"]}
    lines = [["virginica"], ["setosa"]]
    assert found == {"csv": lines, "csv list": lines, "numpy": lines}
