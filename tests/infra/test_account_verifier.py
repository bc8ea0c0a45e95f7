"""The project that verifies in the account: what it may do, what it runs, and who may have it run anything else."""

import json
from typing import Any

import pytest

from infra import policies
from infra.account_verifier import ModelVerifier
from infra.settings import RegistrySettings
from infra.verifier_code import REQUIREMENTS, code_files, commands, digest_of
from model_registry import roles
from model_registry.verify_request import VARIABLES
from tests.handler.requirements import locked
from tests.iam import Asked, decisions, lint
from tests.infra.recording import ACCOUNT, REGION, Recording, record

BUCKET = "models.of-ours"
PROJECT = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/model-verifier-models_of-ours"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/codebuild/model-verifier-models_of-ours"
CODE = "arn:aws:s3:::the-code/verifier/0a1b.zip"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0-1"
POLICY = json.loads(
    policies.verifier_policy(bucket=BUCKET, source_arn=CODE, source_version="uploaded", log_group_arn=LOGS, key_arn=KEY)
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    settings = RegistrySettings(
        registry_bucket=BUCKET,
        verifier=True,
        permissions_boundary_arn=f"arn:aws:iam::{ACCOUNT}:policy/bounded",
        tags={"team": "a"},
    )
    return record(lambda: ModelVerifier("registry-verifier", account=settings))


def test_the_project_is_bounded_and_runs_the_very_bytes_that_the_stack_uploaded(recording: Recording) -> None:
    project, code = recording.one("Project").inputs, recording.one("BucketObjectv2").inputs
    assert project["name"] == "model-verifier-models_of-ours"
    assert project["environment"]["privilegedMode"] is False
    assert project["environment"]["environmentVariables"] == [{"name": "MODEL_REGISTRY", "value": BUCKET}]
    assert project["artifacts"] == {"type": "NO_ARTIFACTS"}
    assert "vpcConfig" not in project
    assert (project["buildTimeout"], project["queuedTimeout"], project["concurrentBuildLimit"]) == (60, 30, 1)
    assert project["source"]["location"].endswith(f"/verifier/{digest_of(code_files())}.zip")
    assert project["sourceVersion"] == "version of registry-verifier-zip"
    policy = json.loads(recording.one("RolePolicy").inputs["policy"])["Statement"]
    (taken,) = (one for one in policy if one["Sid"] == "TakeTheVerifier")
    assert taken["Condition"]["StringEquals"]["s3:VersionId"] == project["sourceVersion"]
    assert code["key"] == f"verifier/{digest_of(code_files())}.zip"
    phases = json.loads(project["source"]["buildspec"])["phases"]
    assert {name: phase["commands"] for name, phase in phases.items()} == commands()
    assert recording.one("Role").inputs["permissionsBoundary"].endswith("bounded")
    assert project["tags"] == recording.one("Role").inputs["tags"] == {"team": "a"}
    trust = json.loads(recording.one("Role").inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert trust["Condition"]["ArnEquals"]["aws:SourceArn"].endswith(":project/model-verifier-models_of-ours")


def test_no_command_of_the_build_has_a_word_of_a_caller() -> None:
    assert "$" not in str(commands())
    assert commands()["build"] == [".verifier/bin/python -m model_registry.verifier"]


def test_the_role_reads_versions_and_writes_its_log_and_nothing_else() -> None:
    objects = f"arn:aws:s3:::{BUCKET}/models/iris"
    ours = {"aws:ResourceAccount": ACCOUNT}
    through_s3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    allowed: list[tuple[str, str, dict[str, str]]] = [
        ("s3:GetObject", f"{objects}/versions/3/model.joblib", ours),
        ("s3:GetObject", f"{objects}/versions/3/golden.json", ours),
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", ours),
        ("s3:GetObjectVersion", CODE, {**ours, "s3:VersionId": "uploaded"}),
        ("s3:GetBucketLocation", "arn:aws:s3:::the-code", ours),
        ("logs:CreateLogGroup", LOGS, {}),
        ("logs:CreateLogStream", f"{LOGS}:log-stream:x", {}),
        ("logs:PutLogEvents", f"{LOGS}:log-stream:x", {}),
        ("kms:Decrypt", KEY, through_s3),
    ]
    refused: list[tuple[str, str, dict[str, str]]] = [
        ("s3:PutObject", f"{objects}/versions/3/model.joblib", ours),
        ("s3:PutObject", f"{objects}/tags/prod.json", ours),
        ("s3:DeleteObject", f"{objects}/versions/3/model.joblib", ours),
        ("s3:GetObject", f"{objects}/tags/prod.json", ours),
        ("s3:GetObject", "arn:aws:s3:::others/models/iris/versions/3/model.joblib", ours),
        ("s3:PutObject", CODE, ours),
        ("s3:GetObject", CODE, ours),
        ("s3:GetObjectVersion", CODE, {**ours, "s3:VersionId": "written over it"}),
        ("s3:GetObjectVersion", CODE.replace("0a1b", "2c3d"), {**ours, "s3:VersionId": "uploaded"}),
        ("logs:CreateLogGroup", f"{LOGS}-of-others", {}),
        ("logs:GetLogEvents", f"{LOGS}:log-stream:x", {}),
        ("logs:PutLogEvents", f"{LOGS}-of-others:log-stream:x", {}),
        ("codebuild:StartBuild", PROJECT, {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/x", {}),
        ("kms:Decrypt", KEY, {}),
    ]
    asked = [Asked(action, resource, POLICY, keys=keys) for action, resource, keys in [*allowed, *refused]]
    assert decisions(asked) == ["Allow"] * len(allowed) + ["ImplicitDeny"] * len(refused)
    assert lint(json.dumps(POLICY)) == []
    # MiniStack's evaluator takes every resource for the caller's account's.
    of_s3 = [one["Condition"]["StringEquals"] for one in POLICY["Statement"] if "s3:" in str(one["Action"])]
    assert of_s3 == [ours, ours, {**ours, "s3:VersionId": "uploaded"}, ours]


OVERRIDES: dict[str, dict[str, Any]] = {
    "another buildspec": {"codebuild:source.buildspec": "true"},
    "another source": {"codebuild:source.location": "others/code.zip"},
    "another image": {"codebuild:environment.image": "evil"},
    "privileges": {"codebuild:environment.privilegedMode": "true"},
    "another role": {"codebuild:serviceRole": f"arn:aws:iam::{ACCOUNT}:role/admin"},
    "another log": {"codebuild:logsConfig": "true"},
    "another variable": {"codebuild:environment.environmentVariables.name": "LD_PRELOAD"},
}


def test_a_promoter_starts_the_build_as_it_is_and_no_other() -> None:
    """By MiniStack's evaluator: its CodeBuild does not fill in these keys."""
    policy = roles.promoter(BUCKET, "prod", in_account=True)
    names = {"codebuild:environment.environmentVariables.name": VARIABLES[0]}
    asked = [
        Asked("codebuild:StartBuild", PROJECT, policy, keys=names),
        Asked("codebuild:BatchGetBuilds", PROJECT, policy),
        Asked("codebuild:StopBuild", PROJECT, policy),
        Asked("logs:GetLogEvents", f"{LOGS}:log-stream:x", policy),
        *(Asked("codebuild:StartBuild", PROJECT, policy, keys=keys) for keys in OVERRIDES.values()),
        Asked("codebuild:StartBuild", f"{PROJECT}-of-others", policy, keys=names),
        Asked("codebuild:StopBuild", f"{PROJECT}-of-others", policy),
        Asked("codebuild:UpdateProject", PROJECT, policy),
        Asked("codebuild:StartBuild", PROJECT, roles.promoter(BUCKET, "prod", owner="2" * 12, in_account=True)),
        Asked("codebuild:StartBuild", PROJECT, roles.promoter(BUCKET, "prod"), keys=names),
    ]
    assert decisions(asked) == ["Allow"] * 4 + ["ImplicitDeny"] * (len(OVERRIDES) + 5)
    # The linter does not know the condition keys of StartBuild.
    known = [one for one in policy["Statement"] if one["Action"] != "codebuild:StartBuild"]
    assert lint(json.dumps({**policy, "Statement": known})) == []


def test_the_verifiers_lock_has_the_versions_of_requirements_lock() -> None:
    lines = [line.split(" ")[0] for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    assert {"boto3", "uv", "obstore"} <= {line.partition("==")[0] for line in lines}
    for line in lines:
        name, _, version = line.partition("==")
        assert locked()[name][0] == version, name
