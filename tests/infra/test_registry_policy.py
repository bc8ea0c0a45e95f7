"""What the registry's bucket refuses to everybody, whatever their own policies allow."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from obstore.store import MemoryStore

from infra import policies
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_runtime.storage import Content
from tests.iam import Asked, decisions, lint
from tests.model_registry.processes import add

ARN = "arn:aws:s3:::models-of-ours"
ALL: dict[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
NEW, SAME = {"s3:if-none-match": "*"}, {"s3:if-match": '"0a1b"'}
ADMIN = "arn:aws:iam::123456789012:role/admins/registry"


def put(key: str, keys: Mapping[str, str] = MappingProxyType({}), *, creates: bool = True) -> Asked:
    """A PutObject by somebody who may do all, as IAM sees it; a part of an upload creates no object."""
    creation = {"s3:ObjectCreationOperation": str(creates).lower()}
    return Asked("s3:PutObject", f"{ARN}/{key}", ALL, policies.registry_bucket(ARN), {**creation, **keys})


def test_versions_are_written_once_and_tags_by_compare_and_swap() -> None:
    """By MiniStack's evaluator: its S3 does not fill in these keys, so that it lets all of it pass."""
    files = [
        *(f"models/iris/versions/3/{file}" for file in ("model.joblib", "manifest.json", "deprecated.json", "x/y.whl")),
        *("models/iris/history/prod/000000001.json", "anything"),
    ]
    replaced = ["models/iris/tags/prod.json", "models/iris/counter.json", "models/iris/versions/3/deleted.json"]
    allowed = [
        *(put(key, NEW) for key in [*files, *replaced]),
        *(put(key, SAME) for key in replaced),
        *(put(key, creates=False) for key in files),
        put("models/.probe/0a"),
    ]
    refused = [*(put(key, SAME) for key in files), *(put(key) for key in [*files, *replaced])]
    assert decisions(allowed) == ["Allow"] * len(allowed)
    assert decisions(refused) == ["Deny"] * len(refused)


class Recorded(Storage):
    """Storage in memory that notes each write as IAM would see it."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory")
        self.writes: list[Asked] = []

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        self.writes.append(put(key, NEW))
        super().create(key, data, token=token)

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        self.writes.append(put(key, SAME))
        super().replace(key, data, etag)

    def overwrite(self, key: str, data: bytes) -> None:
        self.writes.append(put(key))
        super().overwrite(key, data)


def test_the_registrys_own_writes_are_none_of_what_is_refused() -> None:
    storage = Recorded()
    registry = Registry(storage, actor="the tests")
    for model in (b"first", b"second", b"third"):
        add(storage, "iris", model)
    registry.tag("iris/1", "prod")
    registry.promote("iris", version=2, to_tag="prod")
    registry.rollback("iris@prod")
    for _ in range(90):  # until older moves go into a segment
        registry.tag("iris/1", "dev")
        registry.tag("iris/2", "dev")
    registry.untag("iris@dev")
    registry.set_rules("iris@prod", Gates(allow_breaking=True), reason="all")
    registry.deprecate("iris/2", reason="old")
    registry.delete(VersionRef("iris", 3), reason="wrong")
    keys = {one.resource.rpartition("/")[2] for one in storage.writes}
    assert {"model.joblib", "manifest.json", "counter.json", "prod.json", "deprecated.json", "deleted.json"} <= keys
    assert any("/history/" in one.resource for one in storage.writes)
    assert set(decisions(storage.writes)) == {"Allow"}


OTHER = "210987654321"
OTHER_ACCOUNT = f"arn:aws:iam::{OTHER}:root"


def test_an_account_among_the_readers_reads_and_changes_nothing() -> None:
    """Where its own policies let it, too; an account that is not among them reads nothing."""
    mine = policies.registry_bucket(ARN, readers=[OTHER_ACCOUNT], organization="o-a1b2c3d4e5")

    def asked(action: str, resource: str, account: str = OTHER, organization: str = "o-a1b2c3d4e5") -> Asked:
        keys = {"aws:PrincipalOrgID": organization, "aws:PrincipalAccount": account}
        return Asked(action, resource, ALL, mine, {**NEW, **keys}, f"arn:aws:iam::{account}:role/of-a-function")

    model = f"{ARN}/models/iris/versions/3/model.joblib"
    assert decisions([asked("s3:GetObject", model), asked("s3:ListBucket", ARN)]) == ["Allow"] * 2
    refused = [
        asked("s3:PutObject", f"{ARN}/models/iris/versions/4/model.joblib"),
        asked("s3:DeleteObject", model),
        asked("s3:GetObject", model, account="444455556666"),
        asked("s3:GetObject", model, organization="o-ofothers00"),
    ]
    assert "Allow" not in decisions(refused)


def test_a_linter_finds_nothing() -> None:
    assert (
        lint(policies.registry_bucket(ARN, admins=[ADMIN], organization="o-a1b2c3d4e5", readers=[OTHER_ACCOUNT])) == []
    )


@pytest.fixture
def guarded(aws: LocalAws, bucket: str, outsider: str) -> Callable[..., Any]:
    """Give a bucket its policy, and return the S3 client of somebody who may do all that the bucket lets them.

    The rule on TLS is left out, which the local AWS does not speak.
    """

    def guard(**settings: Any) -> Any:
        policy = json.loads(policies.registry_bucket(f"arn:aws:s3:::{bucket}", **settings))
        policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != "TlsOnly"]
        aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        document = json.dumps(ALL | {"Version": "2012-10-17"})
        aws.client("iam").put_user_policy(UserName=outsider, PolicyName="all", PolicyDocument=document)
        return boto3.session.Session(region_name="us-east-1").client("s3")

    return guard


def test_nobody_but_an_admin_deletes_a_version_for_good(
    guarded: Callable[..., Any], bucket: str, outsider: str
) -> None:
    s3 = guarded()
    version = s3.put_object(Bucket=bucket, Key="models/iris/versions/1/model.joblib", Body=b"x")["VersionId"]
    there = {"Bucket": bucket, "Key": "models/iris/versions/1/model.joblib"}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**there, VersionId=version)
    s3.delete_object(**there)
    assert s3.get_object(**there, VersionId=version)["Body"].read() == b"x"

    s3 = guarded(admins=[f"arn:aws:iam::000000000000:user/{outsider}"])
    s3.delete_object(**there, VersionId=version)
    with pytest.raises(ClientError, match="NoSuch"):
        s3.get_object(**there, VersionId=version)


def test_nobody_outside_of_the_organization_uses_the_bucket(
    guarded: Callable[..., Any], aws: LocalAws, bucket: str
) -> None:
    s3 = guarded(organization="o-ofothers00")
    for call in (s3.list_objects_v2, lambda **bucket: s3.put_object(Key="models/x", Body=b"", **bucket)):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(Bucket=bucket)
    mine = aws.client("organizations").describe_organization()["Organization"]["Id"]
    s3 = guarded(organization=mine)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
