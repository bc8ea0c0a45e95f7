"""Writes the pages as files: to a folder, or to a bucket that some web server or CloudFront reads.

Beside them is a list of the files that were written, with their digests. What is on it and was not written again is
removed, unless somebody has put another file in its place.
"""

import hashlib
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from model_registry.folder import folder_of
from model_registry.reference import is_slug
from model_registry.s3_errors import s3_errors
from model_runtime.aws import aws_session
from model_runtime.errors import InvalidNameError, StorageError

HTML = "text/html; charset=utf-8"
LIST = "pages.json"


class Place(Protocol):
    """Where pages are written."""

    def read(self, path: str) -> bytes | None:
        """A file there; None where there is none."""

    def write(self, path: str, data: bytes, kind: str) -> None:
        """Write a file of a content type, in place of the one that is there."""

    def remove(self, path: str) -> None:
        """Remove a file that is there."""


def place_at(to: str, profile: str | None) -> Place:
    """A place by its name: `s3://BUCKET/PREFIX`, or a folder."""
    return BucketPlace(to, profile) if to.startswith("s3://") else FolderPlace(_folder(to))


def require_outside(to: str, location: str) -> None:
    """InvalidNameError where pages would lie in the registry at this location, where no other file is."""
    if to.startswith("s3://"):
        is_inside = re.split("[/?]", to)[2] == location.removeprefix("s3://")
    else:
        is_inside = _folder(to).resolve().is_relative_to(location.removeprefix("file://"))
    if is_inside:
        kind = "bucket" if to.startswith("s3://") else "folder"
        raise InvalidNameError(f"{to} is in the registry {location} itself: write the pages to another {kind}")


def _folder(to: str) -> Path:
    return folder_of(to) or Path(to)


def write_pages(place: Place, pages: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Write pages by their paths, and remove those that were written before and are no more; how many of each."""
    before = _listed(place)
    written: dict[str, str] = {}
    for path, page in pages:
        data = page.encode()
        place.write(path, data, HTML)
        written[path] = _digest(data)
    gone = [path for path, digest in before.items() if path not in written and _is_ours(place, path, digest)]
    # The list comes last: as long as the old one is there, the next run finishes what is cut off here.
    for path in gone:
        place.remove(path)
    place.write(LIST, msgspec.json.format(msgspec.json.encode(written)), "application/json")
    return len(written), len(gone)


def _listed(place: Place) -> dict[str, str]:
    data = place.read(LIST)
    try:
        return {} if data is None else msgspec.json.decode(data, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise StorageError(
            f"{LIST} there is not the list of pages that `site` writes ({error}): remove it, or write elsewhere"
        ) from error


def _is_ours(place: Place, path: str, digest: str) -> bool:
    """Whether a file on the list is a page, and still the one that was written."""
    folder, _, file = path.rpartition("/")
    # The list is a file that others may have written to: nothing but a page of a model is ever removed.
    if not is_slug(folder) or not file.endswith(".html"):
        return False
    data = place.read(path)
    return data is not None and _digest(data) == digest


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class FolderPlace:
    """A folder, made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        """As `Place` says."""
        file = self._folder / path
        try:
            return file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"cannot read {file} ({error.strerror}): name a folder that you may read") from error

    def write(self, path: str, data: bytes, kind: str) -> None:
        """As `Place` says; a folder's files have no content type."""
        del kind
        file = self._folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise StorageError(
                f"cannot write {file} ({error.strerror}): name a folder that you may write to"
            ) from error

    def remove(self, path: str) -> None:
        """As `Place` says."""
        file = self._folder / path
        try:
            file.unlink()
        except OSError as error:
            raise StorageError(
                f"cannot remove {file} ({error.strerror}), whose version is gone: remove it yourself"
            ) from error


class BucketPlace:
    """A bucket, or what begins with a prefix in it."""

    def __init__(self, to: str, profile: str | None) -> None:
        self._bucket, _, prefix = to.removeprefix("s3://").strip("/").partition("/")
        if not self._bucket:
            raise InvalidNameError(f"{to!r} names no bucket: write s3://BUCKET or s3://BUCKET/PREFIX")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = aws_session(profile).client("s3")

    def read(self, path: str) -> bytes | None:
        """As `Place` says."""
        with self._errors("read", path, "s3:GetObject and s3:ListBucket"):
            try:
                data: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path)["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return data

    def write(self, path: str, data: bytes, kind: str) -> None:
        """As `Place` says."""
        with self._errors("write", path, "s3:PutObject"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + path, Body=data, ContentType=kind)

    def remove(self, path: str) -> None:
        """As `Place` says."""
        with self._errors("remove", path, "s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + path)

    def _errors(self, verb: str, path: str, rights: str) -> AbstractContextManager[None]:
        return s3_errors(self._bucket, f"{verb} {self._prefix}{path}", f"use credentials that may {rights}")
