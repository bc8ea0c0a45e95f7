"""Rules of AWS that no API model states, by service and operation. Pure.

The model of API Gateway says next to nothing, and Lambda's counts no totals. Each rule takes a request's parameters and
gives what breaks it as (member, value as it may be shown, rule); its docstring names the source.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Broken = tuple[str, str, str]
Rule = Callable[[dict[str, Any]], Iterator[Broken]]

_PARAMETER = re.compile(r"method\.request\.(querystring|path|header)\.[a-zA-Z0-9._$-]+|method\.request\.body")
_HEADER = re.compile(r"gatewayresponse\.(header|querystring|path)\.[a-zA-Z0-9._$-]+")
_REST_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")


def _matches(member: str, pattern: str, rule: str) -> Rule:
    expression = re.compile(pattern)

    def check(parameters: dict[str, Any]) -> Iterator[Broken]:
        value = parameters.get(member)
        if isinstance(value, str) and not expression.fullmatch(value):
            yield member, repr(value), rule

    return check


def _size(member: str, limit: int) -> Rule:
    """Check that a document has at most `limit` bytes."""

    def check(parameters: dict[str, Any]) -> Iterator[Broken]:
        size = len(str(parameters.get(member, "")).encode())
        if size > limit:
            yield member, f"{size:,} bytes long", f"have {limit:,} bytes at most"

    return check


def _environment(parameters: dict[str, Any]) -> Iterator[Broken]:
    """Environment variables: 4 KB for all together ("Lambda quotas"), no reserved name ("Defined runtime ...").

    The documentation pages are of the AWS Lambda developer guide.
    """
    variables = parameters.get("Environment", {}).get("Variables", {})
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > _ENVIRONMENT_BYTES:
        yield "Environment.Variables", f"{size:,} bytes long", f"have {_ENVIRONMENT_BYTES:,} bytes at most"
    for name in sorted(_RESERVED & variables.keys()):
        yield "Environment.Variables", f"{name}=...", "not set a name that Lambda reserves"


_ENVIRONMENT_BYTES = 4096
_RESERVED = frozenset(
    {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    }
)


def _layers(parameters: dict[str, Any]) -> Iterator[Broken]:
    """Five layers at most. Source: "Lambda quotas" in the AWS Lambda developer guide."""
    count = len(parameters.get("Layers", ()))
    if count > _LAYERS:
        yield "Layers", f"{count} layers", f"have {_LAYERS} items at most"


_LAYERS = 5


def _schema(parameters: dict[str, Any]) -> Iterator[Broken]:
    """A model's schema is JSON. Source: "Data models for REST APIs" in the API Gateway developer guide."""
    text = parameters.get("schema")
    if text is None:
        return
    try:
        schema = json.loads(text)
    except ValueError as error:
        yield "schema", repr(text[:80]), f"be JSON ({error})"
        return
    draft = schema.get("$schema", _DRAFT_4) if isinstance(schema, dict) else None
    if draft != _DRAFT_4:
        yield "schema", f"of {draft!r}", f"be an object of JSON schema draft 4 ({_DRAFT_4})"


_DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def _request_parameters(parameters: dict[str, Any]) -> Iterator[Broken]:
    """Parameters are method.request.{querystring,path,header}.NAME. Source: PutMethod in the API reference."""
    for name in parameters.get("requestParameters", {}):
        if not _PARAMETER.fullmatch(name):
            yield "requestParameters", repr(name), "be method.request.querystring.NAME, of letters, digits and ._$-"


def _response_parameters(parameters: dict[str, Any]) -> Iterator[Broken]:
    """Headers get a text in single quotes, or a variable. Source: "Gateway responses" in the developer guide."""
    for name, value in parameters.get("responseParameters", {}).items():
        if not _HEADER.fullmatch(name):
            yield "responseParameters", repr(name), "be gatewayresponse.header.NAME, of letters, digits and ._$-"
        if not re.fullmatch(r"'[^']*'|(context|method\.request|stageVariables)\..+", value):
            yield f"responseParameters.{name}", repr(value), "be a text in single quotes or a variable"


