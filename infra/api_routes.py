"""What the API looks like. Pure: no Pulumi.

Which paths and methods there are is the same for every model and every setting. Pulumi deletes last, and a deployment
of a REST API is a snapshot: a method that an update removed would stay in the snapshot and go on answering. So nothing
is ever removed. The function decides what it answers, with 404 and 405 for what it does not have, and preflights.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from infra.cors import error_headers
from model_runtime.manifest import Signature
from model_runtime.schema import has_query_form, request_schema

PROBLEM_JSON = "application/problem+json"
EVERY_PATH = "{proxy+}"
"""What the path of no other resource matches."""
ROOT = ""
PATHS = (ROOT, "predict", "health", "model", "openapi.json", "ping", "invocations", EVERY_PATH)
BODY_TYPES = ("application/json", "$default")
"""Content types whose bodies are checked: API Gateway checks none that has no model, `$default` is any other."""
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
        return f"{self.method.lower()}-{path_name(self.path)}"

    @property
    def is_open(self) -> bool:
        """Whether it asks for neither key nor signature: browsers send none with a preflight."""
        return self.method == "OPTIONS"

    @property
    def is_page(self) -> bool:
        """Whether a browser gets the page to try the model here: it cannot send a key when it opens a page."""
        return (self.method, self.path) == ("GET", ROOT)


@dataclass(frozen=True)
class ErrorResponse:
    """What the gateway answers itself, as a problem document (RFC 9457).

    `status` is None where the gateway chooses it.
    """

    response_type: str
    status: int | None

    @property
    def template(self) -> str:
        """The document, in which the gateway replaces one variable, by a quoted JSON string.

        It has no other one: a template is text to the gateway, which escapes nothing, and what the validator says
        (`$context.error.validationErrorString`) has quotes in it. Source: API Gateway Developer Guide, "Gateway
        responses in API Gateway" and "Variables for data models, authorizers, mapping templates, and CloudWatch access
        logging".
        """
        title = f'"title":"{HTTPStatus(self.status).phrase}","status":{self.status},' if self.status else ""
        errors = _NOT_THE_SCHEMA if self.response_type == "BAD_REQUEST_BODY" else ""
        return f'{{"type":"about:blank",{title}"detail":$context.error.messageString{errors}}}'


_NOT_THE_SCHEMA = ',"errors":[{"pointer":"#","detail":"The body does not fit the schema, which /openapi.json has."}]'
# API Gateway Developer Guide, "Gateway response types for API Gateway". The two defaults are for all others.
_STATUSES = {
    "BAD_REQUEST_PARAMETERS": 400,
    "BAD_REQUEST_BODY": 400,
    "ACCESS_DENIED": 403,
    "EXPIRED_TOKEN": 403,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "REQUEST_TOO_LARGE": 413,
    "QUOTA_EXCEEDED": 429,
    "THROTTLED": 429,
    "INTEGRATION_TIMEOUT": 504,
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
}
ERROR_RESPONSES = tuple(ErrorResponse(response_type, status) for response_type, status in _STATUSES.items())


def routes(signature: Signature) -> tuple[Route, ...]:
    """The routes of a model's API: the same ones for each, of which only the query string of GET differs.

    Where the features have no sensible query string, GET asks for none and the function says so.
    """
    query = {feature.name: _OPTIONAL if feature.nullable else _REQUIRED for feature in signature.features}
    return (
        Route("GET", "predict", query=query if has_query_form(signature) else {}),
        Route("POST", "predict", has_body=True),
        Route("GET", ROOT),
        *(Route(method, path) for path in PATHS for method in ("ANY", "OPTIONS")),
    )


def path_name(path: str) -> str:
    """A path as part of a resource's name in the stack."""
    return {ROOT: "root", EVERY_PATH: "other"}.get(path, path.replace(".", "-"))


def body_schema(signature: Signature) -> str:
    """The JSON schema that the gateway checks POST bodies against."""
    return _canonical(request_schema(signature))


def deployment_digest(
    *,
    signature: Signature,
    integration: str,
    timeout_ms: int,
    api_key: bool,
    authorization: str = "none",
    access: Sequence[object] = (False,),
    default_endpoint: bool = True,
    open_page: bool = True,
    cors_origins: Sequence[str] = (),
) -> str:
    """Changes when, and only when, something that a deployment publishes changes.

    `integration` is the ARN that the methods call, `access` what the API's policy says; the rest are the settings of
    their names. A deployment of a REST API
    is a snapshot: without this trigger changed methods would never reach the stage.
    """
    content = {
        "routes": [asdict(route) for route in routes(signature)],
        "schema": body_schema(signature),
        "body_types": BODY_TYPES,
        "errors": [(response.response_type, response.status, response.template) for response in ERROR_RESPONSES],
        "integration": integration,
        "timeout_ms": timeout_ms,
        "api_key": api_key,
        "authorization": authorization,
        "access": list(access),
        "default_endpoint": default_endpoint,
        "open_page": open_page,
        # Which origins preflights name is in the function's environment, not here.
        "cors": error_headers(cors_origins),
    }
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
