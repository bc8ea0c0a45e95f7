"""A purge leaves nothing of a version in a versioned bucket, and says until when a lock keeps what."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.cli import app
from model_registry.folder import open_storage
from model_registry.purge import purge
from model_registry.reference import VersionRef
from model_runtime.errors import AccessDeniedError
from model_runtime.manifest import MODEL_FILE, version_key
from tests.model_registry.processes import add

FIRST = VersionRef("iris", 1)
PREFIX = version_key("iris", 1, "")
MARK = f"{PREFIX}deleted.json"


@pytest.fixture
def two(registry: Registry, storage: Storage) -> Registry:
    for model in (b"first", b"second"):
        add(storage, "iris", model)
    return registry


def stored(aws: LocalAws, bucket: str, prefix: str = PREFIX) -> list[tuple[str, str]]:
    """Every version of every object, and every mark of a deletion."""
    page = aws.client("s3").list_object_versions(Bucket=bucket, Prefix=prefix)
    entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    return [(entry["Key"], entry["VersionId"]) for entry in entries]


def cli(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def delete(bucket: str, *options: str) -> tuple[int, str]:
    return cli("delete", "iris/1", "-m", "asked to", "--by", "me", "-b", bucket, *options)


def test_nothing_is_left_of_a_purged_version_but_its_mark(two: Registry, aws: LocalAws, bucket: str) -> None:
    assert delete(bucket) == (0, "iris/1 is deleted\n")
    assert len(stored(aws, bucket)) > 2, "S3 keeps what was deleted"
    assert delete(bucket, "--purge") == (0, "iris/1 is deleted for good\n")
    assert [key for key, _ in stored(aws, bucket)] == [MARK]
    assert two.resolve("iris/2")
    assert two.is_deleted(FIRST)


@pytest.mark.usefixtures("two")
def test_one_command_deletes_and_purges(aws: LocalAws, bucket: str) -> None:
    code, output = delete(bucket, "--purge", "--json")
    assert (code, json.loads(output)["kept"]) == (0, [])
    assert [key for key, _ in stored(aws, bucket)] == [MARK]


def test_a_version_that_never_was_and_one_in_use_are_not_purged(two: Registry, aws: LocalAws, bucket: str) -> None:
    code, output = cli("delete", "iris/7", "-m", "why", "--by", "me", "-b", bucket, "--purge")
    assert (code, "there is no version iris/7" in output) == (1, True)
    two.tag("iris/1", "prod")
    before = stored(aws, bucket)
    code, output = delete(bucket, "--purge")
    assert (code, "is tagged prod, nothing was deleted" in output) == (1, True)
    assert stored(aws, bucket) == before


@pytest.mark.usefixtures("two")
def test_it_says_until_when_a_lock_keeps_an_object(aws: LocalAws, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)
    key = version_key("iris", 1, MODEL_FILE)
    s3.put_object_retention(Bucket=bucket, Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    code, output = delete(bucket, "--purge")
    assert code == 3
    assert f"{key} (version " in output
    assert f"is locked until {until.isoformat(timespec='seconds')}" in output
    # The deletion before left a marker in front of the locked version, which is purged.
    assert sorted(key for key, _ in stored(aws, bucket)) == [MARK, key]


@pytest.mark.usefixtures("two")
def test_it_is_refused_to_whom_the_bucket_does_not_let(aws: LocalAws, bucket: str, outsider: str) -> None:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allowed = {"Effect": "Allow", "Action": "s3:List*", "Resource": resources}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    aws.client("iam").put_user_policy(UserName=outsider, PolicyName="p", PolicyDocument=document)
    before = stored(aws, bucket)
    with pytest.raises(AccessDeniedError, match="`registryAdmins` of the stack registry, with s3:ListBucketVersions"):
        purge(bucket, FIRST)
    assert stored(aws, bucket) == before


def test_a_folder_has_nothing_more_to_purge(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/registry"
    add(open_storage(place), "iris", b"first")
    assert delete(place, "--purge") == (0, "iris/1 is deleted for good\n")
    folder = tmp_path / "registry" / PREFIX
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
