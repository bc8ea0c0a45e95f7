"""What the API's access log says of a request. Pure: no Pulumi."""

import json

OFF = "off"

# No query strings, bodies, addresses or user agents: they can be personal data.
_STANDARD = {
    "requestId": "requestId",
    "time": "requestTime",
    "method": "httpMethod",
    "resource": "resourcePath",
    "status": "status",
    "error": "error.responseType",
    "latency": "responseLatency",
    "integrationLatency": "integrationLatency",
    "responseLength": "responseLength",
    "trace": "xrayTraceId",
}
# API Gateway has no variable for a REST API's query string or body, so no format can log the features.
_DETAILED = {
    **_STANDARD,
    "extendedRequestId": "extendedRequestId",
    "protocol": "protocol",
    "path": "path",
    "domain": "domainName",
    "sourceIp": "identity.sourceIp",
    "userAgent": "identity.userAgent",
    "caller": "identity.userArn",
    "apiKeyId": "identity.apiKeyId",
    "errorMessage": "error.message",
    "integrationError": "integrationErrorMessage",
}


def _format(variables: dict[str, str]) -> str:
    return json.dumps({name: f"$context.{variable}" for name, variable in variables.items()})


_FORMATS = {"standard": _format(_STANDARD), "detailed": _format(_DETAILED)}


def log_format(setting: str) -> str | None:
    """The format of a log line: that of a name, or the setting itself; None where the log is off.

    Source of the variables: API Gateway Developer Guide, "Variables for access logging for API Gateway".
    """
    return None if setting == OFF else _FORMATS.get(setting, setting)
