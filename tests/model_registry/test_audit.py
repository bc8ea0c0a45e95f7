"""The versions that S3 keeps of a tag object show what the object alone cannot."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.audit import audit
from model_registry.records import tag_key
from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    CredentialsError,
    InvalidNameError,
    NotFoundError,
    StorageError,
)
from model_runtime.manifest import encode
from tests.model_registry.processes import add

KEY = tag_key("iris", "prod")
STORED = r"iris@prod, as stored 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 \(version [0-9a-f-]+\): "


@pytest.fixture(autouse=True)
def tag(storage: Storage, registry: Registry) -> None:
    """The tag prod of iris after four moves, beside a tag whose key begins like it."""
    for number in range(1, 5):
        add(storage, "iris", str(number).encode())
        registry.tag(f"iris/{number}", "prod", reason=f"reason {number}")
    registry.tag("iris/1", "prod-eu")


def rewrite(storage: Storage, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the tag object as somebody who may write to the bucket can."""
    stored = storage.read(KEY)
    assert stored is not None
    document = msgspec.json.decode(stored.data)
    edit(document)
    storage.replace(KEY, msgspec.json.encode(document), stored.etag)


def cut(document: dict[str, Any], moves: int) -> None:
    del document["history"][-moves:]
    document["version"] = document["history"][-1]["to_version"]


def test_a_history_that_was_only_continued_is_in_order(bucket: str, registry: Registry) -> None:
    assert audit(bucket, "iris@prod") == []
    registry.rollback("iris@prod")
    registry.untag("iris@prod")
    assert audit(f"s3://{bucket}", "iris@prod") == []
    assert audit(bucket, "iris@prod-eu") == []


@pytest.mark.parametrize("moves", [1, 2, 3])
def test_dropped_last_moves_are_reported_though_the_object_alone_looks_whole(
    bucket: str, storage: Storage, registry: Registry, moves: int
) -> None:
    rewrite(storage, lambda document: cut(document, moves))
    assert registry.tag_of("iris@prod").version == 4 - moves, "the registry cannot see it"
    (fault,) = audit(bucket, "iris@prod")
    assert_matches(f"{STORED}it was cut: 4 moves were stored before, {4 - moves} are left", fault)


def test_a_cut_shows_also_after_further_moves(bucket: str, storage: Storage, registry: Registry) -> None:
    rewrite(storage, lambda document: cut(document, 2))
    registry.tag("iris/3", "prod")
    registry.tag("iris/1", "prod")
    (fault,) = audit(bucket, "iris@prod")
    assert "it was cut: 4 moves were stored before, 2 are left" in fault


@pytest.mark.parametrize(
    ("field", "value"),
    [("by", "somebody else"), ("reason", "none"), ("at", "2099-01-01T00:00:00Z"), ("id", "0"), ("action", "promote")],
)
def test_an_edit_of_the_last_move_is_reported(
    bucket: str, storage: Storage, registry: Registry, field: str, value: str
) -> None:
    rewrite(storage, lambda document: document["history"][-1].update({field: value}))
    assert registry.tag_of("iris@prod").version == 4, "the registry cannot see it"
    (fault,) = audit(bucket, "iris@prod")
    assert_matches(f"{STORED}it was rewritten: move 4 is not what was stored before", fault)


def test_a_history_that_was_forged_as_a_whole_is_reported(bucket: str, storage: Storage, registry: Registry) -> None:
    """Whoever may write to the bucket can compute a chain that holds."""
    forged = Registry(storage, actor="a forger")
    prod = storage.read(KEY)
    for version in (4, 3, 2, 1):
        forged.tag(f"iris/{version}", "forged")
    other = msgspec.json.decode(encode(forged.tag_of("iris@forged")))
    assert prod is not None
    storage.replace(KEY, msgspec.json.encode(other | {"tag": "prod"}), prod.etag)
    assert registry.tag_of("iris@prod").version == 1, "the registry cannot see it"
    (fault,) = audit(bucket, "iris@prod")
    assert_matches(f"{STORED}it was rewritten: move 1, 2, 3, 4 is not what was stored before", fault)


