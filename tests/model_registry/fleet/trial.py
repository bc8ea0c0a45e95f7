"""Publish a fitted estimator in memory and ask the function: does it answer as the estimator does?"""

import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from sklearn.utils.validation import check_is_fitted

from handler.app import App
from model_registry.publish.answers import own_answers
from model_registry.publish.estimator import Description, describe, json_row
from model_registry.publish.proof import Case
from model_registry.publish.tables import read_table
from model_runtime.errors import PublishError
from model_runtime.manifest import MODEL_FILE, Artifact, Manifest, digest
from model_runtime.prediction import Predictor, unpickle
from model_runtime.schema import Inputs
from model_runtime.start import ServedModel
from tests.model_registry.fleet.rows import Rows

_NAMED = "leave out predict_proba"
_METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform", "kneighbors", "std")


@dataclass(frozen=True)
class Trial:
    """A described version, ready to be proven, with the estimator it came from."""

    estimator: Any
    described: Description
    case: Case

    @property
    def outputs(self) -> tuple[str, ...]:
        """The methods that are served."""
        signature = self.described.signature
        return (
            *(["predict"] if signature.output else []),
            *(["predict_proba"] if signature.probabilities else []),
            *signature.methods,
        )


def try_publishing(estimator: Any, rows: Rows, **given: Any) -> Trial:
    """Describe an estimator with all its outputs, and rows that it was not described with; PublishError as publish."""
    outputs = _outputs(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            described = _described(estimator, rows, outputs, given)
        except PublishError as error:
            if _NAMED not in str(error):
                raise
            described = _described(estimator, rows, [name for name in outputs if name != "predict_proba"], given)
        with TemporaryDirectory() as folder:
            described.stored.write(Path(folder) / MODEL_FILE)
            data = (Path(folder) / MODEL_FILE).read_bytes()
        later = read_table(estimator, rows.later)
        # The rows of the training were compared in this process; each takes two requests more.
        own = (described.own[0], own_answers(estimator, later, described.signature))
    sent = [json_row(described.signature, row) for table in (described.rows[0], later.rows) for row in table]
    return Trial(estimator, described, Case(_manifest(described, data), {MODEL_FILE: data}, sent, own))


def _described(estimator: Any, rows: Rows, outputs: Sequence[str], given: Mapping[str, Any]) -> Description:
    return describe(estimator, rows.examples, X_train=rows.training, outputs=list(outputs) or None, **given)


def _outputs(estimator: Any) -> list[str]:
    """All methods of the estimator that can be served."""
    check_is_fitted(estimator)
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    found = [name for name in _METHODS if hasattr(estimator, name) or hasattr(last, name)]
    if "predict" in found and "return_std" in inspect.signature(last.predict).parameters:
        found.append("std")
    return found


def _manifest(described: Description, data: bytes) -> Manifest:
    return Manifest(
        name="fleet",
        version=1,
        created_at=datetime.now(UTC),
        created_by="the tests",
        estimator=described.estimator,
        parameters=described.parameters,
        artifact=Artifact(file=MODEL_FILE, sha256=digest(data), size=len(data)),
        environment=described.environment,
        signature=described.signature,
        metrics={},
        examples=described.examples,
    )


def app_of(trial: Trial) -> App:
    """The function with the model that its bytes hold, in this process."""
    (data,) = trial.case.files.values()
    manifest = msgspec.json.decode(msgspec.json.encode(trial.case.manifest), type=Manifest)
    predictor = Predictor(unpickle(data), manifest.signature)
    return App(lambda: ServedModel(manifest, Inputs(manifest.signature), predictor, {}))


def wrong_answers(trial: Trial, X: Any) -> list[str]:
    """Where the function answers other than the estimator's own methods do for the rows X.

    The rows are written as JSON and the answers compared with arrays here, by nothing that publishing uses.
    """
    response = app_of(trial)(_event({"instances": json_objects(trial, X)}), None)
    if response["statusCode"] != 200:
        return [f"{response['statusCode']}: {response['body']}"]
    answers = json.loads(response["body"])["predictions"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [said for name in trial.outputs for said in _differences(trial, name, X, answers)]


def _event(body: Any) -> dict[str, Any]:
    return {
        "resource": "/predict",
        "path": "/predict",
        "httpMethod": "POST",
        "requestContext": {"stage": "dev"},
        "multiValueQueryStringParameters": None,
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def json_objects(trial: Trial, X: Any) -> list[dict[str, Any]]:
    """Rows as their owner would write them in JSON: by name, with null for each gap."""
    if hasattr(X, "to_dict"):
        return [{str(name): _json(value) for name, value in row.items()} for row in X.to_dict("records")]
    names = [feature.name for feature in trial.described.signature.features]
    if isinstance(X, list) and isinstance(X[0], str):
        return [{names[0]: text} for text in X]
    if isinstance(X, list):
        return X
    return [{name: _json(value) for name, value in zip(names, row, strict=True)} for row in X.tolist()]


def _json(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        if value != value:  # noqa: PLR0124  # NaT
            return None
        return value.isoformat() if value.tzinfo else value.isoformat() + "Z"
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value):  # noqa: PLR0124  # NaN
        return None
    return value.item() if isinstance(value, np.generic) else value


def _differences(trial: Trial, name: str, X: Any, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    own = _own(trial.estimator, name, X)
    if name == "predict":
        served: Any = [answer.get("label", answer.get("value")) for answer in answers]
        if trial.described.signature.output == "label" and trial.described.signature.labels is not None:
            own = own.squeeze(1) if own.ndim > 1 and own.shape[1] == 1 else own  # CatBoost gives a column
            return [] if served == own.tolist() else [f"labels {served}, own {own.tolist()}"]
    elif name == "predict_proba":
        served = _tables([answer["probabilities"] for answer in answers])
        if isinstance(own, list):
            own = np.concatenate(own, axis=1)
    elif name == "kneighbors":
        served = [[answer[name]["distances"], answer[name]["indices"]] for answer in answers]
        own = np.stack(own, axis=1)
    else:
        served = [answer[name] for answer in answers]
    one = np.asarray([_numbers(value) for value in served], dtype=float)
    two = np.asarray(own.toarray() if hasattr(own, "toarray") else own, dtype=float).reshape(one.shape)
    relative = 1e-5 if np.asarray(own).dtype == np.float32 else 1e-9
    size = np.abs(two[np.isfinite(two)]).max(initial=0)
    two = np.where(np.isfinite(two), two, np.nan)
    wrong = ~np.isclose(one, two, rtol=relative, atol=relative * size, equal_nan=True)
    return [f"{name}: {one[wrong][:3].tolist()}, own {two[wrong][:3].tolist()}"] if wrong.any() else []


def _own(estimator: Any, name: str, X: Any) -> Any:
    if name == "std":
        return estimator.predict(X, return_std=True)[1]
    if not hasattr(estimator, name):  # of a pipeline's last step
        X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    return getattr(estimator, name)(X)


def _tables(given: Sequence[Any]) -> list[list[float]]:
    return [
        [number for table in (each if isinstance(each, list) else [each]) for number in table.values()]
        for each in given
    ]


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return np.nan if value is None else value
