"""What this project assumes of API Gateway and Lambda, request by request: the check's table is made from these.

Each list is for one state of the stack: open, then closed to all but signed requests with a key. What is expected is
AWS's documented behaviour or what `infra/api_routes.py` sends, and not what the local AWS does.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from aws_check.exchanges import JSON, PROBLEM, Answer, Exchange, Request
from handler.cors import PREFLIGHT
from handler.responses import MAX_RESPONSE_BYTES
from training.train_iris import GUIDE_EVENT

PAGE = "https://app.example.com"
"""The origin whose pages the stack lets call."""
SETTINGS: Mapping[str, Any] = {"corsOrigins": [PAGE], "logRetentionDays": 1}
"""The stack's, in every phase."""
CLOSED: Mapping[str, Any] = {"apiKey": True, "authorization": "iam"}
"""Settings of the last phase."""
ROW = list(GUIDE_EVENT.values())
MEGABYTE = 1_000_000

_OTHER_ROW = [5.1, 3.5, 1.4, 0.2]
_CORS = {"access-control-allow-origin": PAGE}
_NO_SCHEMA = {"errors": [{"pointer": "#"}]}


def served(version: int) -> Answer:
    """The guide's flower, answered by this version."""
    body = {"label": "virginica", "model": "iris", "version": version}
    return Answer(200, JSON, body, {"x-model-version": str(version), **_CORS})


def asked(assumption: str, version: int) -> Exchange:
    """A plain request, to see who answers."""
    return Exchange(assumption, _post(GUIDE_EVENT), served(version))


def _post(body: Any, path: str = "predict", content_type: str = JSON, **headers: str) -> Request:
    data = body if callable(body) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Request("POST", path, data, {"Content-Type": content_type, **headers})


def _get(path: str, **headers: str) -> Request:
    return Request("GET", path, headers=headers)


def _query(**values: object) -> str:
    return f"predict?{urlencode({**GUIDE_EVENT, **values})}"


def problem(status: int, title: str, detail: str | None = None, **members: Any) -> Answer:
    """A problem document, which pages of the stack's origin may read."""
    body = {"type": "about:blank", "title": title, "status": status, **members}
    return Answer(status, PROBLEM, body if detail is None else {**body, "detail": detail}, _CORS)


def _refused_body(assumption: str, body: Any, content_type: str = JSON) -> Exchange:
    expected = problem(400, "Bad Request", "Invalid request body", **_NO_SCHEMA)
    return Exchange(assumption, _post(body, content_type=content_type), expected)


def answers(version: int) -> list[Exchange]:
    """What the function answers through the gateway."""
    both = {"predictions": [{"label": "virginica"}, {"label": "setosa"}], "version": version}
    scored = Answer(200, JSON, {"predictions": ["virginica", "setosa"]})
    split = {"dataframe_split": {"columns": list(GUIDE_EVENT), "data": [ROW, _OTHER_ROW]}}
    lines = "\n".join(",".join(map(str, row)) for row in (ROW, _OTHER_ROW))
    alive = Answer(200, JSON, {"status": "ok", "model": "iris", "version": version})
    return [
        Exchange("GET with the features as query string is answered", _get(_query()), served(version)),
        asked("POST of one instance is answered", version),
        Exchange("a batch is answered", _post({"instances": [ROW, _OTHER_ROW]}), Answer(200, JSON, both)),
        Exchange(
            "a content type with a character set is JSON to the gateway too",
            _post(GUIDE_EVENT, content_type="application/json; charset=utf-8"),
            served(version),
        ),
        Exchange("MLflow's and SageMaker's JSON is answered", _post(split, "invocations"), scored),
        Exchange(
            "CSV in and out passes the gateway as text",
            _post(lines, "invocations", "text/csv", Accept="text/csv"),
            Answer(200, "text/csv; charset=utf-8", "virginica\nsetosa\n"),
        ),
        Exchange("GET /ping is answered", _get("ping"), alive),
        Exchange("GET /health is answered", _get("health"), alive),
        Exchange("GET /model is answered", _get("model"), Answer(200, JSON, {"model": "iris", "version": version})),
        Exchange(
            "GET /openapi.json is answered, with the paths of the API",
            _get("openapi.json"),
            Answer(200, JSON, {"info": {"title": "iris"}}),
        ),
    ]


