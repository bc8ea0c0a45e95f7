"""The program of a proof: start the function on versions in folders, and send it the owner's rows as the gateway would.

`model_registry.publish.proof` runs it in an environment of a version's packages, with no code of ours but that of the
function. A version's folder has `bucket/` with the version's objects, `variables.json` with the function's environment
and `rows.json` with groups of rows as objects, which are no batch together; the program adds `answers.json`, and while
it works `asked`.
"""

import json
import os
import statistics
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from obstore.store import LocalStore

from handler.app import App
from model_runtime.schema import Row, has_query_form
from model_runtime.start import Deployment, ServedModel, load
from model_runtime.storage import Storage

BATCH = 200
"""Rows of one batch: its answer must fit into Lambda's response."""

_ASKED_FILE = "asked"
"""Of a version's folder: how many rows were sent by themselves so far."""
_WRITTEN_EVERY = 0.2


def main(folders: Sequence[str]) -> None:
    """Answer the rows of each version."""
    for folder in map(Path, folders):
        (folder / "answers.json").write_text(json.dumps(_answered(folder)), encoding="utf-8")


def _answered(folder: Path) -> dict[str, Any]:
    """`{"answers": {"POST": [...], "batch": [...]}, "seconds": {...}}`, or `{"error": ..., "modules": [...]}`."""
    os.environ.update(json.loads((folder / "variables.json").read_text(encoding="utf-8")))
    groups = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    rows = [row for group in groups for row in group]
    began = time.perf_counter()
    try:
        served = load(Deployment.from_environment(os.environ), Storage(LocalStore(folder / "bucket"), "the version"))
    except Exception as error:  # noqa: BLE001  # unpickling can raise anything
        return _failure(error)
    started = time.perf_counter()
    app = App(lambda: served)
    answers: dict[str, list[Any]] = {"POST": [], "batch": []}
    asked = _Asked(folder / _ASKED_FILE)
    batches = [group[start : start + BATCH] for group in groups for start in range(0, len(group), BATCH)]
    try:
        for batch in batches:
            body = _sent(app, _event("POST", {"instances": batch}))
            answers["batch"] += body["predictions"]
        answers["POST"], answering = _timed(app, rows, asked)
        if has_query_form(served.manifest.signature):
            answers["GET"] = [_sent(app, _event("GET", query=_query(row))) for row in asked.each(rows)]
    except _RefusedError as refused:
        return _explained(served, refused)
    requests = sum(len(given) for way, given in answers.items() if way != "batch") + len(batches)
    seconds = {"start": started - began, "answer": answering}
    return {"answers": answers, "requests": requests, "seconds": seconds}


class _Asked:
    """Keeps in a file how many rows were sent by themselves, for whoever waits for the answers."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._count = 0
        self._written = time.monotonic()

    def each(self, rows: Sequence[Any]) -> Iterator[Any]:
        """Every row, once it is its turn."""
        for row in rows:
            yield row
            self._count += 1
            if time.monotonic() - self._written > _WRITTEN_EVERY:
                self._written = time.monotonic()
                self._file.write_text(str(self._count), encoding="utf-8")


def _timed(app: App, rows: Sequence[Any], asked: _Asked) -> tuple[list[Any], float]:
    """The answers to requests of a row each, and the median of what they took, in seconds."""
    found, took = [], [0.0] * len(rows)
    for number, row in enumerate(asked.each(rows)):
        event = _event("POST", row)
        began = time.perf_counter()
        found.append(_sent(app, event))
        took[number] = time.perf_counter() - began
    return found, statistics.median(took) if took else 0.0


class _RefusedError(Exception):
    """The function did not answer a request with 200."""

    def __init__(self, event: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        self.event = event
        self.response = response
        super().__init__(f"{event['httpMethod']} was answered with {response['statusCode']}: {response['body']}")


def _sent(app: App, event: dict[str, Any]) -> Any:
    response = app(event, None)
    if response["statusCode"] != 200:  # noqa: PLR2004  # OK
        raise _RefusedError(event, response)
    return json.loads(response["body"])


def _explained(served: ServedModel, refused: _RefusedError) -> dict[str, Any]:
    """What the model itself raised for a request that the function refused: the function shows nobody that."""
    event = refused.event
    try:
        if event["httpMethod"] == "GET":
            rows: Sequence[Row] = served.inputs.read_query(event["multiValueQueryStringParameters"])
        else:
            rows, _ = served.inputs.read_body(event["body"])
        for row in rows:
            served.predictor.predict([row])
    except Exception as error:  # noqa: BLE001  # a model's own code can raise anything
        return {**_failure(error), "event": event}
    return {"error": str(refused), "modules": [], "event": event}


def _failure(error: BaseException) -> dict[str, Any]:
    return {
        "error": f"{type(error).__name__}: {error}",
        "modules": sorted({module for each in _chain(error) if (module := _missing(each))}),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _missing(error: BaseException) -> str | None:
    return error.name if isinstance(error, ImportError) else None


def _event(method: str, body: Any = None, query: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """A proxy event of API Gateway."""
    return {
        "resource": "/predict",
        "path": "/predict",
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Accept": "application/json"},
        "multiValueQueryStringParameters": query,
        "queryStringParameters": None if query is None else {name: values[-1] for name, values in query.items()},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"resourcePath": "/predict", "httpMethod": method, "stage": "proof", "requestId": "proof"},
    }


def _query(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """A row as a query string has it: texts as they are, the rest as JSON writes it, nothing for null."""
    return {
        name: [value if isinstance(value, str) else json.dumps(value)]
        for name, value in row.items()
        if value is not None
    }
