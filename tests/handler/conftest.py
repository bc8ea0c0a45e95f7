"""Models made by hand, and the events that API Gateway sends."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from handler.app import App
from model_runtime.manifest import Artifact, Environment, Example, Feature, Manifest, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs
from model_runtime.start import ServedModel

SIGNATURE = Signature(
    features=(Feature(name="a", type="number"), Feature(name="b", type="integer", nullable=True)), output="value"
)


class Answering:
    """An estimator with answers given by a function of its inputs."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer = answer

    def predict(self, rows: Any) -> Any:
        return self._answer(rows)


def model(
    answer: Callable[[Any], Any], signature: Signature = SIGNATURE, examples: tuple[Example, ...] = ()
) -> ServedModel:
    """A model that is not in any registry."""
    manifest = Manifest(
        name="made",
        version=7,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="somebody",
        estimator="tests.Answering",
        parameters={},
        artifact=Artifact(file="model.joblib", sha256="", size=0),
        environment=Environment(python="3.11", machine="x86_64", packages={"secret-package": "1"}),
        signature=signature,
        metrics={},
        examples=examples,
    )
    predictor = Predictor(Answering(answer), signature)
    return ServedModel(manifest, Inputs(signature), predictor, {"import": 1.0, "load": 2.0})


def gateway(
    method: str,
    path: str,
    body: Any = None,
    query: Mapping[str, list[str]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A proxy event; a body that is no text is written as JSON."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "requestContext": {"stage": "dev"},
        "multiValueQueryStringParameters": query,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


def strict(text: str) -> Any:
    """Parse JSON, and nothing that only Python takes for JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def app() -> App:
    """Serves the sum of each row's present values."""
    golden = Example(input={"a": 1, "b": 1}, output=Prediction(value=2.0))
    return App(lambda: model(lambda rows: np.nansum(rows, axis=1), examples=(golden,)))
