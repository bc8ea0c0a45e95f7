"""Direct invocations: the guide's event, a batch, a self-check, a warm-up."""

import json
from http import HTTPStatus
from typing import Any

from handler.prediction import Answering
from handler.requests import is_warm_up
from handler.responses import Problem, Response, fitting, outcome, problem_json, to_json
from handler.routes import FEWER, batch_place, checked, origin, several, single_place
from model_runtime import formats
from model_runtime.download import LoadError
from model_runtime.errors import OutputError, RegistryError
from model_runtime.schema import UNKNOWN_FIELD
from model_runtime.start import ServedModel, phase_of

SELF_CHECK, RAISE = "selfCheck", "raise"


class InvocationError(Exception):
    """A direct invocation failed, and its caller asked for an error that Lambda counts; the text is the problem."""


def answer_direct(model: ServedModel, answering: Answering, event: Any) -> tuple[Response, int]:
    """Answer a direct invocation; also how many rows it had.

    The guide's form: the bare label as body, without headers. A batch gives what the API gives.
    """
    if is_warm_up(event):
        return _ok({"status": "ok", **origin(model)}), 0
    if isinstance(event, dict):
        features = _features(model)
        if is_self_check(event, model):
            return _ok({"status": "ok", **origin(model), "examples": self_check(model, answering)}), 0
        if RAISE in event and RAISE not in features:
            event = {name: value for name, value in event.items() if name != RAISE}
    rows, is_batch = checked(lambda: model.inputs.read_document(event))
    predictions = answering(rows, batch_place(model, lambda: event) if is_batch else single_place)
    if is_batch:
        return fitting(_ok(several(model, predictions)), FEWER), len(rows)
    return fitting(_ok(outcome(predictions[0]))), 1


def is_self_check(event: Any, model: ServedModel | None) -> bool:
    """Whether every golden example is to be asked again."""
    return isinstance(event, dict) and event.get(SELF_CHECK) is True and SELF_CHECK not in _features(model)


def wants_raise(event: Any, model: ServedModel | None) -> bool:
    """Whether the caller asked for an error in the place of a status."""
    return isinstance(event, dict) and event.get(RAISE) is True and RAISE not in _features(model)


def _features(model: ServedModel | None) -> set[str]:
    return set() if model is None else {feature.name for feature in model.manifest.signature.features}


def refusal_direct(problem: Problem) -> Response:
    """A problem in the guide's form."""
    return {"statusCode": problem.status.value, "body": problem_json(problem)}


def failed(problem: Problem) -> InvocationError:
    """A problem for who asked for an error: Lambda logs its text, so it has no name of a field that is the caller's."""
    errors = [
        {**error, "pointer": error["pointer"].rpartition("/")[0]} if error["detail"] == UNKNOWN_FIELD else error
        for error in problem.errors or ()
    ]
    return InvocationError(problem_json(Problem(problem.status, problem.detail, errors)))


def failed_self_check(problem: Problem, error: BaseException) -> InvocationError:
    """Why a self-check failed, for `pulumi up` to say: nothing of it is a caller's. A failed start names its phase."""
    known = isinstance(error, LoadError | RegistryError)
    reason = str(error) if known else f"{type(error).__qualname__}: {error}"
    phase = {"phase": phase_of(error)} if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return InvocationError(json.dumps({"status": problem.status.value, "detail": reason, **phase}))


def self_check(model: ServedModel, answering: Answering) -> int:
    """Ask every golden example again, and the recorded rows; how many there are.

    OutputError where one has another answer than recorded.
    """
    manifest = model.manifest
    asked = (*manifest.examples, *model.golden())
    for number, example in enumerate(asked, 1):
        rows, _ = model.inputs.read_document(example.input)
        try:
            (answer,) = answering.predict(rows)
        except Exception as error:
            if number <= len(manifest.examples):
                raise
            # Its message may have values of the row, and goes to the log and to whoever deploys.
            raised = f"raises {type(error).__qualname__} for its golden example {number}, a recorded row"
            raise OutputError(f"{manifest.reference} {raised}") from None
        if not formats.same_answer(manifest.model_format(model.model_format), answer, example.output):
            raise OutputError(f"{manifest.reference} answers its golden example {number} differently than recorded")
    return len(asked)


def _ok(content: Any) -> Response:
    body = content if isinstance(content, str) else to_json(content).decode()
    return {"statusCode": HTTPStatus.OK.value, "body": body}
