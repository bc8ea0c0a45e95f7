"""Roles of GitHub Actions."""

import json

import pytest
from typer.testing import CliRunner

from local.ministack import LocalAws
from model_registry.cli import app

REPOSITORY, ACCOUNT = "bank/models", "123456789012"
SUBJECT = "token.actions.githubusercontent.com:sub"


def trust(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["trust", "--repository", REPOSITORY, "--account", ACCOUNT, *arguments])
    return done.stdout if done.exit_code == 0 else f"{done.exit_code}: {done.stderr}"


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["--environment", "dev"], "repo:bank/models:environment:dev"),
        (["--pull-requests"], "repo:bank/models:pull_request"),
    ],
)
def test_a_role_is_for_one_kind_of_job_of_one_repository(arguments: list[str], subject: str, aws: LocalAws) -> None:
    """Without the subject every repository of GitHub could take the role; with a wildcard every branch of this one."""
    document = trust(*arguments)
    (statement,) = json.loads(document)["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com", SUBJECT: subject}
    }
    name = f"of-{subject.rsplit(':', 1)[-1]}"
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give --environment NAME or --pull-requests"),
        (["--environment", "dev", "--pull-requests"], "give --environment NAME or --pull-requests"),
        (["--environment", "*"], "'*' is not an environment"),
        (["--pull-requests", "--repository", "*/models"], "'*/models' is not a repository"),
        (["--pull-requests", "--account", "1"], "'1' is not an account"),
    ],
)
def test_what_would_be_for_more_jobs_is_refused(arguments: list[str], words: str) -> None:
    said = " ".join(trust(*arguments).split())
    assert said.startswith("1: error: ")
    assert words in said
