import hashlib
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pulumi import FileAsset

import tests.local.made as made_module
from local.errors import UnsupportedError
from local.resources import RESOURCES
from tests.local.made import (
    ACCESS,
    ATTACHMENT,
    BASIC,
    BUCKET,
    BUCKET_POLICY,
    ENCRYPTION,
    GROUP,
    LIFECYCLE,
    LOCK,
    MANAGED_POLICY,
    OBJECT,
    OWNERSHIP,
    PROJECT,
    READ,
    ROLE,
    ROLE_POLICY,
    TRAIL,
    TRUST,
    VERSIONING,
    Made,
    make_bucket,
)


def test_a_bucket_takes_each_of_its_settings(made: Made) -> None:
    """What the program declares is what S3 says of the bucket."""
    s3 = made.aws.client("s3")
    bucket = make_bucket(made)
    assert made.outputs[BUCKET]["arn"] == f"arn:aws:s3:::{bucket}"
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "project", "Value": "test"}]

    made.make(VERSIONING, bucket=bucket, versioningConfiguration={"status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"

    made.make(ACCESS, bucket=bucket, blockPublicAcls=True, blockPublicPolicy=True, restrictPublicBuckets=True)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": False,
        "RestrictPublicBuckets": True,
    }

    encryption = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": True}
    made.make(ENCRYPTION, bucket=bucket, rules=[encryption])
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}

    made.make(OWNERSHIP, bucket=bucket, rule={"objectOwnership": "BucketOwnerEnforced"})
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}

    rules = [{"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}]
    made.make(LIFECYCLE, bucket=bucket, rules=rules)
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert (lifecycle["ID"], lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"]) == ("old", 30)


@pytest.mark.parametrize("form", [json.dumps, lambda document: document])
def test_a_bucket_policy_is_text_or_a_document(made: Made, form: Any) -> None:
    """Both forms of the input reach S3 as the same policy."""
    bucket = make_bucket(made)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    made.make(BUCKET_POLICY, bucket=bucket, policy=form(policy))
    assert json.loads(made.aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]) == policy


def test_a_changed_setting_of_a_bucket_is_put_again(made: Made) -> None:
    """A bucket keeps its objects through changes of versioning and tags."""
    s3 = made.aws.client("s3")
    bucket = make_bucket(made)
    made.make(VERSIONING, bucket=bucket, versioningConfiguration={"status": "Enabled"})
    made.update(VERSIONING, versioningConfiguration={"status": "Suspended"})
    made.update(BUCKET, tags={})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=bucket)


def test_a_bucket_is_locked_and_a_trail_logs_what_is_written_there(made: Made) -> None:
    """Both follow a change of the program."""
    bucket = make_bucket(made)
    made.make(VERSIONING, bucket=bucket, versioningConfiguration={"status": "Enabled"})
    made.make(LOCK, bucket=bucket, rule={"defaultRetention": {"mode": "GOVERNANCE", "days": 1}})
    made.update(LOCK, rule={"defaultRetention": {"mode": "GOVERNANCE", "days": 2}})
    lock = made.aws.client("s3").get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 2}

    fields = [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
    ]
    selectors = [{"name": "writes", "fieldSelectors": fields}]
    made.make(TRAIL, name=made.name, s3BucketName=bucket, advancedEventSelectors=selectors)
    made.update(TRAIL, s3KeyPrefix="logs")
    cloudtrail = made.aws.client("cloudtrail")
    assert cloudtrail.get_trail(Name=made.name)["Trail"]["S3KeyPrefix"] == "logs"
    assert cloudtrail.get_trail_status(Name=made.name)["IsLogging"] is True


def test_a_project_follows_a_change(made: Made) -> None:
    made.make(
        PROJECT,
        name=made.name,
        serviceRole="arn:aws:iam::000000000000:role/x",
        source={"type": "S3", "location": "bucket/key.zip", "buildspec": "{}"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "computeType": "BUILD_GENERAL1_SMALL", "image": "x"},
        logsConfig={"cloudwatchLogs": {"status": "ENABLED", "groupName": "x"}},
        tags={"a": "b"},
    )
    made.update(PROJECT, sourceVersion="2", buildTimeout=5)
    (project,) = made.aws.client("codebuild").batch_get_projects(names=[made.name])["projects"]
    assert (project["sourceVersion"], project["timeoutInMinutes"]) == ("2", 5)
    assert project["tags"] == [{"key": "a", "value": "b"}]


