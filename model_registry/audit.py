"""Whether a tag's history was cut or rewritten, read from the versions that S3 keeps of the tag object, and a trail.

A tag object proves that nothing inside its history was edited, dropped or reordered. That its last moves were dropped,
or that its last move was edited, cannot show in the object itself, as nothing follows that holds a digest of them. It
shows in a versioned bucket: a tag object is only ever replaced by one with the same history and one more move.

Whoever may delete versions for good can delete the newest: then nothing in the bucket shows that there was a later one,
and a trail of CloudTrail does. Object lock keeps anybody from deleting it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from model_registry import history, reference
from model_registry.records import Tag, decode_tag, tag_key
from model_registry.reference import TagRef
from model_registry.s3_errors import s3_errors
from model_registry.trail import Seen, Trail
from model_runtime.aws import BucketAddress, bucket_address
from model_runtime.errors import InvalidNameError, NotFoundError, RecordError
from model_runtime.storage import aws_session

_VERSIONS = "use credentials that may s3:ListBucketVersions, s3:GetBucketVersioning and s3:GetObjectVersion"
_LOGS = "use credentials that may s3:ListBucket and s3:GetObject"


def audit(
    bucket: str,
    address: str | TagRef,
    *,
    profile: str | None = None,
    trail: Trail | None = None,
    since: date | None = None,
) -> list[str]:
    """Compare each stored version of a tag object with the one before; returns every cut or rewrite in words.

    Takes one request per stored version, and needs s3:ListBucketVersions, s3:GetBucketVersioning and
    s3:GetObjectVersion. Versions that a lifecycle rule or somebody with s3:DeleteObjectVersion removed for good
    cannot be compared; a gap between those that are left is reported, and with a `trail` each of them that was written
    `since` a day. NotFoundError where there never was such a tag, StorageError where the bucket cannot be read.
    """
    ref = reference.parse(address) if isinstance(address, str) else address
    if not isinstance(ref, TagRef):
        raise InvalidNameError(f"{ref} is a version, only a tag has a history: write NAME@TAG")
    place = bucket_address(bucket)
    with s3_errors(place.name, "read the versions of objects", _VERSIONS):
        s3 = aws_session(profile).client("s3")  # boto3, as obstore does not list the versions of an object
        faults = list(_faults(s3, place, ref))
    if trail:
        key = tag_key(ref.name, ref.tag)
        with s3_errors(trail.bucket, "read the log files of a trail", _LOGS):
            seen = list(trail.seen(s3, place.name, key, since=since))
        with s3_errors(place.name, "read the versions of objects", _VERSIONS):
            # After the log files were read: what was written since is not missed.
            stored = {entry["VersionId"] for entry in _listed(s3, place, key)[0]}
        faults += _unseen(ref, trail, seen, stored)
    return faults


def _faults(s3: Any, place: BucketAddress, ref: TagRef) -> Iterator[str]:
    status = s3.get_bucket_versioning(**place.asked).get("Status")
    if status != "Enabled":
        yield (
            f"s3://{place.name} keeps no versions of its objects (versioning is {status or 'off'}): a history that was "
            "cut cannot be told from a whole one; enable versioning"
        )
    key = tag_key(ref.name, ref.tag)
    stored, deletions = _listed(s3, place, key)
    if not stored:
        raise NotFoundError(f"s3://{place.name} has no version of {key}: there never was a tag {ref}")
    yield from (
        f"{ref}: the tag object was deleted {_at(marker)}, the registry never does that" for marker in deletions
    )
    before: Tag | None = None
    for entry in stored:
        where = f"{ref}, as stored {_at(entry)} (version {entry['VersionId']})"
        body = s3.get_object(**place.asked, Key=key, VersionId=entry["VersionId"])["Body"]
        try:
            tag = decode_tag(body.read())
        except RecordError as error:
            yield f"{where}: {error}"
            continue
        yield from (f"{where}: {fault}" for fault in history.faults(ref, tag))
        if before is not None:
            yield from (f"{where}: {fault}" for fault in _between(before, tag))
        before = tag


def _unseen(ref: TagRef, trail: Trail, seen: Sequence[Seen | RecordError], stored: set[str]) -> Iterator[str]:
    """What a trail has seen written that is not stored any more, each with who deleted it where the trail has that."""
    yield from (str(one) for one in seen if isinstance(one, RecordError))
    written = sorted((one for one in seen if isinstance(one, Seen) and not one.is_deletion), key=lambda one: one.at)
    deleted = {one.version: one for one in seen if isinstance(one, Seen) and one.is_deletion}
    if not stored & {one.version for one in written}:
        yield (
            f"{ref}: the trail in s3://{trail.bucket} has seen no write of what is stored: it does not log the data "
            "events of this bucket, or began later, or is asked for too few days"
        )
    for one in written:
        if one.version not in stored:
            gone = deleted.get(one.version)
            by = f"{gone.by} deleted it at {gone.at.isoformat()}" if gone else "who deleted it is not in the trail"
            yield f"{ref}: what {one.by} wrote at {one.at.isoformat()} (version {one.version}) is gone for good: {by}"


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


def _listed(s3: Any, place: BucketAddress, key: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The stored versions of an object and its delete markers, oldest first: S3 lists a key's versions newest first."""
    versions: list[dict[str, Any]] = []
    markers: list[dict[str, Any]] = []
    for page in s3.get_paginator("list_object_versions").paginate(**place.asked, Prefix=key):
        versions += [entry for entry in page.get("Versions", []) if entry["Key"] == key]
        markers += [entry for entry in page.get("DeleteMarkers", []) if entry["Key"] == key]
    return versions[::-1], markers[::-1]


def _at(entry: dict[str, Any]) -> str:
    modified: datetime = entry["LastModified"]
    return modified.astimezone(UTC).isoformat(timespec="seconds")