def _timeout(parameters: dict[str, Any]) -> Iterator[Broken]:
    """Of an integration: 50 ms to 29 s, 300 s by a raised quota. Source: "Quotas for configuring a REST API"."""
    value = parameters.get("timeoutInMillis", 29_000)
    if not 50 <= value <= 300_000:  # noqa: PLR2004  # the documented range
        yield "timeoutInMillis", str(value), "be from 50 to 300000"


def _method(parameters: dict[str, Any]) -> Iterator[Broken]:
    """One of HTTP's methods, or ANY. Source: "Set up an HTTP method" in the API Gateway developer guide."""
    value = parameters.get("httpMethod")
    if value is not None and value not in _REST_METHODS:
        yield "httpMethod", repr(value), f"be one of {', '.join(_REST_METHODS)}"


def _access_log(parameters: dict[str, Any]) -> Iterator[Broken]:
    """A log format holds a request id and has 3 KB at most.

    Sources in the API Gateway developer guide: "Set up CloudWatch logging for REST APIs", "Quotas for configuring
    and running a REST API".
    """
    for patch in parameters.get("patchOperations", ()):
        if patch.get("path") != "/accessLogSettings/format" or patch.get("op") == "remove":
            continue
        text = patch["value"]
        if not re.search(r"\$context\.(requestId|extendedRequestId)\b", text):
            yield "accessLogSettings/format", repr(text[:80]), "hold $context.requestId or $context.extendedRequestId"
        if len(text.encode()) > _LOG_FORMAT_BYTES:
            yield "accessLogSettings/format", f"{len(text):,} long", f"have {_LOG_FORMAT_BYTES:,} bytes at most"


_LOG_FORMAT_BYTES = 3072

# "Amazon API Gateway important notes": alphanumeric characters, hyphens, underscores, 128 characters at most.
_stage_name = _matches("stageName", r"[a-zA-Z0-9_-]{1,128}", "have 1 to 128 letters, digits, - and _")
# The service's own words in its refusal.
_path_part = _matches(
    "pathPart", r"[a-zA-Z0-9._:-]+|\{[a-zA-Z0-9._:-]+\+?\}", "have letters, digits and ._-: only, or be {such a name}"
)
# CreateModel in the API reference: the name must be alphanumeric.
_model_name = _matches("name", r"[a-zA-Z0-9]+", "have letters and digits only")

RULES: Mapping[tuple[str, str], tuple[Rule, ...]] = {
    ("apigateway", "CreateModel"): (_model_name, _schema, _size("schema", 400 * 1024)),
    ("apigateway", "CreateResource"): (_path_part,),
    ("apigateway", "CreateDeployment"): (_stage_name,),
    ("apigateway", "CreateStage"): (_stage_name,),
    ("apigateway", "UpdateStage"): (_stage_name, _access_log),
    ("apigateway", "PutMethod"): (_method, _request_parameters),
    ("apigateway", "PutIntegration"): (_method, _timeout),
    ("apigateway", "PutGatewayResponse"): (_response_parameters,),
    ("lambda", "CreateFunction"): (_environment, _layers),
    ("lambda", "UpdateFunctionConfiguration"): (_environment, _layers),
    # "IAM and AWS STS quotas": 10,240 characters for a role's inline policies, 2,048 for its trust policy.
    ("iam", "PutRolePolicy"): (_size("PolicyDocument", 10_240),),
    ("iam", "CreateRole"): (_size("AssumeRolePolicyDocument", 2_048),),
    ("iam", "UpdateAssumeRolePolicy"): (_size("PolicyDocument", 2_048),),
    # "Amazon S3 bucket policies": 20 KB.
    ("s3", "PutBucketPolicy"): (_size("Policy", 20 * 1024),),
}
"""What is checked beyond the model of an operation."""