def refusals() -> list[Exchange]:
    """What the gateway and the function refuse."""
    partial = urlencode({name: value for name, value in GUIDE_EVENT.items() if name != "pw"})
    wrong_type = "Unsupported Media Type"
    return [
        Exchange(
            "the gateway refuses GET without a required parameter, and names it",
            _get(f"predict?{partial}"),
            problem(400, "Bad Request", "Missing required request parameters: [pw]"),
        ),
        Exchange(
            "a value in the query string that is no number reaches the function, which names it",
            _get(_query(pw="wide")),
            problem(400, "Bad Request", errors=[{"parameter": "pw"}]),
        ),
        Exchange(
            "a parameter that the model does not have, with a quote in its name, reaches the function",
            _get(_query(**{'x"y': 1})),
            problem(400, "Bad Request", errors=[{"parameter": 'x"y'}]),
        ),
        _refused_body("the gateway refuses a body that is not JSON", '{"sl": '),
        _refused_body("the gateway refuses an empty body", ""),
        _refused_body("the gateway refuses a text for a number", {**GUIDE_EVENT, "sl": "long"}),
        _refused_body("the gateway refuses a feature that is missing", {"sl": 6.9}),
        _refused_body("the gateway refuses a feature that there is not", {**GUIDE_EVENT, 'x"y': 1}),
        _refused_body("the gateway refuses an empty batch", {"instances": []}),
        _refused_body("a body of another content type is checked, too (model of $default)", "sl=6.9", "text/plain"),
        Exchange(
            "a right body of another content type reaches the function, which refuses the type",
            _post(GUIDE_EVENT, content_type="text/plain"),
            problem(415, wrong_type),
        ),
        Exchange(
            "a body of /invocations is not checked by the gateway, and the function refuses the type",
            _post("<row/>", "invocations", "application/xml"),
            problem(415, wrong_type),
        ),
        Exchange("an unknown path reaches the function", _get("nothing/here"), problem(404, "Not Found")),
        Exchange(
            "a method that a path does not have reaches the function, and its header Allow the caller",
            Request("DELETE", "predict"),
            Answer(405, PROBLEM, {"status": 405}, {"allow": "GET, POST", **_CORS}),
        ),
    ]


def preflight(assumption: str) -> Exchange:
    """A browser's question whether a page may POST."""
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    granted = {name.lower(): value for name, value in PREFLIGHT.items()}
    return Exchange(
        assumption, Request("OPTIONS", "predict", headers=asks), Answer(200, None, "", {**granted, **_CORS})
    )


def limits(rows: int) -> list[Exchange]:
    """Sizes; `rows` is how many answers fit into a response."""
    too_many = Answer(413, PROBLEM, {"status": 413})
    return [
        Exchange(
            f"an answer just within {MAX_RESPONSE_BYTES:,} bytes, as Lambda encodes it, is delivered",
            _post(lambda: _batch(rows)),
            Answer(200, JSON, {"model": "iris"}),
        ),
        Exchange("the function refuses what would be answered with more", _post(lambda: _batch(rows + 200)), too_many),
        Exchange(
            "a request of 8 MB, more than Lambda takes, is answered with 413",
            _post(lambda: _padded(8 * MEGABYTE)),
            too_many,
        ),
        Exchange("the gateway refuses a request over 10 MB with 413", _post(lambda: _padded(11 * MEGABYTE)), too_many),
    ]


def rows_that_fit(one: Mapping[str, Any], two: Mapping[str, Any]) -> int:
    """How many rows a response holds, from the answers to a batch of one and of two of the guide's flower."""

    def size(body: Mapping[str, Any]) -> int:
        return len(json.dumps(json.dumps(body, separators=(",", ":"))))

    per_row = size(two) - size(one)
    headers = 300  # bytes, of status and headers, at most
    return (MAX_RESPONSE_BYTES - headers - size(one)) // per_row


def batch_of(number: int) -> Request:
    """A batch of the guide's flower."""
    return _post(_batch(number).decode())


def _batch(number: int) -> bytes:
    return json.dumps({"instances": [ROW] * number}, separators=(",", ":")).encode()


def _padded(size: int) -> bytes:
    return json.dumps(GUIDE_EVENT).encode().ljust(size)


def closed(key: str, version: int) -> list[Exchange]:
    """What is answered where a request needs both, an API key and a signature."""
    hostile = 'AWS4-HMAC-SHA256 Credential="a\\b", SignedHeaders=<host>, Signature=\'"}\''
    with_key = _post(GUIDE_EVENT, **{"x-api-key": key})
    forbidden = problem(403, "Forbidden", "Forbidden")
    return [
        Exchange(
            "with its key and the caller's signature a request is answered, by the version rolled back to",
            _signed(with_key),
            served(version),
        ),
        Exchange("the gateway answers 403 without a key", _signed(_post(GUIDE_EVENT)), forbidden),
        Exchange(
            "the gateway answers 403 to a wrong key",
            _signed(_post(GUIDE_EVENT, **{"x-api-key": "x" * 40})),
            forbidden,
        ),
        Exchange("a health check needs the key, too", _signed(_get("ping")), forbidden),
        Exchange("the gateway answers 403 without a signature", with_key, problem(403, "Forbidden")),
        Exchange(
            "a refused signature with quotes in it leaves the problem document whole",
            _post(GUIDE_EVENT, Authorization=hostile),
            Answer(403, PROBLEM, {"type": "about:blank"}, _CORS),
        ),
        preflight("a preflight needs neither"),
    ]


def _signed(request: Request) -> Request:
    return replace(request, signed=True)