def test_an_object_comes_from_a_file_or_from_text(made: Made, tmp_path: Path) -> None:
    """Its bytes and headers are those of the program, also after a change."""
    s3 = made.aws.client("s3")
    bucket = make_bucket(made)
    file = tmp_path / "data.bin"
    file.write_bytes(b"\x00\x01")
    made.make(OBJECT, bucket=bucket, key="a/b", source=FileAsset(file), contentType="x/y", sourceHash="any")
    read = s3.get_object(Bucket=bucket, Key="a/b")
    assert (read["Body"].read(), read["ContentType"]) == (b"\x00\x01", "x/y")
    assert made.outputs[OBJECT]["etag"] == hashlib.md5(b"\x00\x01").hexdigest()  # noqa: S324  # S3's own ETag
    del made.inputs[OBJECT]["source"]
    made.update(OBJECT, content="text", tags={"a": "b"})
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"text"
    assert made.ids[OBJECT] == f"{bucket}/a/b"


def test_a_role_has_its_trust_policy_and_attachment(made: Made) -> None:
    """And each follows a change of the program."""
    iam = made.aws.client("iam")
    name = made.make(ROLE, name=made.name, assumeRolePolicy=json.loads(TRUST), tags={"a": "b"})["name"]
    made.make(ROLE_POLICY, role=name, name="read", policy=READ)
    made.make(ATTACHMENT, role=name, policyArn=BASIC)
    role = iam.get_role(RoleName=name)["Role"]
    assert (role["AssumeRolePolicyDocument"], role["Arn"]) == (json.loads(TRUST), made.outputs[ROLE]["arn"])
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"][0]["PolicyArn"] == BASIC

    made.update(ROLE, description="new")
    made.update(ROLE_POLICY, policy=READ.replace("GetObject", "ListBucket"))
    assert iam.get_role(RoleName=name)["Role"]["Description"] == "new"
    policy = iam.get_role_policy(RoleName=name, PolicyName="read")["PolicyDocument"]
    assert policy["Statement"][0]["Action"] == "s3:ListBucket"


def test_a_managed_policy_has_the_document_of_the_program_alone(made: Made) -> None:
    """The versions before it go, as IAM keeps five."""
    iam = made.aws.client("iam")
    arn = made.make(MANAGED_POLICY, name=made.name, policy=READ, tags={"a": "b"})["arn"]
    made.update(MANAGED_POLICY, policy=READ.replace("GetObject", "ListBucket"))
    (version,) = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version["VersionId"])["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == "s3:ListBucket"


def test_a_log_group_keeps_its_lines_for_the_given_days(made: Made) -> None:
    """Without a number of days it keeps them for good."""
    logs = made.aws.client("logs")
    group = made.make(GROUP, name=f"/test/{made.name}", retentionInDays=14, tags={"a": "b"})
    read = logs.describe_log_groups(logGroupNamePrefix=group["name"])["logGroups"][0]
    assert (read["retentionInDays"], read["arn"].removesuffix(":*")) == (14, group["arn"])
    made.update(GROUP, retentionInDays=None)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=group["name"])["logGroups"][0]


def test_every_type_of_the_table_is_made_by_a_test() -> None:
    """A type that is added without a test fails here."""
    sources = [path.read_text() for path in Path(__file__).parent.glob("*.py")]
    names = re.findall(r"made\.make\(\s*([A-Z0-9_]+)", " ".join(sources))
    assert {getattr(made_module, name) for name in names} == set(RESOURCES)


@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_a_token_is_one_of_pulumi_aws(token: str) -> None:
    """A typo in the table would be found by a program only."""
    module, _, name = token.removeprefix("aws:").partition("/")
    found = importlib.import_module(f"pulumi_aws.{'lambda_' if module == 'lambda' else module}")
    assert found is not None
    cls = getattr(found, name.partition(":")[2])
    assert cls.pulumi_type == token


def test_an_unknown_input_is_refused_by_its_name() -> None:
    """A setting that would be dropped in silence is worse than none."""
    with pytest.raises(
        UnsupportedError, match=r"^models \(aws:s3/bucket:Bucket\) sets acl, websites, which the local AWS"
    ):
        RESOURCES[BUCKET].complete(
            BUCKET, f"urn:pulumi:dev::p::{BUCKET}::models", {"websites": 1, "acl": 1, "region": "r"}
        )
