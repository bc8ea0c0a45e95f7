import pytest

from infra.api_logging import ApiGatewayLogging
from infra.artifact_bucket import ArtifactBucket
from infra.registry_bucket import RegistryBucket
from infra.settings import RegistrySettings
from tests.infra.recording import Recording, record


@pytest.fixture(params=["registry", "artifacts"])
def bucket(request: pytest.FixtureRequest) -> Recording:
    """Either bucket: what makes a bucket safe is the same for both."""
    if request.param == "registry":
        return record(lambda: RegistryBucket("models", bucket_name="models-of-ours"))
    return record(lambda: ArtifactBucket("models"))


def test_a_bucket_is_closed_to_the_public(bucket: Recording) -> None:
    inputs = bucket.one("BucketPublicAccessBlock").inputs
    assert {inputs[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls")} == {True}
    assert inputs["restrictPublicBuckets"] is True


def test_a_bucket_is_encrypted_versioned_and_has_no_acls(bucket: Recording) -> None:
    rule = bucket.one("BucketServerSideEncryptionConfiguration").inputs["rules"][0]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    assert bucket.one("BucketVersioning").inputs["versioningConfiguration"]["status"] == "Enabled"
    assert bucket.one("BucketOwnershipControls").inputs["rule"]["objectOwnership"] == "BucketOwnerEnforced"


def test_a_bucket_takes_tls_only(bucket: Recording) -> None:
    assert "aws:SecureTransport" in bucket.one("BucketPolicy").inputs["policy"]


def test_the_registry_has_the_name_that_was_given_and_keeps_its_objects() -> None:
    inputs = record(lambda: RegistryBucket("models", bucket_name="models-of-ours")).one("Bucket").inputs
    assert inputs["bucket"] == "models-of-ours"
    assert not inputs["forceDestroy"]


def test_the_registry_locks_its_objects_where_that_is_asked_for() -> None:
    settings = RegistrySettings(registry_bucket="models-of-ours", object_lock_days=30, object_lock_mode="compliance")
    recording = record(lambda: RegistryBucket("models", bucket_name="models-of-ours", account=settings))
    lock = recording.one("BucketObjectLockConfiguration").inputs
    assert lock["rule"] == {"defaultRetention": {"mode": "COMPLIANCE", "days": 30}}
    assert "objectLockEnabled" not in recording.one("Bucket").inputs, "which would replace a bucket that is there"
    assert not record(lambda: RegistryBucket("models", bucket_name="models-of-ours")).all(
        "BucketObjectLockConfiguration"
    )


def test_the_artifact_bucket_goes_with_its_stack() -> None:
    inputs = record(lambda: ArtifactBucket("models")).one("Bucket").inputs
    assert "bucket" not in inputs
    assert inputs["forceDestroy"] is True


def test_api_gateway_may_write_access_logs_before_it_is_told_to() -> None:
    recording = record(lambda: ApiGatewayLogging("logging"))
    assert "apigateway.amazonaws.com" in recording.one("Role").inputs["assumeRolePolicy"]
    assert recording.one("RolePolicyAttachment").inputs["policyArn"].endswith("AmazonAPIGatewayPushToCloudWatchLogs")
    assert recording.one("Account").inputs["cloudwatchRoleArn"]


KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
ACCOUNT = RegistrySettings(
    registry_bucket="models-of-ours",
    kms_key_arn=KEY,
    permissions_boundary_arn="arn:aws:iam::123456789012:policy/boundary",
    tags={"team": "a"},
)


def test_with_a_key_a_bucket_is_encrypted_with_it_and_has_the_tags() -> None:
    for recording in (
        record(lambda: RegistryBucket("models", bucket_name="models-of-ours", account=ACCOUNT)),
        record(lambda: ArtifactBucket("models", account=ACCOUNT)),
    ):
        rule = recording.one("BucketServerSideEncryptionConfiguration").inputs["rules"][0]
        default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
        assert rule == {"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": True}
        assert recording.one("Bucket").inputs["tags"] == {"team": "a"}


def test_the_role_of_api_gateway_is_bounded_and_tagged_too() -> None:
    role = record(lambda: ApiGatewayLogging("logging", account=ACCOUNT)).one("Role").inputs
    assert (role["permissionsBoundary"], role["tags"]) == (ACCOUNT.permissions_boundary_arn, {"team": "a"})
