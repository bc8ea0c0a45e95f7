"""Each role does its work with exactly its policy, where IAM is enforced, and what is another's is refused."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.ministack import LocalAws
from model_registry import Registry, Storage, roles
from model_registry.audit import audit
from model_registry.doctor import findings
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_registry.trail import Trail
from model_runtime.errors import AccessDeniedError
from tests.conftest import new_bucket
from tests.model_registry.processes import add
from training.train_iris import Trained, publish

Verb = Callable[[Registry], object]


@pytest.fixture
def filled(registry: Registry, storage: Storage) -> Registry:
    """A registry with versions of iris, two of which `prod` and `dev` have seen, and one of churn."""
    for model in (b"first", b"second", b"third", b"nobody's"):
        add(storage, "iris", model)
    add(storage, "churn", b"other")
    registry.tag("iris/2", "prod", reason="first")
    registry.tag("iris/1", "prod", reason="second")
    registry.tag("iris/2", "dev", reason="first")
    return registry


@pytest.fixture
def acting(aws: LocalAws, bucket: str, filled: Registry, outsider: str) -> Callable[[dict[str, Any]], Registry]:  # noqa: ARG001  # filled by the account's root, before the credentials are another's
    """Open the registry as somebody who has this policy and nothing else."""

    def act(policy: dict[str, Any]) -> Registry:
        document = json.dumps(policy)
        aws.client("iam").put_user_policy(UserName=outsider, PolicyName="role", PolicyDocument=document)
        return Registry(Storage.open(bucket), actor="somebody", proof="none")

    return act


LOOK: dict[str, Verb] = {
    "models": lambda registry: registry.models(),
    "resolve a version": lambda registry: registry.resolve("iris/1"),
    "resolve a tag": lambda registry: registry.resolve("iris@prod"),
    "history": lambda registry: registry.history("iris@prod"),
}
PUBLISH: dict[str, Verb] = {"publish": lambda registry: add(registry._storage, "iris", b"third")}
MOVE: dict[str, Verb] = {
    "tag": lambda registry: registry.tag("iris/2", "prod"),
    "rollback": lambda registry: registry.rollback("iris@prod"),
    "promote": lambda registry: registry.promote("iris", from_tag="dev", to_tag="prod"),
    "untag": lambda registry: registry.untag("iris@prod"),
    "tag again": lambda registry: registry.tag("iris/3", "prod"),
}
OTHERS: dict[str, Verb] = {
    "publish another model": lambda registry: add(registry._storage, "churn", b"fourth"),
    "another tag": lambda registry: registry.tag("iris/1", "dev"),
    "a tag of another model": lambda registry: registry.tag("churn/1", "prod"),
    "rules": lambda registry: registry.set_rules("iris@prod", Gates(verify=True), reason="mine"),
    "deprecate": lambda registry: registry.deprecate("iris/1", reason="old"),
    "delete": lambda registry: registry.delete(VersionRef("iris", 4), reason="wrong"),
    "write over a version": lambda registry: registry._storage.overwrite("models/churn/versions/1/model.joblib", b"x"),
    "write beside the models": lambda registry: registry._storage.create("backdoor", b"x"),
}


@pytest.fixture
def may(acting: Callable[[dict[str, Any]], Registry], filled: Registry) -> Any:
    """Run what a policy is for, then all else, which is refused and changes nothing."""

    def check(policy: dict[str, Any], work: dict[str, Verb]) -> None:
        registry = acting(policy)
        for name, verb in {**LOOK, **work}.items():
            assert verb(registry) is not None, name
        before = objects(filled)
        for name, verb in {**PUBLISH, **MOVE, **OTHERS}.items():
            if name not in work:
                with pytest.raises(AccessDeniedError):
                    verb(registry)
        assert objects(filled) == before

    return check


def objects(registry: Registry) -> dict[str, bytes]:
    return {key: stored.data for key in registry._storage.keys("") if (stored := registry._storage.read(key))}


def test_a_reader_looks(may: Any, bucket: str) -> None:
    may(roles.reader(bucket), {})


def test_a_role_of_another_accounts_bucket_of_this_name_does_nothing(
    acting: Callable[[dict[str, Any]], Registry], bucket: str
) -> None:
    """Names of buckets are free again once they are deleted, also for others."""
    assert acting(roles.reader(bucket, owner="0" * 12)).resolve("iris/1")
    with pytest.raises(AccessDeniedError):
        acting(roles.reader(bucket, owner="9" * 12)).resolve("iris/1")


def test_a_publisher_publishes_his_model(
    may: Any, acting: Callable[[dict[str, Any]], Registry], bucket: str, trained_iris: Trained
) -> None:
    policy = roles.publisher(bucket, model="iris")
    may(policy, PUBLISH)
    assert publish(acting(policy), trained_iris, "Random forest of the guide").manifest.name == "iris"


def test_a_promoter_moves_his_tag(may: Any, bucket: str) -> None:
    may(roles.promoter(bucket, "prod", model="iris"), MOVE)


def test_a_role_for_one_model_sees_nothing_of_another(
    acting: Callable[[dict[str, Any]], Registry], bucket: str
) -> None:
    for policy in (roles.reader(bucket, model="iris"), roles.auditor(bucket, model="iris")):
        registry = acting(policy)
        assert registry.resolve("iris/1")
        with pytest.raises(AccessDeniedError):
            registry.resolve("churn/1")


def test_an_auditor_also_sees_what_was_and_how_the_bucket_is_protected(may: Any, bucket: str) -> None:
    may(roles.auditor(bucket), {"doctor": lambda registry: list(findings(registry._storage)) or "all is well"})

    theirs = boto3.session.Session(region_name="us-east-1").client("s3")
    was = theirs.list_object_versions(Bucket=bucket, Prefix="models/iris/tags/prod.json")["Versions"]
    assert len(was) > 2
    assert theirs.get_object(Bucket=bucket, Key=was[-1]["Key"], VersionId=was[-1]["VersionId"])["Body"].read()
    assert theirs.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert audit(bucket, "iris@prod") == []
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_an_auditor_reads_the_log_files_of_a_trail(
    acting: Callable[[dict[str, Any]], Registry], aws: LocalAws, bucket: str
) -> None:
    logs = new_bucket(aws)
    acting(roles.auditor(bucket))
    with pytest.raises(AccessDeniedError, match=f"s3://{logs}: not allowed to read the log files"):
        audit(bucket, "iris@prod", trail=Trail(logs))
    acting(roles.auditor(bucket, trail=logs))
    assert "has seen no write" in audit(bucket, "iris@prod", trail=Trail(logs))[0]
    theirs = boto3.session.Session(region_name="us-east-1").client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.put_object(Bucket=logs, Key="AWSLogs/x", Body=b"")


def test_only_an_auditor_sees_what_was(acting: Callable[[dict[str, Any]], Registry], bucket: str) -> None:
    acting(roles.reader(bucket))
    theirs = boto3.session.Session(region_name="us-east-1").client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.list_object_versions(Bucket=bucket)
