"""The policies as documents: what a linter says, how long they are, and what MiniStack's services do not enforce."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from model_registry import roles
from model_registry.cli import app
from tests.iam import Asked, decisions, lint

ACCOUNT, BUCKET, KEY = "123456789012", "models-of-ours", "arn:aws:kms:eu-central-1:123456789012:key/0-1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/bounded"
STACK = {"model": "iris", "stack": "prod", "region": "eu-central-1", "account": ACCOUNT}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/iris-prod-role-0a1b2c3"
POLICIES = {
    "reader": roles.reader(BUCKET, owner=ACCOUNT, key_arn=KEY),
    "publisher": roles.publisher(BUCKET, owner=ACCOUNT, key_arn=KEY),
    "promoter": roles.promoter(BUCKET, "prod", owner=ACCOUNT, key_arn=KEY, signer_arn=KEY),
    "auditor": roles.auditor(BUCKET, owner=ACCOUNT, trail="the-logs", key_arn=KEY),
    "deployer": roles.deployer(BUCKET, **STACK, boundary_arn=BOUNDARY, key_arn=KEY),
    "previewer": roles.previewer(BUCKET, **STACK, key_arn=KEY),
}


FINDINGS = {"deployer": ["RESOURCE_STAR ['cloudwatch:DescribeAlarms']"]}
"""What stays, with its reason in the policy's module."""


@pytest.mark.parametrize("role", POLICIES)
def test_a_linter_finds_nothing_else(role: str) -> None:
    """Unknown actions, resources that an action does not have, conditions of another service."""
    assert lint(json.dumps(POLICIES[role])) == FINDINGS.get(role, [])


def test_the_linter_would_find_an_action_that_there_is_not() -> None:
    policy = json.dumps(roles.reader(BUCKET)).replace("s3:GetObject", "s3:GetObjects")
    assert lint(policy)


def test_the_longest_names_fit_into_a_managed_policy() -> None:
    """6,144 characters without white space: IAM User Guide, "IAM and AWS STS quotas"."""
    longest = roles.deployer(
        "b" * 63,
        model="m" * 19,
        stack="s" * 18,  # 38 together: infra.settings.rules.name_length
        region="ap-southeast-1",
        account=ACCOUNT,
        boundary_arn=f"arn:aws:iam::{ACCOUNT}:policy/{'p' * 128}",
        key_arn=f"arn:aws-us-gov:kms:ap-southeast-1:{ACCOUNT}:key/{'0' * 36}",
        partition="aws-us-gov",
    )
    assert len("".join(json.dumps(longest).split())) <= 6144


def test_every_bucket_is_the_accounts_where_that_is_known() -> None:
    """A trail may be another account's, and what is denied is denied whosever it is."""
    for role, policy in POLICIES.items():
        for one in policy["Statement"]:
            if one["Effect"] == "Allow" and ":s3:::" in str(one["Resource"]) and "the-logs" not in str(one["Resource"]):
                ((operator, keys),) = one["Condition"].items()
                assert keys == {"aws:ResourceAccount": ACCOUNT}, (role, one["Sid"])
                assert (operator == "StringEqualsIfExists") == (one["Sid"] == "ArtifactBucket")


def test_no_role_but_the_auditors_sees_what_was_and_none_deletes() -> None:
    for role, policy in POLICIES.items():
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            of_the_registry = f"arn:aws:s3:::{BUCKET}" in json.dumps(statement["Resource"])
            assert not (of_the_registry and any(action.startswith("s3:Delete") for action in actions))
            assert role == "auditor" or not (of_the_registry and "s3:GetObjectVersion" in actions)


def judged(action: str, resource: str, **keys: str) -> Asked:
    return Asked(f"iam:{action}", resource, POLICIES["deployer"], keys=keys)


def test_a_deployer_makes_bounded_roles_only_and_gives_them_to_lambda_only() -> None:
    """Judged by MiniStack's evaluator: its IAM does not fill in these keys, and does not ask about PassRole."""
    bounded, lambda_ = {"iam:PermissionsBoundary": BOUNDARY}, {"iam:PassedToService": "lambda.amazonaws.com"}
    asked = {
        "Allow": [
            judged("CreateRole", ROLE, **bounded),
            judged("PutRolePolicy", ROLE, **bounded),
            judged("PassRole", ROLE, **lambda_),
        ],
        "ImplicitDeny": [
            judged("CreateRole", ROLE),
            judged("CreateRole", ROLE, **{"iam:PermissionsBoundary": BOUNDARY + "-not"}),
            judged("PutRolePolicy", ROLE),
            judged("DeleteRolePermissionsBoundary", ROLE, **bounded),
            judged("AttachRolePolicy", ROLE, **bounded),
            judged("CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin", **bounded),
            judged("PassRole", ROLE, **{"iam:PassedToService": "ec2.amazonaws.com"}),
            judged("PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", **lambda_),
            judged("CreateRole", ROLE.replace("prod", "prod-2"), **bounded),
        ],
    }
    for decision, requests in asked.items():
        assert decisions(requests) == [decision] * len(requests)


def run(*arguments: str, bucket: str = f"s3://{BUCKET}") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["policies", *arguments, "--bucket", bucket])
    return done.exit_code, done.output


DEPLOYER = ["deployer", *(f"--{name}={value}" for name, value in STACK.items())]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["reader"], roles.reader(BUCKET)),
        (["publisher", "--model", "iris"], roles.publisher(BUCKET, model="iris")),
        (["promoter", "--tag", "prod"], roles.promoter(BUCKET, "prod")),
        (["promoter", "--tag", "prod", "--promoter-key", KEY], roles.promoter(BUCKET, "prod", signer_arn=KEY)),
        (["auditor", "--kms-key", KEY], roles.auditor(BUCKET, key_arn=KEY)),
        (["auditor", "--trail", "s3://the-logs"], roles.auditor(BUCKET, trail="the-logs")),
        (
            [*DEPLOYER, "--boundary", BOUNDARY],
            roles.deployer(BUCKET, **STACK, boundary_arn=BOUNDARY),
        ),
    ],
)
def test_the_command_prints_the_policy(arguments: list[str], expected: dict[str, Any]) -> None:
    code, output = run(*arguments)
    assert (code, json.loads(output)) == (0, expected)


def test_the_address_says_whose_bucket_it_must_be() -> None:
    of_another = f"s3://{BUCKET}?owner=210987654321"
    reader, deployer = run("reader", bucket=of_another), run(*DEPLOYER, bucket=of_another)
    assert json.loads(reader[1]) == roles.reader(BUCKET, owner="210987654321")
    assert json.loads(deployer[1]) == roles.deployer(BUCKET, **STACK, registry_account="210987654321")
    code, output = run("reader", bucket=f"s3://{BUCKET}?owner=somebody")
    assert code == 1
    assert f"write 's3://{BUCKET}?owner=ACCOUNT' with the 12 digits" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promoter"], "--tag is not given, a promoter has one: add it"),
        (["deployer", "--stack", "prod"], "--model is not given, a deployer has one: add it"),
        (["promoter", "--tag", "*"], "'*' is not a name of a model, tag or stack"),
        (["reader", "--model", "a/../b"], "'a/../b' is not a name of a model, tag or stack"),
    ],
)
def test_what_is_missing_or_is_not_a_name_is_said(arguments: list[str], said: str) -> None:
    code, output = run(*arguments)
    assert code == 1
    assert said in output
