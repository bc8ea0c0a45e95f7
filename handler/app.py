"""What Lambda calls: parse, predict, respond. The model is loaded when the environment starts."""

import base64
import json
import os
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from handler.metrics import COLD_START, LOAD_FAILURE, RESTORE, counted, embedded, timed
from handler.openapi import document
from handler.responses import Problem, Response, answer, body_of, problem_json, refusal
from model_runtime.errors import InputError, RegistryError
from model_runtime.manifest import Prediction
from model_runtime.schema import Row
from model_runtime.start import LoadError, ServedModel

Event = Mapping[str, Any]


class App:
    """Serves one model. `load_model` is called until it succeeds, then never again."""

    def __init__(self, load_model: Callable[[], ServedModel]) -> None:
        self._load = load_model
        self._served: ServedModel | None = None
        self._starting = True

    def start(self, *, must_load: bool = False) -> None:
        """Load the model now. A failure is logged and tried again at the next request, or raised if it `must_load`."""
        try:
            self._loaded()
        except Exception:
            if must_load:
                raise

    def restored(self) -> None:
        """Log that this environment is a copy of the one that loaded the model."""
        manifest = self._model().manifest
        _log("restored", counted(RESTORE), model=manifest.name, version=manifest.version)

    def __call__(self, event: Event, context: object) -> Response:  # noqa: ARG002  # Lambda passes it
        """Answer an API Gateway proxy event, or a bare event with the features."""
        return self._from_gateway(event) if _is_gateway_event(event) else self._direct(event)

    def _from_gateway(self, event: Event) -> Response:
        headers: dict[str, str] = {}
        try:
            route = _route(event)
            model = self._model()
            headers["X-Model-Version"] = str(model.manifest.version)
            return answer(route(model, event), headers)
        except Problem as problem:
            return refusal(problem, headers)
        except Exception:  # noqa: BLE001  # whatever it was, a caller sees no internals; the log has them
            return refusal(_failed(), headers)

    def _direct(self, event: Event) -> Response:
        """The guide's form: the bare label as body, without headers. A batch gives what the API gives."""
        try:
            return {"statusCode": HTTPStatus.OK.value, "body": _direct_body(self._model(), event)}
        except Problem as problem:
            return _direct_refusal(problem)
        except Exception:  # noqa: BLE001  # as above
            return _direct_refusal(_failed())

    def _model(self) -> ServedModel:
        try:
            return self._loaded()
        except Exception as error:  # logged there; whatever it was, nothing is served
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "The model is not available; the function's log says why."
            ) from error

    def _loaded(self) -> ServedModel:
        if self._served is None:
            start = counted(COLD_START) if self._starting else {}
            self._starting = False
            try:
                self._served = self._load()
            except Exception as error:  # unpickling can raise anything
                known = isinstance(error, LoadError | RegistryError)
                more = {} if known else {"traceback": traceback.format_exc()}
                _log("model_load_failed", start | counted(LOAD_FAILURE), reason=str(error), **more)
                raise
            manifest = self._served.manifest
            milliseconds = {**self._served.milliseconds, "total": round(sum(self._served.milliseconds.values()), 1)}
            _log(
                "model_loaded",
                start | timed(milliseconds),
                model=manifest.name,
                version=manifest.version,
                milliseconds=milliseconds,
            )
        return self._served


def _direct_body(model: ServedModel, event: Event) -> str:
    rows, is_batch = _checked(lambda: model.inputs.read_document(event))
    predictions = _predict(model, rows)
    if is_batch:
        return body_of(_batch_answer(model, predictions))
    (prediction,) = predictions
    outcome = prediction.label if prediction.value is None else prediction.value
    return outcome if isinstance(outcome, str) else body_of(outcome)


def _direct_refusal(problem: Problem) -> Response:
    return {"statusCode": problem.status.value, "body": problem_json(problem)}


