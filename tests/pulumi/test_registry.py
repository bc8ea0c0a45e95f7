"""The stack `registry` under the real engine: models outlive a destroy."""

import json
import zipfile
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws_check.errors import EngineError
from infra.verifier_code import REQUIREMENTS
from local.ministack import LocalAws, client_as
from model_registry import Registry
from model_registry.in_account import log_group, project_name
from tests.local.stacks import registry_of
from tests.pulumi.inventory import inventory
from tests.pulumi.stacks import EngineStack, make_project
from training.train_iris import Trained, publish

BUCKET = "models-to-keep"


@pytest.fixture
def registry_stack(engine: Path, cloud: LocalAws, tmp_path: Path) -> EngineStack:
    """A registry of its own, in a backend of its own: the stack's name is fixed."""
    project = make_project(tmp_path, engine, cloud)
    return EngineStack(cloud, "registry", tmp_path, {"registryBucket": BUCKET}, project=project).init()


def test_models_outlive_a_destroy_until_the_bucket_is_unprotected_and_empty(
    registry_stack: EngineStack, trained_iris: Trained
) -> None:
    """A refused destroy takes nothing of the bucket's safety; after a forced one another `up` puts it right."""
    stack, before = registry_stack, inventory(registry_stack.aws)
    stack.up()
    models = registry_of(stack.aws, BUCKET)
    publish(models, trained_iris, "to keep")
    with pytest.raises(EngineError, match="protect"):
        stack.destroy("--skip-preview=false")
    assert set(stack.refresh().up().counts()) == {"same"}
    with pytest.raises(EngineError, match="protect"):
        stack.destroy()
    assert _is_whole(stack.aws, models)

    stack.project.pulumi("state", "unprotect", "--all", "--yes", "--stack", "registry")
    with pytest.raises(EngineError, match="BucketNotEmpty"):
        stack.destroy()
    assert models.resolve("iris/1").manifest.version == 1
    stack.up()
    assert _is_whole(stack.aws, models)

    objects = stack.aws.client("s3").list_object_versions(Bucket=BUCKET)
    for version in [*objects["Versions"], *objects.get("DeleteMarkers", [])]:
        stack.aws.client("s3").delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    stack.project.pulumi("state", "unprotect", "--all", "--yes", "--stack", "registry")
    stack.destroy()
    # What lets API Gateway write logs is the account's: a destroy takes it away from nobody.
    role = stack.aws.client("apigateway").get_account()["cloudwatchRoleArn"]
    roles = set(inventory(stack.aws)["roles"])
    left = roles - set(before["roles"])
    assert role.rpartition("/")[2] in roles
    assert all(name.startswith("api-logging-role-") for name in left)
    assert inventory(stack.aws) | {"roles": before["roles"]} == before


def test_a_role_that_another_team_gave_to_api_gateway_is_left_alone(registry_stack: EngineStack) -> None:
    gateway, theirs = registry_stack.aws.client("apigateway"), "arn:aws:iam::000000000000:role/of-another-team"
    before = gateway.get_account().get("cloudwatchRoleArn", "")
    try:
        _write_logs_as(gateway, theirs)
        registry_stack.up()
        assert "API Gateway writes its logs as " + theirs in registry_stack.output
        assert not registry_stack.changed() & {"Account", "Role", "RolePolicyAttachment"}
        assert set(registry_stack.up().counts()) == {"same"}
        registry_stack.project.pulumi("state", "unprotect", "--all", "--yes", "--stack", "registry")
        registry_stack.destroy()
        assert gateway.get_account()["cloudwatchRoleArn"] == theirs
    finally:
        _write_logs_as(gateway, before)


def test_a_registry_in_use_is_locked_by_an_update_that_replaces_nothing(registry_stack: EngineStack) -> None:
    stack, place = registry_stack.up(), {"Bucket": BUCKET, "Key": "models/iris/tags/prod.json"}
    s3 = stack.aws.client("s3")
    stack.set(objectLockDays=1, auditTrail=True, verifier=True, rolePolicies=["reader", "auditor"])
    assert "BucketObjectLockConfiguration" in stack.up().changed()
    assert set(stack.counts()) == {"create", "same"}
    _is_logged(stack)
    _verifies(stack)
    place["VersionId"] = s3.put_object(**place, Body=b"1")["VersionId"]
    assert s3.head_object(**place)["ObjectLockMode"] == "GOVERNANCE"
    _reads_and_does_no_more(stack)
    stack.set(objectLockDays=2, rolePolicies=["auditor", "promoter@prod"])
    assert stack.up().counts() == {"create": 1, "update": 2, "delete": 1, "same": stack.counts()["same"]}
    assert set(stack.outputs["policyArns"]) == {"auditor", "promoter@prod"}
    stack.unset("objectLockDays", "auditTrail", "verifier", "rolePolicies")
    with pytest.raises(EngineError, match="protect"):
        stack.up()
    stack.project.pulumi("state", "unprotect", "--all", "--yes", "--stack", "registry")
    assert set(stack.up().counts()) == {"delete", "same"}
    s3.delete_object(**place, BypassGovernanceRetention=True)
    s3.delete_bucket(Bucket=BUCKET)


