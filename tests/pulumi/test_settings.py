"""Every setting's bad values are refused by `pulumi preview`, with the key, before anything is created."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from aws_check.errors import EngineError
from infra.settings.page import settings
from model_registry import Registry
from tests.infra.settings.bad import bad_values
from tests.pulumi.conftest import new_stack
from tests.pulumi.stacks import EngineStack, Project


class Bad(NamedTuple):
    """A value that cannot work, a word of the message beside the key, and other keys that it takes."""

    key: str
    value: object
    word: str
    others: dict[str, object] = {}  # noqa: RUF012  # a named tuple's default is never changed


_TYPE = "must be of type"
_SUBNET, _TOPIC = "subnet-0a1b2c3d", "arn:aws:sns:us-east-1:000000000000:alarms"

# The first bad value of each setting follows from its declaration; a boolean has none of the declared type.
ALONE = [
    Bad(field.key, next(bad_values(field), "perhaps"), _TYPE if field.config_type == "boolean" else "")
    for field in settings()
]
TOGETHER = [
    Bad("memory", "much", _TYPE),
    Bad("trustedTypes", "numpy.ndarray", "format is joblib"),
    Bad("provisionedConcurrency", 5, "reservedConcurrency only 3", {"reservedConcurrency": 3}),
    Bad("snapStart", value=True, word="one or the other", others={"provisionedConcurrency": 1}),
    Bad("subnetIds", [_SUBNET], "securityGroupIds is empty"),
    Bad("usageRate", 1, "apiKey is false", {"usageBurst": 1}),
    Bad("usageBurst", 1, "usageRate is 0", {"apiKey": True}),
    Bad("throttleRate", 1, "throttle is none", {"throttle": "none"}),
    Bad("truststoreUri", "s3://trusted/a.pem", "domainName is empty"),
    Bad("domainName", "iris.example.com", "certificateArn is empty"),
    Bad("alarmDurationMs", 9_000, "ends each call before", {"alarmTopicArn": _TOPIC, "timeout": 9}),
]
BAD = [*ALONE, *TOGETHER]


@pytest.fixture(scope="module")
def refusing(project: Project, models: Registry, tmp_path_factory: pytest.TempPathFactory) -> EngineStack:  # noqa: ARG001  # models fills the registry
    return new_stack(project, tmp_path_factory.mktemp("refusing"), "refusing", tag="dev")


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.key}={bad.value}")
def test_a_bad_value_is_refused_at_preview(refusing: EngineStack, bad: Bad, tmp_path: Path) -> None:
    stack = refusing.settings()
    values = {f"sklearn-on-lambda:{key}": value for key, value in {**bad.others, bad.key: bad.value}.items()}
    changed = tmp_path / "Pulumi.changed.yaml"
    changed.write_text(yaml.safe_dump({**stack, "config": stack["config"] | values}))
    with pytest.raises(EngineError) as refused:
        refusing.preview("--config-file", str(changed))
    assert bad.key in str(refused.value)
    assert bad.word in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert refusing.changed() == set()


def test_the_good_values_are_not_refused(refusing: EngineStack) -> None:
    """Else the tests above would pass whatever a setting says."""
    assert set(refusing.preview().counts()) == {"create"}
