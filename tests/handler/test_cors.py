from collections.abc import Mapping
from typing import Any

import pytest

from handler.cors import PREFLIGHT, Handler, allow
from handler.responses import Response

PAGE, OTHER = "https://app.example.com", "http://localhost:8080"


def handle(event: Mapping[str, Any], context: object) -> Response:  # noqa: ARG001  # Lambda passes both
    if "httpMethod" not in event:
        return {"statusCode": 200, "body": "virginica"}
    return {"statusCode": 503, "headers": {"Content-Type": "application/problem+json"}, "body": "{}"}


def ask(handler: Handler, method: str = "POST", **headers: str) -> dict[str, str]:
    found: dict[str, str] = handler({"httpMethod": method, "requestContext": {}, "headers": headers}, None)["headers"]
    return found


def test_without_origins_the_handler_is_as_it_was() -> None:
    assert allow(handle, "") is handle


@pytest.mark.parametrize("origin", [PAGE, "*"])
def test_one_origin_is_on_every_answer_errors_too_whoever_asks(origin: str) -> None:
    headers = ask(allow(handle, origin), origin=OTHER)
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Expose-Headers"] == "X-Model-Version"
    assert headers["Content-Type"] == "application/problem+json"
    assert "Vary" not in headers


def test_of_several_origins_the_one_that_asks_is_named_and_a_stranger_is_not() -> None:
    """A cache must not give one page the answer for another."""
    handler = allow(handle, f"{PAGE},{OTHER}")
    assert ask(handler, Origin=OTHER)["Access-Control-Allow-Origin"] == OTHER
    assert ask(handler, origin=PAGE)["Access-Control-Allow-Origin"] == PAGE
    for headers in (ask(handler, origin="https://elsewhere.example"), ask(handler), ask(handler, Origin=PAGE + ",")):
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Vary"] == "Origin"


def test_a_preflight_is_answered_without_the_model() -> None:
    def broken(event: Mapping[str, Any], context: object) -> Response:
        raise AssertionError(event, context)

    headers = ask(allow(broken, f"{PAGE},{OTHER}"), "OPTIONS", origin=PAGE)
    assert headers == {**PREFLIGHT, "Access-Control-Allow-Origin": PAGE, "Vary": "Origin"}


def test_a_direct_invocation_has_no_headers() -> None:
    assert allow(handle, PAGE)({"sl": 1}, None) == {"statusCode": 200, "body": "virginica"}


def test_an_event_without_headers_is_no_error() -> None:
    response = allow(handle, f"{PAGE},{OTHER}")({"httpMethod": "GET", "requestContext": {}, "headers": None}, None)
    assert response["headers"]["Vary"] == "Origin"
