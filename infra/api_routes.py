"""What the API looks like, derived from the model's signature. Pure: no Pulumi."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from infra.cors import error_headers, preflight_headers
from model_runtime.manifest import Signature
from model_runtime.schema import has_query_form, request_schema

PROBLEM_JSON = "application/problem+json"
_REQUIRED, _OPTIONAL = True, False


@dataclass(frozen=True)
class Route:
    """A method of a resource. `query` maps query string parameters to whether they are required."""

    method: str
    path: str
    query: dict[str, bool] = field(default_factory=dict)
    has_body: bool = False

    @property
    def name(self) -> str:
        """A name for resources in the stack, `get-predict`."""
        return f"{self.method.lower()}-{self.path.replace('.', '-')}"


@dataclass(frozen=True)
class ErrorResponse:
    """What the gateway answers itself, as a problem document (RFC 9457).

    `status` is None where the gateway chooses it (403, 404, 413, 429, ...).
    """

    response_type: str
    status: int | None
    template: str


# The gateway substitutes $context variables; error.messageString is a quoted JSON string.
_TEMPLATE = '{"type":"about:blank",%s"detail":$context.error.messageString%s}'
_BAD_REQUEST = '"title":"Bad Request","status":400,'
# The validator's own words name the fields. API Gateway escapes the quotes in them.
_VALIDATION = ',"errors":[{"pointer":"#","detail":"$context.error.validationErrorString"}]'

ERROR_RESPONSES = (
    ErrorResponse("BAD_REQUEST_PARAMETERS", 400, _TEMPLATE % (_BAD_REQUEST, "")),
    ErrorResponse("BAD_REQUEST_BODY", 400, _TEMPLATE % (_BAD_REQUEST, _VALIDATION)),
    ErrorResponse("DEFAULT_4XX", None, _TEMPLATE % ("", "")),
    ErrorResponse("DEFAULT_5XX", None, _TEMPLATE % ("", "")),
)


def routes(signature: Signature) -> tuple[Route, ...]:
    """The routes of a model's API. GET is left out where the features have no sensible query string."""
    query = {feature.name: _OPTIONAL if feature.nullable else _REQUIRED for feature in signature.features}
    predict_one = (Route("GET", "predict", query=query),) if has_query_form(signature) else ()
    return (
        *predict_one,
        Route("POST", "predict", has_body=True),
        Route("GET", "health"),
        Route("GET", "model"),
        Route("GET", "openapi.json"),
    )


def body_schema(signature: Signature) -> str:
    """The JSON schema that the gateway checks POST bodies against."""
    return _canonical(request_schema(signature))


def deployment_digest(
    *,
    signature: Signature,
    integration: str,
    api_key: bool,
    authorization: str = "none",
    cors_origins: Sequence[str] = (),
) -> str:
    """Changes when, and only when, something that a deployment publishes changes.

    `integration` is the ARN that the methods call; the rest are the settings of their names. A deployment of a REST API
    is a snapshot: without this trigger changed methods would never reach the stage.
    """
    content = {
        "routes": [asdict(route) for route in routes(signature)],
        "schema": body_schema(signature),
        "errors": [asdict(response) for response in ERROR_RESPONSES],
        "integration": integration,
        "api_key": api_key,
        "authorization": authorization,
        "cors": {"preflight": preflight_headers(cors_origins), "errors": error_headers(cors_origins)},
        # Several origins are in the function's environment, not here: only that there are some is.
        "has_preflight": bool(cors_origins),
    }
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
