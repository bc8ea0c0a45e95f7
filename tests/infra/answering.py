"""AWS that answers at once: the local deployment's clients, of which nothing is sent anywhere.

Each request is checked by the service's API model as on the local AWS (`local.api_models`) and kept; the answer is made
from the model of the operation's output. So every combination of settings can be deployed in a moment.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel, Shape

from local.api_models import strict
from local.ministack import REGION, LocalAws

ACCOUNT = "123456789012"
_NOWHERE = 9  # the discard port: a request that were sent would fail
_DEEPEST = 3

Parameters = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request that would have been sent."""

    service: str
    operation: str
    parameters: Parameters


@dataclass(frozen=True)
class AnsweringAws(LocalAws):
    """Takes the place of a MiniStack that runs."""

    url: str = f"http://127.0.0.1:{_NOWHERE}"
    port: int = _NOWHERE
    pid: int = 0
    started: float = 0.0
    log: Path = Path("none")
    access_key: str = "of-nobody"
    secret_key: str = "of-nobody"  # noqa: S105  # nothing is asked for it
    requests: list[Request] = field(default_factory=list, compare=False)
    _clients: dict[str, Any] = field(default_factory=dict, compare=False)
    _lock: Lock = field(default_factory=Lock, compare=False)

    def client(self, service: str, _config: object = None) -> Any:
        """Return a client that refuses what AWS would refuse, and answers everything else itself."""
        with self._lock:  # a session makes one client at a time
            if service not in self._clients:
                client = strict(_session().client(service, endpoint_url=self.url))
                client.meta.events.register("before-parameter-build", self._keep)
                client.meta.events.register("before-call", _answer)
                self._clients[service] = client
            return self._clients[service]

    def _keep(self, params: Parameters, model: OperationModel, context: Answer, **_event: Any) -> None:
        context["parameters"] = params
        self.requests.append(Request(model.service_model.service_name, model.name, dict(params)))


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session("nobody", "no secret", region_name=REGION)


def _answer(model: OperationModel, context: Answer, **_event: Any) -> tuple[SimpleNamespace, Answer]:
    parameters = context["parameters"]
    made = _of_structure(model.output_shape, model.service_model.service_name, parameters, 0)
    own = _OWN.get((model.service_model.service_name, model.name))
    return SimpleNamespace(status_code=200), _merged(made, own(parameters)) if own else made


def _of_structure(shape: Shape | None, service: str, parameters: Parameters, depth: int) -> Answer:
    """A member that has the name of a text of the request has its value."""
    if shape is None or depth == _DEEPEST:
        return {}
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    return {
        name: texts.get(name, _of(name, member, service, parameters, depth + 1))
        for name, member in shape.members.items()
    }


def _of(name: str, shape: Shape, service: str, parameters: Parameters, depth: int) -> Any:
    """Return a value of the shape's type; a list is empty, and an ARN is one of the service."""
    if shape.type_name == "structure":
        return _of_structure(shape, service, parameters, depth)
    if shape.type_name == "string":
        arn = name.lower().endswith("arn")
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}/made-up" if arn else "made-up"
    return _PLAIN[shape.type_name]


_PLAIN: Mapping[str, Any] = {
    "list": [],
    "map": {},
    "integer": 1,
    "long": 1,
    "double": 1.0,
    "float": 1.0,
    "boolean": True,
    "blob": b"",
    "timestamp": SimpleNamespace(isoformat=lambda: "2026-01-02T00:00:00+00:00"),
}


def _merged(one: Answer, over: Answer) -> Answer:
    return {
        **one,
        **{
            name: _merged(one[name], value) if isinstance(value, dict) and isinstance(one.get(name), dict) else value
            for name, value in over.items()
        },
    }


def _role(parameters: Parameters) -> Answer:
    return {
        "Role": {"RoleName": parameters["RoleName"], "Arn": f"arn:aws:iam::{ACCOUNT}:role/{parameters['RoleName']}"}
    }


def _lambda(kind: str, *names: str) -> str:
    return ":".join(["arn:aws:lambda", REGION, ACCOUNT, kind, *names])


def _configuration(parameters: Parameters) -> Answer:
    return {
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "FunctionArn": _lambda("function", parameters["FunctionName"]),
    }


# What a later request, or a waiter, needs of an answer and the shape does not say.
_OWN: Mapping[tuple[str, str], Callable[[Parameters], Answer]] = {
    ("sts", "GetCallerIdentity"): lambda _p: {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/somebody"},
    ("iam", "CreateRole"): _role,
    ("iam", "GetRole"): _role,
    ("lambda", "PublishLayerVersion"): lambda p: {"LayerVersionArn": _lambda("layer", p["LayerName"], "1")},
    ("lambda", "GetFunction"): lambda p: {"Configuration": _configuration(p)},
    ("lambda", "GetFunctionConfiguration"): _configuration,
    ("lambda", "PublishVersion"): lambda _p: {"Version": "1"},
    ("lambda", "Invoke"): lambda _p: {"Payload": BytesIO(b'{"statusCode": 200, "body": "{}"}')},
    ("lambda", "CreateAlias"): lambda p: {"AliasArn": _lambda("function", p["FunctionName"], p["Name"])},
    ("apigateway", "GetResources"): lambda _p: {"items": [{"id": "root", "path": "/"}]},
    ("lambda", "GetAccountSettings"): lambda _p: {
        "AccountLimit": {"ConcurrentExecutions": 1_000, "UnreservedConcurrentExecutions": 1_000}
    },
    ("s3", "HeadBucket"): lambda _p: {"BucketRegion": REGION},
    ("sns", "CreateTopic"): lambda p: {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{p['Name']}"},
}