def test_a_deleted_tag_object_is_reported(bucket: str, storage: Storage, registry: Registry) -> None:
    storage.delete(KEY)
    registry.tag("iris/1", "prod")
    deleted, cut_off = audit(bucket, "iris@prod")
    assert_matches(r"iris@prod: the tag object was deleted 20\S+, the registry never does that", deleted)
    assert_matches(f"{STORED}it was cut: 4 moves were stored before, 0 are left", cut_off)


def test_a_stored_version_that_was_removed_for_good_leaves_a_gap(aws: LocalAws, bucket: str) -> None:
    s3 = aws.client("s3")
    newest_first = [v for v in s3.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"] if v["Key"] == KEY]
    s3.delete_object(Bucket=bucket, Key=KEY, VersionId=newest_first[1]["VersionId"])
    (fault,) = audit(bucket, "iris@prod")
    assert_matches(f"{STORED}it has 2 moves more than the version stored before: those in between were removed", fault)


def test_the_oldest_stored_versions_may_have_expired(aws: LocalAws, bucket: str) -> None:
    s3 = aws.client("s3")
    newest_first = [v for v in s3.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"] if v["Key"] == KEY]
    for version in newest_first[2:]:
        s3.delete_object(Bucket=bucket, Key=KEY, VersionId=version["VersionId"])
    assert audit(bucket, "iris@prod") == []


def test_a_broken_chain_and_an_unreadable_version_are_reported_where_they_were_stored(
    bucket: str, storage: Storage
) -> None:
    whole = storage.read(KEY)
    assert whole is not None
    rewrite(storage, lambda document: document["history"][1].update(by="somebody else"))
    broken = storage.read(KEY)
    assert broken is not None
    storage.replace(KEY, b"{", broken.etag)
    unreadable = storage.read(KEY)
    assert unreadable is not None
    storage.replace(KEY, whole.data, unreadable.etag)
    chain, rewritten, damaged, mended = audit(bucket, "iris@prod")
    assert_matches(f"{STORED}iris@prod: move 3 does not follow from move 2, which was edited", chain)
    assert_matches(f"{STORED}it was rewritten: move 2 is not what was stored before", rewritten)
    assert_matches(f"{STORED}the tag cannot be read", damaged)
    assert_matches(f"{STORED}it was rewritten: move 2 is not what was stored before", mended)


def test_without_versioning_the_audit_says_that_it_cannot_tell(aws: LocalAws, bucket: str) -> None:
    aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    (fault,) = audit(bucket, "iris@prod")
    assert_matches(rf"s3://{bucket} keeps no versions of its objects \(versioning is Suspended\)", fault)


def test_what_cannot_be_audited_is_said_in_words(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidNameError, match="iris/1 is a version, only a tag has a history"):
        audit(bucket, "iris/1")
    with pytest.raises(NotFoundError, match="there never was a tag iris@none"):
        audit(bucket, "iris@none")
    with pytest.raises(BucketNotFoundError, match="s3://there-is-none: there is no such bucket"):
        audit("there-is-none", "iris@prod")
    with pytest.raises(CredentialsError, match="nobody"):
        audit(bucket, "iris@prod", profile="nobody")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=f"s3://{bucket}: cannot read the versions of objects"):
        audit(bucket, "iris@prod")


@pytest.mark.usefixtures("outsider")
def test_a_user_without_rights_is_told_which_are_needed(bucket: str) -> None:
    with pytest.raises(
        AccessDeniedError, match="s3:ListBucketVersions, s3:GetBucketVersioning and s3:GetObjectVersion"
    ):
        audit(bucket, "iris@prod")


def assert_matches(pattern: str, text: str) -> None:
    assert re.match(pattern, text), text
