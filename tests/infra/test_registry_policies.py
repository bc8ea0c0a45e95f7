"""The policies of roles that the stack `registry` makes are those that `policies ROLE` prints."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.registry_policies import RegistryPolicies
from infra.settings import RegistrySettings, SettingsError
from model_registry.cli import app
from tests.infra.recording import ACCOUNT, REGION, Recording, record

BUCKET, KEY = "models-of-ours", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{'0' * 36}"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/"
STACK = ("--model", "iris", "--stack", "prod", "--region", REGION, "--account", ACCOUNT)
COMMANDS = {
    "reader": ("reader",),
    "reader:iris": ("reader", "--model", "iris"),
    "publisher": ("publisher",),
    "auditor": ("auditor", "--trail", "the-logs"),
    "promoter@prod": ("promoter", "--tag", "prod", "--in-account"),
    "promoter:iris@prod": ("promoter", "--tag", "prod", "--model", "iris", "--in-account"),
    "deployer:iris@prod": ("deployer", *STACK, "--boundary", f"{BOUNDARY}bounded"),
    "previewer:iris@prod": ("previewer", *STACK),
}


def made(*roles: str, bucket: str = BUCKET, **changes: Any) -> Recording:
    settings = RegistrySettings(registry_bucket=bucket, role_policies=roles, **changes)
    return record(lambda: RegistryPolicies("registry-policies", account=settings, trail="the-logs"))


def test_each_is_what_the_command_prints_of_this_bucket_and_account() -> None:
    recording = made(*COMMANDS, "reader", verifier=True, kms_key_arn=KEY, permissions_boundary_arn=f"{BOUNDARY}bounded")
    documents = {one.name: json.loads(one.inputs["policy"]) for one in recording.all("Policy")}
    for role, command in COMMANDS.items():
        place = ("--bucket", f"s3://{BUCKET}?owner={ACCOUNT}", "--kms-key", KEY)
        printed = CliRunner().invoke(app, ["policies", *command, *place])
        assert documents.pop(f"registry-policies-{role.replace(':', '.')}") == json.loads(printed.stdout), role
    assert documents == {}


def test_a_policy_that_iam_would_not_take_is_refused_before_it_is_made() -> None:
    fits = f"deployer:{'m' * 19}@{'s' * 18}"
    longest = {"bucket": "b" * 63, "kms_key_arn": KEY, "permissions_boundary_arn": f"{BOUNDARY}{'p' * 128}"}
    assert len(made(fits, **longest).one("Policy").inputs["policy"]) > 5_500
    with pytest.raises(SettingsError, match=r"the policy of deployer:m+@s+ has 6,\d+ characters, IAM takes 6,144"):
        made(f"deployer:{'m' * 32}@{'s' * 32}", **longest)
