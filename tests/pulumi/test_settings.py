"""Every setting's bad values are refused by `pulumi preview`, with the key, before anything is created."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from local.iris import PROJECT
from model_registry import Registry
from tests.pulumi.conftest import new_stack
from tests.pulumi.stacks import EngineStack, EngineError, Project


class Bad(NamedTuple):
    """A value that cannot work, a word of the message beside the key, and other keys that it takes."""

    key: str
    value: object
    word: str
    others: dict[str, object] = {}  # noqa: RUF012 - a named tuple's default is never changed


_TYPE = "must be of type"
_SUBNET, _TOPIC = "subnet-0a1b2c3d", "arn:aws:sns:us-east-1:000000000000:alarms"

# At least one line for each key of Pulumi.yaml: a test compares the two.
BAD = [
    Bad("registryBucket", "No_Bucket", "No_Bucket"),
    Bad("model", "Iris Model", "Iris Model"),
    Bad("tag", "the prod", "the prod"),
    Bad("allowBreaking", "perhaps", _TYPE),
    Bad("memory", 128, "256 to 10240"),
    Bad("memory", "much", _TYPE),
    Bad("timeout", 30, "1 to 29"),
    Bad("architecture", "mips", "x86_64, arm64"),
    Bad("apiKey", "perhaps", _TYPE),
    Bad("logRetentionDays", 2, "1, 3, 5, 7"),
    Bad("tracing", "perhaps", _TYPE),
    Bad("publicKey", "ed25519:AAAA", "ed25519"),
    Bad("format", "pickle", "joblib, skops"),
    Bad("trustedTypes", "numpy.ndarray", "format is joblib"),
    Bad("ephemeralStorage", 511, "512 to 10240"),
    Bad("reservedConcurrency", -2, "from -1"),
    Bad("provisionedConcurrency", 5, "reservedConcurrency only 3", {"reservedConcurrency": 3}),
    Bad("snapStart", value=True, word="one or the other", others={"provisionedConcurrency": 1}),
    Bad("subnetIds", [_SUBNET], "securityGroupIds is empty"),
    Bad("securityGroupIds", ["default"], "sg-0a1b2c3d", {"subnetIds": [_SUBNET]}),
    Bad("authorization", "oauth", "none, iam"),
    Bad("usageRate", 1, "apiKey is false", {"usageBurst": 1}),
    Bad("usageBurst", 1, "usageRate is 0", {"apiKey": True}),
    Bad("usageQuota", 1, "apiKey is false"),
    Bad("usageQuotaPeriod", "YEAR", "DAY, WEEK, MONTH"),
    Bad("throttleRate", 1, "throttleBurst is 0"),
    Bad("throttleBurst", 1, "throttleRate is 0"),
    Bad("corsOrigins", ["app.example.com"], "app.example.com"),
    Bad("domainName", "iris.example.com", "certificateArn is empty"),
    Bad("certificateArn", "mine", "the ARN of", {"domainName": "iris.example.com"}),
    Bad("accessLog", "$context.status", "requestId"),
    Bad("kmsKeyArn", "mine", "the ARN of"),
    Bad("registryKmsKeyArn", "mine", "the ARN of"),
    Bad("permissionsBoundaryArn", "mine", "the ARN of"),
    Bad("tags", {"aws:owner": "me"}, "aws:owner"),
    Bad("alarmTopicArn", "mine", "the ARN of"),
    Bad("alarmDurationMs", 9_000, "ends each call before", {"alarmTopicArn": _TOPIC, "timeout": 9}),
    Bad("dashboard", "perhaps", _TYPE),
]


def test_every_key_of_the_project_has_a_bad_value_here() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    assert {bad.key for bad in BAD} == set(declared)


@pytest.fixture(scope="module")
def refusing(project: Project, models: Registry, tmp_path_factory: pytest.TempPathFactory) -> EngineStack:  # noqa: ARG001  # models fills the registry
    return new_stack(project, tmp_path_factory.mktemp("refusing"), "refusing", tag="dev")


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.key}={bad.value}")
def test_a_bad_value_is_refused_at_preview(refusing: EngineStack, bad: Bad, tmp_path: Path) -> None:
    settings = refusing.settings()
    values = {f"sklearn-on-lambda:{key}": value for key, value in {**bad.others, bad.key: bad.value}.items()}
    changed = tmp_path / "Pulumi.changed.yaml"
    changed.write_text(yaml.safe_dump({**settings, "config": settings["config"] | values}))
    with pytest.raises(EngineError) as refused:
        refusing.preview("--config-file", str(changed))
    assert bad.key in str(refused.value)
    assert bad.word in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert refusing.changed() == set()


def test_the_good_values_are_not_refused(refusing: EngineStack) -> None:
    """Else the tests above would pass whatever a setting says."""
    assert set(refusing.preview().counts()) == {"create"}
