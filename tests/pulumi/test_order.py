"""What is removed from the API is removed: a deployment is a snapshot, and Pulumi deletes last.

A method that an update deletes or replaces after the snapshot was taken goes on being served as it was. So none is.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from aws_check.engine import Step
from model_registry import Registry
from tests.local.test_settings import send
from tests.pulumi.conftest import new_stack
from tests.pulumi.stacks import EngineStack, Project
from training.train_iris import train

PUBLISHED = {
    "Resource",
    "Method",
    "Integration",
    "MethodResponse",
    "IntegrationResponse",
    "Response",
    "RequestValidator",
}
"""What a deployment is a snapshot of, beside the body's model, which is updated in place."""
REMOVAL = {"delete", "delete-replaced", "replace", "create-replacement"}
PAGE, OTHER = "https://app.example.com", "http://localhost:8080"
WIDE, PLAIN = "wide", "plain"
STATES: dict[str, dict[str, Any]] = {
    "open": {},
    "origin": {"corsOrigins": [PAGE]},
    "closed": {
        "corsOrigins": [PAGE, OTHER],
        "apiKey": True,
        "authorization": "iam",
        "gatewayTimeout": 60,
        "timeout": 60,
    },
    "wide": {"tag": WIDE},
}
"""Settings that change what the API publishes, and a model whose features have no query string."""


def all_changes(names: Sequence[str]) -> Iterator[str]:
    """A walk on which each state follows each other one: a circuit of the complete directed graph (Hierholzer)."""
    left = {name: [other for other in names if other != name] for name in names}
    path, walk = [names[0]], list[str]()
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return reversed(walk)


AROUND = ["open", "closed", "wide", "origin", "open"]
"""Each state once, and back: all that is added goes again. `make soak` has each state after each other one."""


def removed(steps: Sequence[Step]) -> list[Step]:
    """What is deleted or replaced of that of which a deployment is a snapshot."""
    return [step for step in steps if step.kind in PUBLISHED and step.operation in REMOVAL]


def test_the_walk_has_every_change() -> None:
    names = list(STATES)
    assert {*AROUND} == {*names}
    assert len(set(pairwise(all_changes(names)))) == len(names) * (len(names) - 1)


def test_a_removed_method_would_be_seen() -> None:
    steps = [
        Step("aws:apigateway/method:Method", "options", "delete"),
        Step("aws:apigateway/method:Method", "get", "update"),
        Step("aws:lambda/alias:Alias", "alias", "delete"),
    ]
    assert removed(steps) == steps[:1]


@pytest.fixture(scope="module")
def walking(project: Project, models: Registry, tmp_path_factory: pytest.TempPathFactory) -> EngineStack:
    """A stack of its own, whose tag's model has a sensible query string; that of the tag `wide` has none."""
    found = train()
    features = found.X_example.rename(columns={name: f"{name} (cm)" for name in found.X_example.columns})
    labels = [2, 0, 1]
    release = models.publish(LogisticRegression(max_iter=1000).fit(features, labels), name="iris", X_example=features)
    models.tag(release.manifest.reference, WIDE)
    models.tag("iris/1", PLAIN)
    return new_stack(project, tmp_path_factory.mktemp("walking"), "walking", tag=PLAIN, allowBreaking=True)


@pytest.mark.parametrize("walk", [AROUND, pytest.param([*all_changes(list(STATES))], marks=pytest.mark.soak)], ids=len)
def test_no_change_of_settings_or_model_removes_what_a_deployment_has(walking: EngineStack, walk: list[str]) -> None:
    """Of an origin that has gone nothing is left: a page of it may not call."""
    for state in walk:
        walking.unset(*{key for values in STATES.values() for key in values})
        walking.set(**{"tag": PLAIN, **STATES[state]})
        walking.up()
        assert removed(walking.steps) == [], state
        assert "Deployment" in walking.changed(), "nothing of the API has changed"
        preflight = send("OPTIONS", walking.outputs["invokeUrl"], headers={"Origin": PAGE})
        assert ("access-control-allow-origin" in preflight.headers) == ("corsOrigins" in STATES[state]), state
