"""Whether a tag's history was cut or rewritten, read from the versions that S3 keeps of the tag object.

A tag object proves that nothing inside its history was edited, dropped or reordered. That its last moves were dropped,
or that its last move was edited, cannot show in the object itself, as nothing follows that holds a digest of them. It
shows in a versioned bucket: a tag object is only ever replaced by one with the same history and one more move.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from model_registry import history, reference
from model_registry.records import Tag, decode_tag, tag_key
from model_registry.reference import TagRef
from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    CredentialsError,
    InvalidNameError,
    NotFoundError,
    RecordError,
    StorageError,
)
from model_runtime.storage import aws_session, bucket_name
from model_runtime.storage_errors import REFUSED_CREDENTIALS

_DENIED = {"AccessDenied", "AllAccessDisabled"}


def audit(bucket: str, address: str | TagRef, *, profile: str | None = None) -> list[str]:
    """Compare each stored version of a tag object with the one before; returns every cut or rewrite in words.

    Takes one request per stored version, and needs s3:ListBucketVersions, s3:GetBucketVersioning and
    s3:GetObjectVersion. Versions that a lifecycle rule or somebody with s3:DeleteObjectVersion removed for good
    cannot be compared; a gap between those that are left is reported. NotFoundError where there never was such a
    tag, StorageError where the bucket cannot be read.
    """
    # boto3, as obstore does not list the versions of an object.
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

    ref = reference.parse(address) if isinstance(address, str) else address
    if not isinstance(ref, TagRef):
        raise InvalidNameError(f"{ref} is a version, only a tag has a history: write NAME@TAG")
    name = bucket_name(bucket)
    try:
        return list(_faults(aws_session(profile).client("s3"), name, ref))
    except (NoCredentialsError, ProfileNotFound) as error:
        raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise _explained(error, name) from error


def _faults(s3: Any, bucket: str, ref: TagRef) -> Iterator[str]:
    status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    if status != "Enabled":
        yield (
            f"s3://{bucket} keeps no versions of its objects (versioning is {status or 'off'}): a history that was cut "
            "cannot be told from a whole one; enable versioning"
        )
    key = tag_key(ref.name, ref.tag)
    stored, deletions = _listed(s3, bucket, key)
    if not stored:
        raise NotFoundError(f"s3://{bucket} has no version of {key}: there never was a tag {ref}")
    yield from (
        f"{ref}: the tag object was deleted {_at(marker)}, the registry never does that" for marker in deletions
    )
    before: Tag | None = None
    for entry in stored:
        where = f"{ref}, as stored {_at(entry)} (version {entry['VersionId']})"
        body = s3.get_object(Bucket=bucket, Key=key, VersionId=entry["VersionId"])["Body"]
        try:
            tag = decode_tag(body.read())
        except RecordError as error:
            yield f"{where}: {error}"
            continue
        yield from (f"{where}: {fault}" for fault in history.faults(ref, tag))
        if before is not None:
            yield from (f"{where}: {fault}" for fault in _between(before, tag))
        before = tag


def _between(before: Tag, after: Tag) -> Iterator[str]:
    """What is wrong with one state of a tag as the next after another."""
    earlier, later = (tag.sealed + len(tag.history) for tag in (before, after))
    new = {move.sequence: move for move in after.history}
    # What was sealed since is in segments, which are written once; the moves that both hold must be the same.
    different = [old.sequence for old in before.history if new.get(old.sequence, old) != old]
    if different:
        moves = ", ".join(map(str, different))
        yield f"it was rewritten: move {moves} is not what was stored before"
    if later < earlier:
        yield f"it was cut: {earlier} moves were stored before, {later} are left"
    elif not different and later > earlier + 1:
        yield f"it has {later - earlier} moves more than the version stored before: those in between were removed"


def _listed(s3: Any, bucket: str, key: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The stored versions of an object and its delete markers, oldest first: S3 lists a key's versions newest first."""
    versions: list[dict[str, Any]] = []
    markers: list[dict[str, Any]] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        versions += [entry for entry in page.get("Versions", []) if entry["Key"] == key]
        markers += [entry for entry in page.get("DeleteMarkers", []) if entry["Key"] == key]
    return versions[::-1], markers[::-1]


def _at(entry: dict[str, Any]) -> str:
    modified: datetime = entry["LastModified"]
    return modified.astimezone(UTC).isoformat(timespec="seconds")


def _explained(error: Exception, bucket: str) -> StorageError:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    if code in _DENIED:
        return AccessDeniedError(
            f"s3://{bucket}: not allowed to read the versions of objects: use credentials that may "
            "s3:ListBucketVersions, s3:GetBucketVersioning and s3:GetObjectVersion"
        )
    if code == "NoSuchBucket":
        return BucketNotFoundError(f"s3://{bucket}: there is no such bucket: check the name, account and region")
    if code in REFUSED_CREDENTIALS:
        return CredentialsError(f"s3://{bucket}: the credentials were refused: refresh them, say by `aws sso login`")
    return StorageError(f"s3://{bucket}: cannot read the versions of objects: {error}")
