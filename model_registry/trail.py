"""What CloudTrail has seen of an object: its data events, read from the log files in the bucket of a trail.

Whoever may delete a version of an object for good leaves no trace in the bucket. The trail has each write with the ID
of the version that it made, and the log files are in another bucket, which other people look after.

Source: AWS CloudTrail User Guide, "CloudTrail log file name format" and "CloudTrail record contents"; Amazon S3 User
Guide, "Amazon S3 CloudTrail events".
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from model_runtime.aws import BucketAddress, bucket_address
from model_runtime.errors import InvalidNameError, RecordError

_FILE = re.compile(r"/CloudTrail/[a-z0-9-]+/(\d{4})/(\d\d)/(\d\d)/[^/]+\.json\.gz$")
_LARGEST = 256 << 20
"""Bytes of a log file, unpacked; CloudTrail's are far smaller."""
_AT_ONCE = 8
_MADE_BY = "x-amz-version-id"


class _Identity(msgspec.Struct, rename="camel"):
    arn: str = ""
    invoked_by: str = ""


class _Event(msgspec.Struct, rename="camel"):
    event_name: str
    event_time: datetime
    user_identity: _Identity | None = None
    request_parameters: dict[str, Any] | None = None
    response_elements: dict[str, Any] | None = None
    error_code: str = ""


class _File(msgspec.Struct):
    Records: tuple[msgspec.Raw, ...]


_FILES = msgspec.json.Decoder(_File)
_EVENTS = msgspec.json.Decoder(_Event)


@dataclass(frozen=True)
class Seen:
    """A request that changed an object: it wrote a version, or deleted one for good."""

    version: str
    is_deletion: bool
    at: datetime
    by: str


@dataclass(frozen=True)
class Trail:
    """Where the log files of a trail lie."""

    bucket: str
    prefix: str = ""
    owner: str | None = None
    """The account that must own the bucket."""

    @classmethod
    def parse(cls, text: str) -> "Trail":
        """Read `s3://BUCKET` or `s3://BUCKET/PREFIX`, also with `?owner=ACCOUNT`; InvalidNameError otherwise."""
        place, question, query = text.removeprefix("s3://").partition("?")
        bucket, _, prefix = place.partition("/")
        try:
            address = bucket_address(f"{bucket}{question}{query}")
            return cls(address.name, prefix.rstrip("/"), address.owner)
        except InvalidNameError as error:
            raise InvalidNameError(
                f"{text!r} is not the bucket of a trail: write s3://NAME, or s3://NAME/PREFIX if the trail has a prefix"
            ) from error

    def seen(self, s3: Any, bucket: str, key: str, *, since: date | None = None) -> Iterator[Seen | RecordError]:
        """Each write of an object, and each deletion of a version of it, in no order; an error for each damaged file.

        Takes one request for each log file `since` a day; while the registry is used there is one in five minutes.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for events in pool.map(lambda file: self._events(s3, file, key), list(self._files(s3, since))):
                yield from [events] if isinstance(events, RecordError) else _of_object(events, bucket, key)

    @property
    def _asked(self) -> dict[str, str]:
        return BucketAddress(self.bucket, self.owner).asked

    def _files(self, s3: Any, since: date | None) -> Iterator[str]:
        prefix = f"{self.prefix}/AWSLogs/" if self.prefix else "AWSLogs/"
        for page in s3.get_paginator("list_objects_v2").paginate(**self._asked, Prefix=prefix):
            for entry in page.get("Contents", []):
                found = _FILE.search(entry["Key"])
                if found and (since is None or found.groups() >= _parts(since)):
                    yield entry["Key"]

    def _events(self, s3: Any, file: str, key: str) -> Sequence[_Event] | RecordError:
        """The events of a file that may be of an object: others may be of any form."""
        name = key.encode()
        with s3.get_object(**self._asked, Key=file)["Body"] as body:
            try:
                with gzip.GzipFile(fileobj=body) as unpacked:
                    data = unpacked.read(_LARGEST + 1)
                if len(data) <= _LARGEST:
                    return [_EVENTS.decode(raw) for raw in _FILES.decode(data).Records if name in bytes(raw)]
                fault = f"it has more than {_LARGEST:,} bytes"
            except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
                fault = str(error)
        return RecordError(
            f"s3://{self.bucket}/{file} is not a log file of CloudTrail ({fault}): restore its first version"
        )


def _parts(day: date) -> tuple[str, ...]:
    return (f"{day.year:04}", f"{day.month:02}", f"{day.day:02}")


def _of_object(events: Sequence[_Event], bucket: str, key: str) -> Iterator[Seen]:
    for event in events:
        request, answer = event.request_parameters or {}, event.response_elements or {}
        if event.error_code or (request.get("bucketName"), request.get("key")) != (bucket, key):
            continue
        who = event.user_identity or _Identity()
        by = who.arn or who.invoked_by or "nobody that is known"
        if event.event_name == "DeleteObject":
            if version := request.get("versionId"):
                yield Seen(str(version), is_deletion=True, at=event.event_time, by=by)
        elif version := answer.get(_MADE_BY):  # PutObject, CopyObject, CompleteMultipartUpload
            yield Seen(str(version), is_deletion=False, at=event.event_time, by=by)
