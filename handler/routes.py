"""What each route of the API answers. The set of routes is the same for every model."""

import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from handler.prediction import Answering
from handler.requests import CSV, HTML, JSON, Place, Request, escaped
from handler.responses import KSERVE_REFUSED, Problem, Response, answer, outcome, shortened
from model_runtime.errors import InputError
from model_runtime.manifest import Example, Manifest, Prediction
from model_runtime.schema import Row, why_no_query_form
from model_runtime.start import ServedModel

KSERVE = ("/v1/models", "/v2/")
"""How the paths of KServe's protocols begin. Source: "Data Plane" in KServe's documentation."""
RECORDED_EXAMPLES = "RECORDED_EXAMPLES"
"""The variable that is `on` where recorded rows may be shown."""
FEWER = "send fewer instances"
"""What a caller does whose answer is too large."""


class Call(msgspec.Struct):
    """A request with what answers it; `rows` is how many were answered."""

    request: Request
    model: ServedModel
    answering: Answering
    headers: dict[str, str]
    rows: int = 0

    def predict(self, rows: Sequence[Row], place: Place) -> list[Prediction]:
        """Answer the rows."""
        predictions = self.answering(rows, place)
        self.rows = len(rows)
        return predictions


Route = Callable[[Call], Response]


def index(call: Call) -> Response:
    """Say which routes there are; a browser gets the page on which people try the model."""
    if HTML in call.request.header("Accept"):
        from handler import page  # here, as no start needs it

        if page.is_wanted(call.request.header("Accept")):
            return page.page(call.headers)
    routes = {path: list(methods) for path, methods in ROUTES.items()}
    return answer({**origin(call.model), "routes": routes}, call.headers)


def predict_query(call: Call) -> Response:
    """Answer one instance from the query string."""
    reason = why_no_query_form(call.model.manifest.signature)
    if reason is not None:
        raise not_allowed("GET", "/predict", ["POST"], f": {reason}")
    rows = checked(lambda: call.model.inputs.read_query(call.request.query))
    return answer(one(call.model, call.predict(rows, lambda _, name: name or "")[0]), call.headers)


def predict_body(call: Call) -> Response:
    """Answer one instance, or a batch, from a body of JSON."""
    call.request.media_type([JSON])
    body = call.request.body()
    rows, is_batch = checked(lambda: call.model.inputs.read_body(body))
    place = batch_place(call.model, lambda: msgspec.json.decode(body)) if is_batch else single_place
    predictions = call.predict(rows, place)
    found = several(call.model, predictions) if is_batch else one(call.model, predictions[0])
    return answer(found, call.headers, remedy=FEWER if is_batch else "")


def invocations(call: Call) -> Response:
    """Answer as MLflow's scoring server and SageMaker's containers do."""
    from handler.bodies import csv_answer, read_csv, read_json  # here, as the start of most functions needs it not

    media = call.request.media_type([JSON, CSV])
    body = call.request.body()
    model = call.model
    read = read_csv if media == CSV else read_json
    rows, place = checked(lambda: read(model.inputs, model.manifest.signature, body))
    predictions = call.predict(rows, place)
    if CSV in call.request.header("Accept"):
        return answer(csv_answer(predictions), call.headers, content_type=f"{CSV}; charset=utf-8", remedy=FEWER)
    return answer({"predictions": [outcome(each) for each in predictions]}, call.headers, remedy=FEWER)


def health(call: Call) -> Response:
    """Say that the model is loaded."""
    return answer({"status": "ok", **origin(call.model)}, call.headers)


def describe(call: Call) -> Response:
    """What callers may know of the model: not who published it, nor from which packages."""
    manifest = call.model.manifest
    known = {
        **origin(call.model),
        "description": manifest.description,
        "created_at": manifest.created_at,
        "estimator": manifest.estimator,
        "signature": manifest.signature,
        "metrics": manifest.metrics,
        "labels": manifest.labels,
        "examples": shown_examples(manifest),
    }
    return answer(known, call.headers)


def shown_examples(manifest: Manifest) -> Sequence[Example]:
    """The examples that any caller may see: recorded rows are shown only where the stack says so."""
    if manifest.example_kind == "synthetic" or os.environ.get(RECORDED_EXAMPLES) == "on":
        return manifest.examples
    return ()


def openapi(call: Call) -> Response:
    """The OpenAPI document, as this caller sees the API."""
    from handler.openapi import document  # as above

    request = call.request
    return answer(document(call.model.manifest, request.url(), tuple(request.security())), call.headers)


ROUTES: Mapping[str, Mapping[str, Route]] = {
    "/": {"GET": index},
    "/predict": {"GET": predict_query, "POST": predict_body},
    "/health": {"GET": health},
    "/model": {"GET": describe},
    "/openapi.json": {"GET": openapi},
    "/ping": {"GET": health},
    "/invocations": {"POST": invocations},
}


def route_of(request: Request) -> Route:
    """Find what answers a request; Problem where nothing does."""
    methods = ROUTES.get(request.path)
    if methods is None:
        is_kserve = request.path.startswith(KSERVE)
        more = KSERVE_REFUSED if is_kserve else f"The paths are {', '.join(ROUTES)}."
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no {shortened(request.path)}. {more}")
    route = methods.get(request.method)
    if route is None:
        raise not_allowed(request.method, request.path, list(methods))
    return route


def name_of(request: Request) -> str:
    """What the log calls a request's route: an unknown path or method may be anything."""
    methods = ROUTES.get(request.path, {})
    return f"{request.method} {request.path}" if request.method in methods else "other"


def not_allowed(method: str, path: str, allowed: list[str], reason: str = "") -> Problem:
    """The refusal of a method that a path, or this model, does not have."""
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"{shortened(method)} {path} is not possible{reason}: use {' or '.join(allowed)}.",
        headers={"Allow": ", ".join(allowed)},
    )


def checked(read: Callable[[], Any]) -> Any:
    """What `read` returns; Problem with every wrong value for its InputError."""
    try:
        return read()
    except InputError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The request does not fit the model's signature.", error.problems
        ) from error


def single_place(_: int, name: str | None) -> str:
    """The place of a value in a body that is one instance."""
    return "#" if name is None else f"#/{escaped(name)}"


def batch_place(model: ServedModel, parse: Callable[[], Any]) -> Place:
    """The place of a value in a batch, which `parse` returns parsed: it is looked at only where something is wrong."""

    def place(index: int, name: str | None) -> str:
        document = parse()
        start, instances = ("#", document) if isinstance(document, list) else ("#/instances", document["instances"])
        at = f"{start}/{index}"
        if name is None:
            return at
        names = [feature.name for feature in model.manifest.signature.features]
        return f"{at}/{names.index(name)}" if isinstance(instances[index], list) else f"{at}/{escaped(name)}"

    return place


def one(model: ServedModel, prediction: Prediction) -> dict[str, Any]:
    """The answer to one instance; what the model answers is there even where it is null."""
    members = prediction_members(prediction)
    output = model.manifest.signature.output
    if output is not None:
        members.setdefault(output, None)
    return {**members, **origin(model)}


def prediction_members(prediction: Prediction) -> dict[str, Any]:
    """What a prediction has."""
    return {name: value for name in prediction.__struct_fields__ if (value := getattr(prediction, name)) is not None}


def several(model: ServedModel, predictions: list[Prediction]) -> dict[str, Any]:
    """The answer to a batch."""
    return {"predictions": predictions, **origin(model)}


def origin(model: ServedModel) -> dict[str, Any]:
    """Which model and version answered."""
    return {"model": model.manifest.name, "version": model.manifest.version}
