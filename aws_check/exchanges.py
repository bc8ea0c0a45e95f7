"""Requests, and what is compared of their answers."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from aws_check.account import Account

JSON = "application/json"
PROBLEM = "application/problem+json"
TIMEOUT_SECONDS = 60
_SHOWN = 160


@dataclass(frozen=True)
class Request:
    """A request to the API; `path` is below the stage."""

    method: str
    path: str
    body: bytes | Callable[[], bytes] | None = None
    """Large ones are made when they are sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False
    """With the Signature Version 4 of who runs the check."""


@dataclass(frozen=True)
class Answer:
    """An answer, or what is expected of one: then other headers and members may be there too.

    `body` is parsed where it is JSON. In an expectation None is any body.
    """

    status: int
    content_type: str | None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        shown = "" if self.body is None else text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        headers = ", ".join(f"{name}: {value}" for name, value in self.headers.items())
        return " ".join(filter(None, [str(self.status), self.content_type, headers, shown]))


@dataclass(frozen=True)
class Exchange:
    """An assumption of what the API answers."""

    assumption: str
    request: Request
    expected: Answer


def narrowed(found: Answer, expected: Answer) -> Answer:
    """The answer with only what the expectation names; equal to it where that is as expected."""
    headers = {name: found.headers[name] for name in expected.headers if name in found.headers}
    body = None if expected.body is None else _narrowed(found.body, expected.body)
    return Answer(found.status, None if expected.content_type is None else found.content_type, body, headers)


def _narrowed(found: Any, expected: Any) -> Any:
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: _narrowed(found[name], value) for name, value in expected.items() if name in found}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [_narrowed(one, other) for one, other in zip(found, expected, strict=True)]
    return found


def send(base: str, request: Request, account: Account) -> Answer:
    """Send a request to the API whose stage has this URL; statuses of 400 and more are answers, too."""
    body = request.body() if callable(request.body) else request.body
    headers = dict(request.headers)
    url = f"{base}/{request.path}"
    if request.signed:
        prepared = AWSRequest(request.method, url, headers, body)
        session = account.session()
        SigV4Auth(session.get_credentials().get_frozen_credentials(), "execute-api", account.region).add_auth(prepared)
        headers = dict(prepared.headers.items())
    asked = urllib.request.Request(url, body, headers, method=request.method)  # noqa: S310  # the stack's own URL
    try:
        answer = urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS)  # noqa: S310  # as above
    except urllib.error.HTTPError as error:
        answer = error
    except OSError as error:  # a gateway may end the connection in the middle of what it does not take
        return Answer(0, "", f"no answer: {error}")
    with answer:
        text = answer.read().decode(errors="replace")
        found = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, found.get("content-type", ""), _parsed(text), found)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
