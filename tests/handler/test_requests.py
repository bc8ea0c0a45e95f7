"""What the function is called with by others than its API and people."""

from typing import Any

import pytest

from handler.app import App
from tests.handler.conftest import gateway, strict

HTTP = {
    "version": "2.0",
    "rawPath": "/predict",
    "headers": {"content-type": "application/json"},
    "requestContext": {"domainName": "abc.execute-api.eu-central-1.amazonaws.com", "http": {"method": "POST"}},
    "body": '{"a": 1, "b": 1}',
}
URL = {**HTTP, "requestContext": {"domainName": "abc.lambda-url.eu-central-1.on.aws", "http": {"method": "POST"}}}
BALANCER = {
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
    "httpMethod": "POST",
    "path": "/predict",
    "headers": {},
    "body": "{}",
    "isBase64Encoded": False,
}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (BALANCER, "events of an Application Load Balancer"),
        ({**BALANCER, "resource": "/predict"}, "events of an Application Load Balancer"),
        (HTTP, "events of an API Gateway HTTP API (payload format 2.0)"),
        (URL, "events of a function URL"),
        ({"requestContext": {"connectionId": "a", "eventType": "MESSAGE"}}, "events of an API Gateway WebSocket API"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}, "events of Amazon SQS"),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, "events of Amazon SNS"),
        ({"Records": [{"eventSource": "aws:s3"}]}, "events of Amazon S3"),
        ({"Records": [{"eventSource": "another"}]}, "events of another service"),
        ({"httpMethod": "GET", "requestContext": {}}, "requests without `httpMethod` and `resource`"),
        ({"httpMethod": "GET", "requestContext": None}, "requests without `resource` and `requestContext`"),
    ],
)
def test_an_event_of_another_service_is_refused_by_one_sentence_with_its_kind(
    app: App, event: dict[str, Any], kind: str
) -> None:
    answer = app(event, None)
    problem = strict(answer["body"])
    assert answer["statusCode"] == 400 == problem["status"]
    assert problem["detail"].endswith(f"and direct invocations, not {kind}.")
    assert "errors" not in problem


def test_an_event_of_eventbridge_warms_the_function_up(app: App) -> None:
    event = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-26T16:53:06Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/warm"],
        "detail": {},
    }
    answer = app(event, None)
    assert answer["statusCode"] == 200
    assert strict(answer["body"]) == {"status": "ok", "model": "made", "version": 7}


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_header_s_name_has_no_case(app: App, name: str) -> None:
    assert app(gateway("POST", "/predict", {"a": 1}, headers={name: "text/csv"}), None)["statusCode"] == 415
    assert (
        app(gateway("POST", "/predict", {"a": 1}, headers={"x": "y", name: "application/json"}), None)["statusCode"]
        == 200
    )
