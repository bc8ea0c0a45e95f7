"""What a warm request may cost, in calls of functions: the same on every machine, as no time is.

A budget that is exceeded has a reason, to be found or to be accepted: then the number here is changed, in the same
commit.
"""

import gc
import sys
from importlib import metadata
from types import FrameType
from typing import Any

import msgspec
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from handler.app import App
from model_runtime.manifest import Feature, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs
from tests.handler.conftest import gateway, model

X, y = load_iris(return_X_y=True)
MODELS = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "histogram boosting, 5 trees a class": HistGradientBoostingClassifier(max_iter=5),
    "forest of 5 trees": RandomForestClassifier(5, random_state=0),
}
# By the minor version of scikit-learn: Python 3.11 has 1.7, as Lambda's image takes no later one.
CALLS = {
    "1.7": {
        "logistic regression": 260,
        "histogram boosting, 5 trees a class": 253,
        "forest of 5 trees": 224,
    },
    "1.9": {
        "logistic regression": 297,
        "histogram boosting, 5 trees a class": 243,
        "forest of 5 trees": 218,
    },
}
SLACK = 0.1
"""Releases of Python, and patch releases of scikit-learn, may add this much."""


@pytest.fixture(scope="module", params=MODELS)
def served(request: pytest.FixtureRequest) -> tuple[str, App]:
    features = tuple(Feature(name=f"f{index}", type="number") for index in range(4))
    signature = Signature(features=features, labels=("setosa", "versicolor", "virginica"), probabilities=True)
    predictor = Predictor(MODELS[request.param].fit(X, y), signature, for_json=True)
    made = model(lambda _: None)
    manifest = msgspec.structs.replace(made.manifest, signature=signature)
    loaded = msgspec.structs.replace(made, manifest=manifest, inputs=Inputs(signature), predictor=predictor)
    return request.param, App(lambda: loaded)


def calls(app: App, count: int) -> int:
    """Calls of functions, of Python and of C, that a warm request of so many rows makes."""
    instances = [{f"f{index}": value for index, value in enumerate(row)} for row in X[:count].tolist()]
    event = gateway("POST", "/predict", instances[0] if count == 1 else {"instances": instances})
    for _ in range(2):  # a first answer is made in two ways
        assert app(event, None)["statusCode"] == 200
    made = 0

    def note(_frame: FrameType, kind: str, _function: Any) -> None:
        nonlocal made
        made += kind in {"call", "c_call"}

    gc.disable()  # hypothesis has itself called when garbage is collected, and objects of other tests may be
    sys.setprofile(note)
    try:
        app(event, None)
    finally:
        sys.setprofile(None)
        gc.enable()
    return made


def test_a_request_makes_no_more_calls_than_its_budget(served: tuple[str, App]) -> None:
    name, app = served
    minor = ".".join(metadata.version("scikit-learn").split(".")[:2])
    assert minor in CALLS, f"there is no budget for scikit-learn {minor}: measure it, and add it to CALLS"
    found = calls(app, 1)
    assert found <= CALLS[minor][name] * (1 + SLACK), f"{found} calls, {CALLS[minor][name]} were enough"


def test_a_row_more_costs_no_call_more(served: tuple[str, App]) -> None:
    _, app = served
    assert calls(app, 100) == calls(app, 10)
