"""What the function is called with: a request of the REST API, a direct invocation, or an event of something else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from handler.responses import Problem

Event = Mapping[str, Any]

Place = Callable[[int, str | None], str]
"""The place of an instance in a request, or of a feature's value in it.

A JSON pointer (RFC 6901) or a fragment of CSV (RFC 7111), each after #, or the name of a parameter.
"""

JSON, CSV, HTML = "application/json", "text/csv", "text/html"

_READS = "This function answers requests of an API Gateway REST API (proxy integration) and direct invocations, not "

# The member `eventSource` of a record, as the "Using AWS Lambda with other services" pages of its developer guide show.
_SOURCES = {
    "aws:dynamodb": "Amazon DynamoDB",
    "aws:kinesis": "Amazon Kinesis",
    "aws:s3": "Amazon S3",
    "aws:ses": "Amazon SES",
    "aws:sns": "Amazon SNS",
    "aws:sqs": "Amazon SQS",
}


class Request:
    """A request as API Gateway hands it on (payload format 1.0)."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._context: Mapping[str, Any] = event["requestContext"]
        self.method: str = event["httpMethod"]
        # `resource` is the path as the API declares it: without a custom domain's base path.
        self.path: str = event["resource"]
        if "{" in self.path:
            self.path = f"/{_mapping(event.get('pathParameters')).get('proxy', '')}"

    @property
    def id(self) -> str | None:
        """The request's ID as the access log has it."""
        return self._context.get("requestId")

    @property
    def query(self) -> Mapping[str, list[str]]:
        """Every parameter of the query string with its values; Problem where an event has something else there."""
        found = _mapping(self._event.get("multiValueQueryStringParameters"))
        for values in found.values():
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise Problem(HTTPStatus.BAD_REQUEST, "The event's query string parameters are not lists of strings.")
        return found

    def header(self, name: str) -> str:
        """A header's value whatever the case of its name; "" where it is not there."""
        headers = _mapping(self._event.get("headers"))
        if name in headers:
            return str(headers[name])
        lower = name.lower()
        return next((str(value) for key, value in headers.items() if key.lower() == lower), "")

    def media_type(self, known: Sequence[str]) -> str:
        """The body's type, JSON where it is not named; Problem for one that is not read here."""
        given = self.header("Content-Type")
        if given in known:
            return given
        media, _, parameters = given.partition(";")
        media = media.strip().lower() or JSON
        charsets = (each.partition("=")[2] for each in parameters.split(";") if "charset=" in each.lower())
        if media not in known or next(charsets, "utf-8").strip(' "').lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body as {' or '.join(known)}, in UTF-8, and name it so."
            )
        return media

    def body(self) -> bytes | str:
        """The body as it was sent; Problem where it is said to be base64 and is not."""
        body = self._event.get("body") or ""
        if not isinstance(body, str):
            raise Problem(HTTPStatus.BAD_REQUEST, "The event's body is not a string.")
        if not self._event.get("isBase64Encoded"):
            return body
        import base64  # here, as most requests are text

        try:
            return base64.b64decode(body, validate=True)
        except ValueError as error:  # not base64, or not even ASCII
            raise Problem(HTTPStatus.BAD_REQUEST, "The body is not valid base64.") from error

    def url(self) -> str:
        """The URL of the stage or domain that was called, without a slash at its end; "." where the event lacks it."""
        host = self.header("Host") or str(self._context.get("domainName") or "")
        path = str(self._context.get("path") or "")
        if not host or not path.endswith(self.path):
            return "."
        scheme = self.header("X-Forwarded-Proto") or "https"
        return f"{scheme}://{host}{path[: -len(self.path)]}"

    def security(self) -> Iterator[str]:
        """How this request was authorised, and so every other has to be: `apiKey`, `iam`, both, or nothing."""
        identity = _mapping(self._context.get("identity"))
        if identity.get("apiKey") or identity.get("apiKeyId"):
            yield "apiKey"
        if identity.get("accessKey"):
            yield "iam"


def is_request(event: Any) -> bool:
    """Whether an event is a request of a REST API."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("resource"), str)
        and isinstance(event.get("requestContext"), dict)
        and "elb" not in event["requestContext"]
    )


def refuse_foreign(event: Any) -> None:
    """Raise Problem, which names the kind, for an event that something else than a REST API or a person made."""
    kind = _kind(event)
    if kind is not None:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{_READS}{kind}.")


def is_warm_up(event: Any) -> bool:
    """Whether this is an event of Amazon EventBridge, a schedule's for example: it has nothing to predict."""
    return isinstance(event, dict) and "detail-type" in event and "source" in event and "detail" in event


def escaped(name: str) -> str:
    """A name as part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _kind(event: Any) -> str | None:
    if not isinstance(event, dict):
        return None
    context = event.get("requestContext")
    if isinstance(context, dict):
        return _http_kind(event, context)
    if "httpMethod" in event and "requestContext" in event:
        return "requests without `resource` and `requestContext`"
    records = event.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        source = records[0].get("eventSource") or records[0].get("EventSource")
        if isinstance(source, str):
            return f"events of {_SOURCES.get(source, 'another service')}"
    return None


def _http_kind(event: Event, context: Mapping[str, Any]) -> str | None:
    if "elb" in context:
        return "events of an Application Load Balancer"
    if "http" in context:
        is_url = ".lambda-url." in str(context.get("domainName"))
        return "events of a function URL" if is_url else "events of an API Gateway HTTP API (payload format 2.0)"
    if "connectionId" in context:
        return "events of an API Gateway WebSocket API"
    return "requests without `httpMethod` and `resource`" if "httpMethod" in event else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
