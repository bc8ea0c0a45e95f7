"""The OpenAPI document is enough: schemathesis finds nothing, and a generated client calls all of it.

Schemathesis sends what the document says is valid, and what it says is not, to every operation.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from handler.app import App
from model_registry import Registry
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load
from tests.handler.environments import HERE, python_of
from tests.handler.sent import found_in, values_of
from tests.handler.serving import STAGE, serving

EXAMPLES = [8, pytest.param(200, marks=pytest.mark.soak)]
"""For each operation."""
X = np.arange(24.0).reshape(12, 2)
Y = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
DAYS = pd.date_range("2026-01-01", periods=12, freq="7h")
FRAME = pd.DataFrame(
    {
        "height": [1.0, 2.5, None, 4.0] * 3,
        "rooms": [1, 2, 3, 4] * 3,
        "town": ["Ulm", "Bonn", "Trier", "Ulm"] * 3,
        "old": [True, False, True, True] * 3,
        "size": pd.Categorical(["s", "m", "l", "s"] * 3, categories=["s", "m", "l"]),
        "half": pd.Categorical([0.5, 1.5] * 6, categories=[0.5, 1.5]),
        "style": pd.Categorical(["x", None, "y"] * 4),
        "sold": DAYS.tz_localize("Europe/Berlin"),
        "seen": DAYS.where(DAYS.hour != 7),
    }
)


def frame_model() -> tuple[Any, Any]:
    """With gaps, categories of texts and numbers, times with a zone and without."""
    columns = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            ["town", "size", "half", "style", "sold", "seen"],
        ),
        ("passthrough", ["height", "rooms", "old"]),
    )
    return make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(FRAME, Y), FRAME


def text_model() -> tuple[Any, Any]:
    texts = ["good film", "bad film", "a good one", "a bad one"] * 3
    return make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [1, 0] * 6), texts


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "frame": frame_model,
    "regressor": lambda: (LinearRegression().fit(X, X[:, 0]), X + 0.5),
    "text": text_model,
    "several": lambda: (RandomForestRegressor(5, random_state=0).fit(X, X), X + 0.5),
    "classes": lambda: (RandomForestClassifier(5, random_state=0).fit(X, np.column_stack([Y, Y[::-1]])), X + 0.5),
}


ALIKE = {"classes", "regressor", "several"}
"""What sends and answers less than the others: their turn is in `make soak`."""


@pytest.fixture(
    params=["iris", *(pytest.param(name, marks=pytest.mark.soak if name in ALIKE else ()) for name in MODELS)]
)
def served(request: pytest.FixtureRequest) -> ServedModel:
    if request.param == "iris":
        iris: ServedModel = request.getfixturevalue("served_iris")
        return iris
    bucket, registry = request.getfixturevalue("bucket"), request.getfixturevalue("registry")
    assert isinstance(registry, Registry)
    estimator, rows = MODELS[request.param]()
    release = registry.publish(estimator, name="made", X_example=rows, proof="none")
    return load(Deployment(bucket, Pin("made", 1, release.manifest_sha256)))


@pytest.mark.no_cover  # hundreds of requests through the same few lines, which the tests of each of them cover
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, which are no errors in the function
@pytest.mark.parametrize("examples", EXAMPLES)
def test_schemathesis_finds_nothing_and_the_log_has_nothing_that_it_sent(
    served: ServedModel, examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_LAMBDA_FUNCTION_NAME": "made-dev", "REQUEST_LOG": "on", "LABEL_COUNTS": "on"}.items():
        monkeypatch.setenv(name, value)
    app, sent = App(lambda: served), set[str]()

    def noting(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        sent.update(values_of(event))
        return app(event, context)

    program = python_of(HERE / "tools.txt").parent / "schemathesis"
    with serving(noting, root=f"/{STAGE}") as url, (tmp_path / "log").open("w") as log:
        command = [program, "run", f"{url}/openapi.json", "--checks", "all", "--max-examples", str(examples)]
        with contextlib.redirect_stdout(log):  # the handler's
            done = subprocess.run(
                [*map(str, command), "--no-color", "--seed", "1"],
                capture_output=True,
                text=True,
                check=False,
                cwd=tmp_path,
            )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 7" in done.stdout, done.stdout
    logged = (tmp_path / "log").read_text()
    assert logged.count('"event": "request"') > 100
    own = msgspec.json.encode(served.manifest).decode()
    assert len(sent) > 100
    assert [value for value in found_in(logged, sent) if value not in own] == []


def test_a_generated_client_calls_every_operation(served_iris: ServedModel, tmp_path: Path) -> None:
    tools = python_of(HERE / "tools.txt")
    generator = tools.parent / "openapi-python-client"
    with serving(App(lambda: served_iris), root=f"/{STAGE}") as url:
        done = subprocess.run(
            [generator, "generate", "--url", f"{url}/openapi.json", "--meta", "none", "--output-path", "iris_client"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tools.parent}{os.pathsep}{os.environ['PATH']}"},  # it formats with ruff
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # It reads no CSV; everything else of the document it does.
        said = done.stdout + done.stderr
        assert said.count("WARNING") == 1, said
        assert "Unsupported content type text/csv" in said, said
        program = [str(tools), str(HERE / "generated.py"), url]
        called = subprocess.run(
            program, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)}
        )
    assert called.returncode == 0, called.stdout + called.stderr
    found = json.loads(called.stdout)
    assert found["health"] == found["ping"] == {"status": "ok", "model": "iris", "version": 1}
    assert found["predict_one"]["label"] == found["predict"]["label"] == "virginica"
    assert [each["label"] for each in found["batch"]["predictions"]] == ["virginica", "virginica"]
    assert found["invoke"] == {"predictions": ["virginica"]}
    assert found["model"]["estimator"].endswith("RandomForestClassifier")
    assert set(found["index"]["routes"]) == set(found["openapi"]["paths"])
    assert found["refused"]["status"] == 400
