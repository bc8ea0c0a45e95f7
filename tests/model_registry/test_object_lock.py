"""A bucket that locks its objects: every write has the checksum that S3 wants then, and a dropped move is found."""

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.audit import audit
from model_registry.records import tag_key
from model_registry.reference import VersionRef
from model_runtime import uploads
from model_runtime.errors import NotFoundError
from tests.model_registry.processes import add
from tests.model_runtime.test_storage_hostile import Answer, Service, error_of
from tests.model_runtime.test_storage_hostile import service as service  # noqa: PLC0414  # a fixture

KEY = tag_key("iris", "prod")


@pytest.fixture(params=["GOVERNANCE", "COMPLIANCE"])
def locked(aws: LocalAws, bucket: str, request: pytest.FixtureRequest) -> str:
    rule = {"DefaultRetention": {"Mode": request.param, "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    aws.client("s3").put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    return bucket


def versions(aws: LocalAws, bucket: str, key: str = KEY) -> list[Any]:
    """The stored versions of an object, newest first."""
    found = aws.client("s3").list_object_versions(Bucket=bucket, Prefix=key).get("Versions", [])
    return [one for one in found if one["Key"] == key]


@pytest.mark.usefixtures("locked")
def test_tags_move_and_versions_are_deleted_under_a_lock(registry: Registry, storage: Storage, bucket: str) -> None:
    for number in (1, 2, 3):
        add(storage, "iris", b"%d" % number)
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "prod")
    registry.rollback("iris@prod")
    registry.deprecate("iris/2", reason="old")
    registry.undeprecate("iris/2")
    registry.delete(VersionRef("iris", 3), reason="wrong")
    with pytest.raises(NotFoundError):
        registry.resolve("iris/3")
    assert list(registry.gc()) == []
    assert add(storage, "iris", b"4").manifest.version == 4
    assert audit(bucket, "iris@prod") == []


def test_the_last_move_cannot_be_dropped_unseen(
    aws: LocalAws, locked: str, registry: Registry, storage: Storage
) -> None:
    """By the way that leaves no trace without a lock: the newest version of the tag object is deleted for good."""
    for number in (1, 2):
        add(storage, "iris", b"%d" % number)
        registry.tag(f"iris/{number}", "prod")
    s3 = aws.client("s3")
    last, before = versions(aws, locked)[:2]
    with pytest.raises(ClientError, match="object lock"):
        s3.delete_object(Bucket=locked, Key=KEY, VersionId=last["VersionId"])
    assert audit(locked, "iris@prod") == []

    old = s3.get_object(Bucket=locked, Key=KEY, VersionId=before["VersionId"])["Body"].read()
    s3.put_object(Bucket=locked, Key=KEY, Body=old)
    assert registry.tag_of("iris@prod").version == 1, "the registry cannot see it"
    (fault,) = audit(locked, "iris@prod")
    assert re.search("it was cut: 2 moves were stored before, 1 are left", fault)


def test_every_write_has_a_checksum(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon S3 refuses each that has none where a bucket has a default retention; MiniStack does not."""
    monkeypatch.setattr(uploads, "PART", 5 << 20)
    there = "/models/models/.probe/conditional-writes"
    service.objects[there] = b"honoured\n"

    def answer(method: str, path: str, headers: Any) -> Answer | None:
        if method == "PUT" and not (headers.get("Content-MD5") or headers.get("x-amz-checksum-sha256")):
            return error_of("InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required", 400)
        if method == "POST" and "uploads" in path:
            return 200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        if method == "POST" and "uploadId" in path:
            taken = error_of("PreconditionFailed", "it exists", 412)
            return taken if path.startswith(there) else (200, b"<CompleteMultipartUploadResult/>")
        return None

    service.answer = answer
    storage = Storage.open("models")
    storage.create("small", b"1", token="mine")  # noqa: S106  # no password
    storage.replace("small", b"2", '"1"')
    storage.overwrite("small", b"3")
    storage.create("middle", bytes(2 << 20))
    (tmp_path / "large").write_bytes(bytes(11 << 20))
    storage.create("large", tmp_path / "large")
    parts = [one for one in service.requests if one.startswith("PUT /models/large?")]
    assert len(parts) == 3
