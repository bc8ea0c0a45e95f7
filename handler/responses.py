"""What goes back: JSON answers, and problem documents (RFC 9457) that say what to mend and nothing internal."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

# AWS Lambda quotas: 6 MB for the response of a synchronous invocation; some of it is the envelope.
MAX_BODY_BYTES = 6_000_000

Response = dict[str, Any]


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """A refusal with its status; `errors` names each wrong field."""

    def __init__(self, status: HTTPStatus, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


def answer(content: Any, headers: Mapping[str, str]) -> Response:
    """A 200 with a JSON body. NaN and infinity, which JSON does not have, become null."""
    return {
        "statusCode": HTTPStatus.OK.value,
        "headers": {"Content-Type": "application/json", **headers},
        "body": body_of(content),
    }


def body_of(content: Any) -> str:
    """The content as JSON; Problem where it is more than a function can return."""
    body = to_json(content)
    if len(body) <= MAX_BODY_BYTES:
        return body.decode()
    raise Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The answer has {len(body):,} bytes, {MAX_BODY_BYTES:,} can be returned: send fewer instances.",
    )


def refusal(problem: Problem, headers: Mapping[str, str]) -> Response:
    """A problem document."""
    return {
        "statusCode": problem.status.value,
        "headers": {"Content-Type": "application/problem+json", **headers},
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
        document["errors"] = problem.errors
    return json.dumps(document)


def to_json(content: Any) -> bytes:
    """Encode, numpy's scalars and arrays as the plain values that they hold."""
    return msgspec.json.encode(content, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"a {type(value).__name__} has no JSON form")
