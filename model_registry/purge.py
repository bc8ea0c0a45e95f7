"""Remove every stored version of every object of a deleted version, for a request of erasure (docs/erasure.md).

S3 keeps what was deleted in a versioned bucket. Here each version of each object is deleted by its version ID, which
the bucket allows its admins alone, and Object Lock nobody before its time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model_registry.records import DELETED_FILE
from model_registry.reference import VersionRef
from model_registry.s3_errors import is_denied, s3_errors
from model_runtime.aws import BucketAddress, bucket_address
from model_runtime.manifest import version_key
from model_runtime.storage import aws_session

_NEEDED = (
    "take credentials that are among the `registryAdmins` of the stack registry, with s3:ListBucketVersions, "
    "s3:DeleteObjectVersion, s3:GetObjectRetention and s3:GetObjectLegalHold"
)


@dataclass(frozen=True)
class Kept:
    """A version of an object that S3 does not delete before `until`, or, without that, while it has a legal hold."""

    key: str
    version_id: str
    until: datetime | None

    def __str__(self) -> str:
        when = f"until {self.until.astimezone(UTC).isoformat(timespec='seconds')}" if self.until else "by a legal hold"
        return f"{self.key} (version {self.version_id}) is locked {when}"


@dataclass(frozen=True)
class Purged:
    """How many versions of objects are gone for good, and which are not yet."""

    removed: int
    kept: tuple[Kept, ...]


NOTHING_KEPT = Purged(0, ())
"""Of a folder, which has one version of each file."""


def purge(bucket: str, ref: VersionRef, *, profile: str | None = None) -> Purged:
    """Delete all that a bucket keeps of a version that is deleted already; its mark stays, which has no data in it.

    Done again it goes on where it was cut off, and where a lock has ended meanwhile.

    Raises:
        AccessDeniedError: The caller may not delete versions of objects, where no lock is the reason.
        StorageError: The bucket cannot be used.

    """
    from botocore.exceptions import ClientError

    place, kept, removed = bucket_address(bucket), list[Kept](), 0
    with s3_errors(place.name, f"delete what is kept of {ref} for good", _NEEDED):
        s3 = aws_session(profile).client("s3")  # boto3, as obstore neither lists nor deletes the versions of an object
        for key, version_id in list(_stored(s3, place, ref)):
            try:
                s3.delete_object(**place.asked, Key=key, VersionId=version_id)
                removed += 1
            except ClientError as error:
                locked = _locked(s3, place, key, version_id) if is_denied(error) else None
                if locked is None:
                    raise
                kept.append(locked)
    return Purged(removed, tuple(kept))


def _stored(s3: Any, place: BucketAddress, ref: VersionRef) -> Iterator[tuple[str, str]]:
    """Keys and version IDs of all that is stored, also of what marks a deletion; not the mark that is in force."""
    prefix, mark = version_key(ref.name, ref.version, ""), version_key(ref.name, ref.version, DELETED_FILE)
    for page in s3.get_paginator("list_object_versions").paginate(**place.asked, Prefix=prefix):
        for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            if entry["Key"] != mark or not entry["IsLatest"]:
                yield entry["Key"], entry["VersionId"]


def _locked(s3: Any, place: BucketAddress, key: str, version_id: str) -> Kept | None:
    """Until when a version of an object is locked; None where it is not."""
    from botocore.exceptions import ClientError

    version = {**place.asked, "Key": key, "VersionId": version_id}
    try:
        until = s3.get_object_retention(**version)["Retention"]["RetainUntilDate"]
        if until > datetime.now(UTC):
            return Kept(key, version_id, until)
    except ClientError:  # it has none, or the caller may not ask
        pass
    try:
        if s3.get_object_legal_hold(**version)["LegalHold"]["Status"] == "ON":
            return Kept(key, version_id, None)
    except ClientError:  # as above
        pass
    return None
