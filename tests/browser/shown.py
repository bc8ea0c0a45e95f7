"""Models that the page is tried with: one has a feature of every kind, one has names that attack it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import numpy as np

from handler.app import App
from model_runtime.manifest import Artifact, Environment, Example, Feature, Manifest, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs
from model_runtime.start import ServedModel
from tests.handler.serving import Handler, serving

KEY = "a-key-of-the-tests"
LABELS = ("cancels", "stays", "upgrades")
CUSTOMERS = Signature(
    features=(
        Feature(name="age", type="integer"),
        Feature(name="monthly_charge", type="number", nullable=True, missing="nan"),
        Feature(name="plan", type="string", categories=("basic", "family", "premium")),
        Feature(name="region", type="string", nullable=True, missing="none", categories=("north", "south")),
        Feature(name="paperless", type="boolean"),
        Feature(name="customer_since", type="datetime"),
        Feature(name="last_complaint", type="string", nullable=True, missing="none"),
    ),
    container="rows",
    labels=LABELS,
    probabilities=True,
)
HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
HOSTILE_NAME = HOSTILE.replace('"', "'")  # a feature's name has no double quotes
ATTACK = Signature(
    features=(Feature(name=HOSTILE_NAME, type="string", categories=(HOSTILE, "harmless")),), container="list"
)
_INPUTS = (
    (38, 79.5, "family", "north", True, "2021-03-04T09:30:00Z", None),
    (61, 24.0, "basic", None, False, "2014-11-20T00:00:00Z", "slow connection"),
    (25, None, "premium", "south", True, "2025-01-02T18:45:00Z", 'said "too dear", twice'),
)


class Customers:
    """Answers by age and charge."""

    classes_ = np.array(LABELS)

    def predict(self, rows: Any) -> Any:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]

    def predict_proba(self, rows: Any) -> Any:
        shares = np.array(
            [[np.nan_to_num(row[1], nan=50.0), 1.5 * row[0], 20.0 * (row[2] == "premium") + 5] for row in rows],
            dtype=float,
        )
        return shares / shares.sum(axis=1, keepdims=True)


class Echo:
    """Answers with what it is given."""

    def predict(self, rows: Any) -> Any:
        return np.array([rows[0]] * len(rows), dtype=object)


def app(name: str, estimator: Any, signature: Signature, inputs: list[dict[str, Any]], **more: Any) -> App:
    """Serve an estimator that is in no registry; its examples have no answers."""
    manifest = Manifest(
        name=name,
        version=7,
        created_at=datetime(2026, 3, 14, tzinfo=UTC),
        created_by="somebody",
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        parameters={},
        artifact=Artifact(file="model.joblib", sha256="", size=0),
        environment=Environment(python="3.11", machine="x86_64", packages={}),
        signature=signature,
        example_kind="synthetic",
        examples=tuple(Example(input=each, output=Prediction(label="")) for each in inputs),
        **{"metrics": {}, **more},
    )
    served = ServedModel(manifest, Inputs(signature), Predictor(estimator, signature), {"load": 1.0})
    return App(lambda: served)


def customers() -> App:
    """A model with a feature of every kind."""
    names = [feature.name for feature in CUSTOMERS.features]
    inputs = [dict(zip(names, values, strict=True)) for values in _INPUTS]
    return app(
        "customers",
        Customers(),
        CUSTOMERS,
        inputs,
        metrics={"accuracy": 0.8734, "roc_auc": 0.9412, "log_loss": 0.3127},
        description="Whether a customer stays, upgrades or cancels in the next quarter.",
    )


def attack() -> App:
    """A model whose texts try to become a part of the page."""
    more = {"metrics": {HOSTILE: 0.5}, "description": HOSTILE}
    return app("attack", Echo(), ATTACK, [{HOSTILE_NAME: HOSTILE}], **more)


def asking_for_key(handler: Handler) -> Handler:
    """Refuse, as the gateway does, whatever has no key and is not the page."""

    def asked(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        given = {name.lower(): value for name, value in event["headers"].items()}.get("x-api-key")
        if given == KEY or (event["httpMethod"], event["resource"]) == ("GET", "/"):
            return handler(event, context)
        return {
            "statusCode": HTTPStatus.FORBIDDEN.value,
            "headers": {"Content-Type": "application/problem+json"},
            "body": '{"type":"about:blank","title":"Forbidden","status":403,"detail":"Forbidden"}',
        }

    return asked


@contextmanager
def page_of(handler: Handler) -> Iterator[str]:
    """Serve a page below a stage's path; gives its URL."""
    with serving(handler, root="/dev") as url:
        yield f"{url}/"
