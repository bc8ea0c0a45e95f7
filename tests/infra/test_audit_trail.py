"""What the trail of a registry logs, and who may write and delete its log files."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import policies
from infra.audit_trail import AuditTrail
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings
from local.ministack import LocalAws
from tests.conftest import new_bucket
from tests.iam import Asked, decisions, lint
from tests.infra.recording import ACCOUNT, REGION, Recording, record

LOGS = "arn:aws:s3:::the-logs"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admins/registry"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/registry-audit-trail-0a1b2c3"
FILE = f"{LOGS}/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/26/x.json.gz"
POLICY = policies.audit_log_bucket(LOGS, account=ACCOUNT, region=REGION, trail="registry-audit-trail", admins=[ADMIN])
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def trail(**changes: Any) -> Recording:
    settings = RegistrySettings(registry_bucket="models-of-ours", audit_trail=True, **changes)

    def program() -> None:
        registry = RegistryBucket("registry", bucket_name="models-of-ours", account=settings)
        AuditTrail("registry-audit", registry=registry, account=settings)

    return record(program)


def test_each_change_of_an_object_of_the_registry_is_logged_and_nothing_else() -> None:
    recording = trail()
    inputs = recording.one("Trail").inputs
    (selector,) = inputs["advancedEventSelectors"]
    fields = {one["field"]: one.get("equals") or one.get("startsWiths") for one in selector["fieldSelectors"]}
    registry = next(one for one in recording.all("Bucket") if one.name == "registry-bucket")
    assert fields == {
        "eventCategory": ["Data"],
        "resources.type": ["AWS::S3::Object"],
        "resources.ARN": [f"arn:aws:s3:{REGION}:{ACCOUNT}:{registry.name}/"],  # as the recording makes ARNs
        "readOnly": ["false"],
    }
    assert inputs["enableLogFileValidation"]
    assert inputs["s3BucketName"] == "registry-audit-logs-bucket-id"


def test_the_log_files_are_locked_and_encrypted_as_the_registry_is() -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0-1"
    recording = trail(object_lock_days=30, kms_key_arn=key)
    locks = {one.name for one in recording.all("BucketObjectLockConfiguration")}
    assert locks == {"registry-lock", "registry-audit-logs-lock"}
    assert recording.one("Trail").inputs["kmsKeyId"] == key


def test_a_linter_finds_nothing() -> None:
    assert lint(POLICY) == []


def test_cloudtrail_alone_writes_for_trails_of_that_name() -> None:
    """By MiniStack's evaluator, for somebody whose own policy allows all: the service itself has none."""
    service = {"aws:PrincipalIsAWSService": "true", "aws:SourceArn": TRAIL}
    full = {"s3:x-amz-acl": "bucket-owner-full-control"}
    statement = json.loads(POLICY)["Statement"][2]
    assert statement["Resource"] == f"{LOGS}/AWSLogs/{ACCOUNT}/*"
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"].startswith(TRAIL.rpartition("-")[0])
    assert statement["Condition"]["StringEquals"] == full
    everybody = {"aws:PrincipalIsAWSService": "false"}
    asked = [
        Asked("s3:PutObject", FILE, ALL, POLICY, keys={**service, **full}),
        Asked("s3:PutObject", FILE, ALL, POLICY, keys=everybody),
        Asked("s3:DeleteObject", FILE, ALL, POLICY),
        Asked("s3:DeleteObjectVersion", FILE, ALL, POLICY),
        Asked("s3:DeleteObjectVersion", FILE, ALL, POLICY, principal=ADMIN),
        Asked("s3:GetObject", FILE, ALL, POLICY, keys=everybody),
    ]
    assert decisions(asked) == ["Allow", "Deny", "Deny", "Deny", "Allow", "Allow"]


@pytest.mark.usefixtures("outsider")
def test_nobody_deletes_a_log_file(aws: LocalAws, outsider: str) -> None:
    logs = new_bucket(aws)
    aws.client("s3").put_object(Bucket=logs, Key="AWSLogs/x", Body=b"log")
    policy = json.loads(policies.audit_log_bucket(f"arn:aws:s3:::{logs}", account="0" * 12, region=REGION, trail="t"))
    # The local AWS speaks no TLS, and does not fill in who is a service.
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] not in {"TlsOnly", "OnlyServicesWrite"}]
    aws.client("s3").put_bucket_policy(Bucket=logs, Policy=json.dumps(policy))
    aws.client("iam").put_user_policy(UserName=outsider, PolicyName="all", PolicyDocument=json.dumps(ALL))
    theirs = boto3.session.Session(region_name="us-east-1").client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.delete_object(Bucket=logs, Key="AWSLogs/x")
    assert theirs.get_object(Bucket=logs, Key="AWSLogs/x")["Body"].read() == b"log"
