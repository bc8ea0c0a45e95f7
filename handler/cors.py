"""Which web pages may call the API and read its answers (CORS), where the stack names their origins.

Every preflight comes here, whatever the origins are. What the gateway answers itself, its errors, has its headers from
there.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from handler.responses import Response

Handler = Callable[[Mapping[str, Any], object], Response]

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": "Authorization,Content-Type,X-Amz-Date,X-Amz-Security-Token,X-Api-Key",
    "Access-Control-Max-Age": "7200",  # the longest that Chromium keeps one
}


def allow(handler: Handler, allowed: str) -> Handler:
    """Return the handler with CORS headers on its answers to the gateway; `allowed` has origins between commas.

    A preflight is answered here, whether or not the model is there. An empty `allowed` returns the handler itself.
    """
    origins = tuple(allowed.split(",")) if allowed else ()
    if not origins:
        return handler

    def with_cors(event: Mapping[str, Any], context: object) -> Response:
        if not isinstance(event, Mapping) or "httpMethod" not in event:
            return handler(event, context)
        headers = _headers(origins, _origin(event))
        if event["httpMethod"] == "OPTIONS":
            return {"statusCode": HTTPStatus.OK.value, "headers": {**PREFLIGHT, **headers}, "body": ""}
        response = handler(event, context)
        exposed = {"Access-Control-Expose-Headers": "X-Model-Version"}
        return {**response, "headers": {**response.get("headers", {}), **headers, **exposed}}

    return with_cors


def _headers(origins: tuple[str, ...], origin: str) -> dict[str, str]:
    """Return the headers for a request from this origin.

    Source: the Fetch standard, "CORS protocol and HTTP caches": an answer that depends on the origin says so by `Vary`.
    """
    if len(origins) == 1:
        return {"Access-Control-Allow-Origin": origins[0]}
    allowed = {"Access-Control-Allow-Origin": origin} if origin in origins else {}
    return {**allowed, "Vary": "Origin"}


def _origin(event: Mapping[str, Any]) -> str:
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == "origin"), "")
