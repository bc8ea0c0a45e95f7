"""Whose credentials and whose Pulumi a check uses."""

from pathlib import Path

import pytest

from aws_check.account import Account
from aws_check.workspace import Workspace


def environment(profile: str | None) -> dict[str, str]:
    account = Account(profile, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")
    return Workspace(Path("/checks/0a1b2c3d"), account, "0a1b2c3d", "secret", "").project.environment


def test_pulumi_sees_the_users_credentials_and_nothing_of_their_pulumi(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "AWS_PROFILE": "theirs",
        "PULUMI_ACCESS_TOKEN": "pul-1",
        "PULUMI_BACKEND_URL": "https://api.pulumi.com",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/theirs",
        "PULUMI_HOME": "/home/theirs/.pulumi",
        "PULUMI_STACK": "prod",
        "AWS_REGION": "us-east-1",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    found = environment(None)
    assert found["AWS_PROFILE"] == "theirs"
    assert environment("another")["AWS_PROFILE"] == "another"
    assert found["AWS_REGION"] == "eu-central-1"
    assert {
        name: value for name, value in found.items() if name.startswith("PULUMI_") and value in theirs.values()
    } == {}
    assert found["PULUMI_BACKEND_URL"] == "file:///checks/0a1b2c3d/state"
    assert found["PULUMI_CONFIG_PASSPHRASE"] not in theirs.values()
