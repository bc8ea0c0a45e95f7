"""What goes back: answers, and problem documents (RFC 9457) that say what to mend and nothing internal."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from model_runtime.manifest import Prediction

MAX_RESPONSE_BYTES = 6_291_556 - 4096
"""What an encoded response may have, less what CORS headers may add.

Lambda sends a response as a JSON document of which the body is a string, and its runtime client for Python 3.11 writes
ASCII. Source of the limit: the error "exceeded maximum allowed payload size (6291556 bytes)"; "Lambda quotas" in the
AWS Lambda developer guide says 6 MB.
"""

# A character becomes twelve bytes at worst, two escapes, and six where all are ASCII: bodies below this need not be
# encoded to be counted.
_SURELY_FITS = MAX_RESPONSE_BYTES // 13
_ASCII_SURELY_FITS = MAX_RESPONSE_BYTES // 7
_SHOWN = 200
"""Characters of a name or path of the caller's in a problem document."""

KSERVE_REFUSED = (
    "KServe's protocols are not spoken here: POST /predict takes one instance, or a list of instances with or without "
    "`instances` around it, and POST /invocations what MLflow's and SageMaker's clients send, CSV too."
)

Response = dict[str, Any]
_OK = HTTPStatus.OK.value


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """A refusal with its status; `errors` names each wrong field, `headers` are sent with it.

    `is_logged` says that the log has its line already.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        is_logged: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.is_logged = is_logged


def answer(
    content: Any, headers: Mapping[str, str], *, content_type: str = "application/json", remedy: str = ""
) -> Response:
    """A 200 whose body is `content` as JSON, or itself where it is text; Problem where Lambda could not return it.

    `remedy` says what the caller can do then.
    """
    response = {
        "statusCode": _OK,
        "headers": {"Content-Type": content_type, **headers},
        "body": content if isinstance(content, str) else to_json(content).decode(),
    }
    return fitting(response, remedy)


def fitting(response: Response, remedy: str = "") -> Response:
    """Return the response if Lambda can return it; Problem otherwise."""
    body: str = response["body"]
    if len(body) <= (_ASCII_SURELY_FITS if body.isascii() else _SURELY_FITS):
        return response
    size = len(json.dumps(response))
    if size <= MAX_RESPONSE_BYTES:
        return response
    more = f": {remedy}" if remedy else ""
    raise Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The answer has {size:,} bytes as Lambda encodes it, and {MAX_RESPONSE_BYTES:,} can be returned{more}.",
    )


def refusal(problem: Problem, headers: Mapping[str, str]) -> Response:
    """A problem document."""
    return {
        "statusCode": problem.status.value,
        "headers": {"Content-Type": "application/problem+json", **headers, **problem.headers},
        "body": problem_json(problem),
    }


def problem_json(problem: Problem) -> str:
    """The members of RFC 9457, and `errors` where single fields are wrong.

    As ASCII: a name from the request may hold half of a surrogate pair, which has no UTF-8.
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [{name: shortened(text) for name, text in error.items()} for error in problem.errors]
    return json.dumps(document)


def shortened(text: str) -> str:
    """A text that may be the caller's, cut to what an answer repeats."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def outcome(prediction: Prediction) -> Any:
    """A prediction as the guide, MLflow and SageMaker have it: what `predict` gives, without probabilities."""
    return prediction.label if prediction.value is None else prediction.value


def to_json(content: Any) -> bytes:
    """Encode, numpy's scalars and arrays as the plain values that they hold."""
    return msgspec.json.encode(content, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"a {type(value).__name__} has no JSON form")
