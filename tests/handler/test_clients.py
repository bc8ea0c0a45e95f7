"""Clients that people have, as they are on PyPI, against the handler behind an HTTP server."""

import json
import subprocess
from typing import Any

import pytest

from handler.app import App
from model_runtime.start import ServedModel
from tests.handler.environments import HERE, python_of
from tests.handler.serving import serving


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
