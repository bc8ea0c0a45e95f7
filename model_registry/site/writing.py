"""Writes the pages as files: to a folder, or to a bucket that some web server or CloudFront reads.

Pages of versions that were deleted are removed, whichever run wrote them: the registry knows what was deleted, and each
page says of which registry it is. No list is kept beside them, which a run that is cut off, or two at once, would leave
wrong.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import Protocol

from model_registry.folder import folder_of
from model_registry.registry import Registry
from model_registry.s3_errors import s3_errors
from model_registry.site import INDEX, versions_of
from model_registry.site.html import GENERATOR, Html, joined, tag
from model_runtime.aws import aws_session
from model_runtime.errors import InvalidNameError, NotFoundError, StorageError

HTML = "text/html; charset=utf-8"


class Place(Protocol):
    """Where pages are written."""

    def read(self, path: str) -> bytes | None:
        """A file there; None where there is none."""

    def write(self, path: str, data: bytes, kind: str) -> None:
        """Write a file of a content type, in place of the one that is there."""

    def files(self, folder: str) -> list[str]:
        """The names of the files directly in a folder; none where there is no such folder."""

    def remove(self, path: str) -> None:
        """Remove a file, where it is still there."""


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


def write_pages(place: Place, pages: Iterable[tuple[str, str]], registry: Registry) -> tuple[int, int]:
    """Write a registry's pages by their paths, and remove those of versions that were deleted; how many of each.

    Args:
        place: Where they are written.
        pages: Paths with their pages.
        registry: Whose pages they are; asked what was deleted once all are written.

    """
    mark, written = _mark(registry), set()
    for path, page in pages:
        place.write(path, page.replace(GENERATOR, mark, 1).encode(), HTML)
        written.add(path)
    gone = [path for path in _outdated(place, registry, written) if mark.encode() in (place.read(path) or b"")]
    for path in gone:
        place.remove(path)
    return len(written), len(gone)


def _mark(registry: Registry) -> Html:
    """Tells pages of a registry from other files and from other registries' pages, and not where the registry is."""
    digest = hashlib.sha256(registry.location.encode()).hexdigest()
    return joined(GENERATOR, tag("meta", name="registry", content=digest))


def _outdated(place: Place, registry: Registry, written: set[str]) -> Iterator[str]:
    """Files there that are named as pages of deleted versions, and of models that have no other."""
    for name, refs in groupby(registry.deleted(), key=lambda ref: ref.name):
        numbers = {ref.version for ref in refs}
        for path in (f"{name}/{file}" for file in place.files(name)):
            is_of_none = path == f"{name}/{INDEX}" and path not in written and not _has_versions(registry, name)
            if is_of_none or not numbers.isdisjoint(versions_of(path)):
                yield path


def _has_versions(registry: Registry, name: str) -> bool:
    """Whether a model has a version now: one may have been published since the pages were made."""
    try:
        registry.page(name, last=1)
    except NotFoundError:
        return False
    return True


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

    def files(self, folder: str) -> list[str]:
        """As `Place` says."""
        there = self._folder / folder
        try:
            return sorted(each.name for each in there.iterdir() if each.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StorageError(f"cannot list {there} ({error.strerror}): name a folder that you may read") from error

    def remove(self, path: str) -> None:
        """As `Place` says."""
        file = self._folder / path
        try:
            file.unlink(missing_ok=True)
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

    def files(self, folder: str) -> list[str]:
        """As `Place` says."""
        prefix = f"{self._prefix}{folder}/"
        with self._errors("list", f"{folder}/", "s3:ListBucket"):
            listed = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/"
            )
            return [each["Key"].removeprefix(prefix) for page in listed for each in page.get("Contents", ())]

    def remove(self, path: str) -> None:
        """As `Place` says."""
        with self._errors("remove", path, "s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + path)

    def _errors(self, verb: str, path: str, rights: str) -> AbstractContextManager[None]:
        return s3_errors(self._bucket, f"{verb} {self._prefix}{path}", f"use credentials that may {rights}")