def _predict_one(model: ServedModel, event: Event) -> dict[str, Any]:
    rows = _checked(lambda: model.inputs.read_query(_query(event)))
    return _answer(model, _predict(model, rows)[0])


def _predict_body(model: ServedModel, event: Event) -> dict[str, Any]:
    rows, is_batch = _checked(lambda: model.inputs.read_body(_body(event)))
    predictions = _predict(model, rows)
    return _batch_answer(model, predictions) if is_batch else _answer(model, predictions[0])


def _health(model: ServedModel, event: Event) -> dict[str, Any]:  # noqa: ARG001  # every route takes both
    return {"status": "ok", **_origin(model)}


def _describe(model: ServedModel, event: Event) -> dict[str, Any]:  # noqa: ARG001  # every route takes both
    """What callers may know of the model: not who published it, nor from which packages."""
    manifest = model.manifest
    return {
        **_origin(model),
        "description": manifest.description,
        "created_at": manifest.created_at,
        "estimator": manifest.estimator,
        "signature": manifest.signature,
        "metrics": manifest.metrics,
        "examples": manifest.examples,
    }


def _openapi(model: ServedModel, event: Event) -> dict[str, Any]:  # noqa: ARG001  # every route takes both
    return document(model.manifest)


_ROUTES: dict[tuple[str, str], Callable[[ServedModel, Event], dict[str, Any]]] = {
    ("GET", "/predict"): _predict_one,
    ("POST", "/predict"): _predict_body,
    ("GET", "/health"): _health,
    ("GET", "/model"): _describe,
    ("GET", "/openapi.json"): _openapi,
}


def _route(event: Event) -> Callable[[ServedModel, Event], dict[str, Any]]:
    method, resource = event["httpMethod"], event["resource"]
    try:
        return _ROUTES[method, resource]
    except KeyError as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no {method} {resource}.") from error


def _predict(model: ServedModel, rows: list[Row]) -> list[Prediction]:
    try:
        return model.predictor.predict(rows)
    except (ValueError, OverflowError) as error:
        # scikit-learn's own checks, such as a number too large for float32; an integer too large for any float.
        _log("values_refused", reason=str(error))
        raise Problem(HTTPStatus.BAD_REQUEST, "The model refused these values.") from error


def _checked(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InputError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The request does not fit the model's signature.", error.problems
        ) from error


def _answer(model: ServedModel, prediction: Prediction) -> dict[str, Any]:
    members = {"label": prediction.label, "value": prediction.value, "probabilities": prediction.probabilities}
    output = model.manifest.signature.output
    return {**{k: v for k, v in members.items() if k == output or v is not None}, **_origin(model)}


def _batch_answer(model: ServedModel, predictions: list[Prediction]) -> dict[str, Any]:
    return {"predictions": predictions, **_origin(model)}


def _origin(model: ServedModel) -> dict[str, Any]:
    return {"model": model.manifest.name, "version": model.manifest.version}


def _is_gateway_event(event: Any) -> bool:
    return isinstance(event, Mapping) and "httpMethod" in event and "requestContext" in event


def _query(event: Event) -> Mapping[str, list[str]]:
    return event.get("multiValueQueryStringParameters") or {}


def _body(event: Event) -> bytes | str:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:  # no base64, or not even ASCII
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not valid base64.") from error


def _failed() -> Problem:
    """Log the exception in flight; what the caller gets says nothing of it."""
    _log("request_failed", traceback=traceback.format_exc())
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The prediction failed; the function's log says why.")


def _log(event: str, metrics: Mapping[str, tuple[float, str]] | None = None, **fields: Any) -> None:
    """Write one JSON line; `metrics` has a value and a unit of each metric that CloudWatch is to take from it."""
    line = {"event": event, **fields, **(embedded(metrics, os.environ) if metrics else {})}
    print(json.dumps(line), flush=True)  # noqa: T201  # stdout is the function's log
