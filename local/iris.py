"""The worked example on the local AWS: what `up` and `demo` do step by step."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deployment import deploy
from local.host import layers_for, this_host
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.identity import caller_identity

PROJECT = Path(__file__).parent.parent
BUCKET = "local-model-registry"
MODEL = "iris"
STACK = "dev"
REGISTRY_STACK = "registry"

Outputs = dict[str, Any]
Talk = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status code, headers by lower-case name, and the parsed JSON body."""

    status: int
    headers: dict[str, str]
    body: Any


def deploy_registry(aws: LocalAws, state: Path, talk: Talk) -> Outputs:
    """Deploy the stack `registry`."""
    return _deploy(aws, state, REGISTRY_STACK, talk)


def deploy_model(aws: LocalAws, state: Path, talk: Talk, model: str = MODEL) -> Outputs:
    """Deploy the stack `dev`, which serves the version that the tag `dev` of a model points at."""
    shown = {"recordedExamples": "true"} if model == MODEL else {}  # Iris is public, and the page begins with a flower
    return _deploy(aws, state, STACK, talk, model=model, **shown)


def open_registry() -> Registry:
    """The local registry; the environment must point at the local AWS (LocalAws.activate)."""
    return Registry(Storage.open(BUCKET), actor=caller_identity)


def call(url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET a URL, or POST a JSON body to it. Statuses of 400 and more are answers, too."""
    data = None if body is None else json.dumps(body).encode()
    content = {} if data is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, {**content, **(headers or {})})  # noqa: S310  # a URL of the local AWS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return _answer(response)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)


def _answer(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, json.loads(response.read()))


def _deploy(aws: LocalAws, state: Path, stack: str, talk: Talk, **config: str) -> Outputs:
    host = this_host()
    with layers_for(host):
        return deploy(
            PROJECT,
            stack,
            aws,
            state,
            # MiniStack runs functions on this machine, whatever the stack's file says: the layer is made for it.
            config={"registryBucket": BUCKET, "architecture": host.architecture, **config},
            on_resource=lambda kind, name, action: talk(f"{action} {kind.rpartition(':')[2]} {name}"),
            on_log=talk,
        )