def _reads_and_does_no_more(stack: EngineStack) -> None:
    """Who has the IAM policy of the role `reader` and nothing else."""
    iam, user, arn = stack.aws.client("iam"), "who-reads", stack.outputs["policyArns"]["reader"]
    iam.create_user(UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    s3 = client_as(stack.aws.url, "s3", key["AccessKeyId"], key["SecretAccessKey"])
    assert s3.get_object(Bucket=BUCKET, Key="models/iris/tags/prod.json")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BUCKET, Key="models/iris/tags/prod.json", Body=b"2")
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=BUCKET, Key="models/iris/tags/prod.json")


@pytest.mark.soak  # tests/infra/test_registry_policies.py has the refusal, this how the engine shows it
def test_a_policy_that_iam_would_not_take_stops_the_preview_in_one_line(registry_stack: EngineStack) -> None:
    registry_stack.set(
        rolePolicies=[f"deployer:{'m' * 32}@{'s' * 32}"],
        permissionsBoundaryArn=f"arn:aws:iam::000000000000:policy/{'of/the/company/' * 30}{'p' * 128}",
    )
    with pytest.raises(EngineError, match="IAM takes 6,144: name a model and a stack of 38 characters"):
        registry_stack.preview()
    assert "Traceback" not in registry_stack.output


def _is_logged(stack: EngineStack) -> None:
    cloudtrail = stack.aws.client("cloudtrail")
    (trail,) = cloudtrail.describe_trails()["trailList"]
    assert trail["S3BucketName"] == stack.outputs["auditBucket"]
    assert cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
    (selector,) = cloudtrail.get_event_selectors(TrailName=trail["TrailARN"])["AdvancedEventSelectors"]
    fields = {one["Field"]: one.get("Equals") or one.get("StartsWith") for one in selector["FieldSelectors"]}
    assert fields["resources.ARN"] == [f"arn:aws:s3:::{BUCKET}/"]
    policy = json.loads(stack.aws.client("s3").get_bucket_policy(Bucket=trail["S3BucketName"])["Policy"])
    trails = policy["Statement"][1]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert fnmatch(trail["TrailARN"], trails)


def _verifies(stack: EngineStack) -> None:
    client = stack.aws.client
    (project,) = client("codebuild").batch_get_projects(names=[stack.outputs["verifierProject"]])["projects"]
    bucket, _, key = project["source"]["location"].partition("/")
    code = client("s3").get_object(Bucket=bucket, Key=key, VersionId=project["sourceVersion"])["Body"].read()
    with zipfile.ZipFile(BytesIO(code)) as archive:
        assert {"model_registry/verifier.py", REQUIREMENTS.name} <= set(archive.namelist())
    role = client("iam").get_role(RoleName=project["serviceRole"].rpartition("/")[2])["Role"]
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert trusted == project["arn"]
    (name,) = client("iam").list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    policy = client("iam").get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
    (taken,) = (one for one in policy["Statement"] if one["Action"] == "s3:GetObjectVersion")
    assert taken["Resource"].endswith(f":::{bucket}/{key}")
    assert taken["Condition"]["StringEquals"]["s3:VersionId"] == project["sourceVersion"]
    assert log_group(BUCKET) in inventory(stack.aws)["log groups"]
    started = client("codebuild").start_build(projectName=project_name(BUCKET))["build"]
    assert started["environment"]["environmentVariables"] == [{"name": "MODEL_REGISTRY", "value": BUCKET}]


def _write_logs_as(gateway: Any, role: str) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    gateway.update_account(patchOperations=patch)


def _is_whole(aws: LocalAws, models: Registry) -> bool:
    s3 = aws.client("s3")
    versioning = s3.get_bucket_versioning(Bucket=BUCKET)["Status"]
    blocked = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    return (versioning, all(blocked.values()), models.resolve("iris/1").manifest.version) == ("Enabled", True, 1)
