"""The versions of a bucket: immutable, numbered by the registry, committed by their manifest."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from model_registry.records import DELETED_FILE, DEPRECATED_FILE, Mark, decode_mark
from model_registry.reference import VersionRef
from model_registry.release import Release
from model_runtime.errors import ConflictError, IntegrityError, NotFoundError, RecordError
from model_runtime.manifest import (
    FORMAT_FILES,
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    Manifest,
    decode_manifest,
    digest,
    encode,
    version_key,
    versions_prefix,
)
from model_runtime.signing import SIGNING_FILE, verify
from model_runtime.storage import Storage

_PUBLISH_TRIES = 1000  # so many publishes of the same model would have to win in a row


class Versions:
    """Reads and writes the folders of versions."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(
        self,
        name: str,
        data: bytes,
        manifest_of: Callable[[int], Manifest],
        *,
        further: Mapping[str, bytes] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> Release:
        """Take the next free number by writing the model under it, then commit it by writing its manifest.

        The `further` files, and what `sign` gives for the manifest's bytes, are written before it: no committed
        version waits for them.
        """
        version = self._take_number(name, data)
        manifest = manifest_of(version)
        encoded = encode(manifest)
        for file, content in (further or {}).items():
            self._storage.create(version_key(name, version, file), content, token=uuid.uuid4().hex)
        if sign is not None:
            self._storage.create(version_key(name, version, SIGNING_FILE), sign(encoded), token=uuid.uuid4().hex)
        # The folder is ours since the model was written, so a conflict can only be our own write, its answer lost.
        self._storage.create(version_key(name, version, MANIFEST_FILE), encoded, token=uuid.uuid4().hex)
        return Release(manifest, encoded)

    def put(
        self,
        ref: VersionRef,
        data: bytes,
        manifest_bytes: bytes,
        *,
        further: Mapping[str, bytes] | None = None,
        signature: bytes | None = None,
    ) -> None:
        """Write a version under a given number, as a copy does; ConflictError where that number is taken.

        A copy that was cut off before the manifest is being finished where what is there is the same.
        """
        manifest = version_key(ref.name, ref.version, MANIFEST_FILE)
        if self._storage.read(version_key(ref.name, ref.version, DELETED_FILE)) is not None:
            raise ConflictError(f"{self._storage.location} had a version {ref}, which was deleted: publish there anew")
        is_new = self._create_same(version_key(ref.name, ref.version, MODEL_FILE), data)
        beside = {**(further or {}), **({} if signature is None else {SIGNING_FILE: signature})}
        # The same model may have been published under this number with another manifest.
        if beside and not is_new and self._storage.read(manifest) is not None:
            raise ConflictError(f"{self._storage.location} has a version {ref} already, nothing was written")
        for file, content in beside.items():
            self._create_same(version_key(ref.name, ref.version, file), content)
        self._storage.create(manifest, manifest_bytes, token=uuid.uuid4().hex)

    def read(self, ref: VersionRef, *, trusted_keys: Sequence[str] = ()) -> Release:
        """A version, in one request; NotFoundError lists what there is.

        With trusted keys, in two: SigningError where none of them signed the manifest.
        """
        stored = self._storage.read(version_key(ref.name, ref.version, MANIFEST_FILE))
        if stored is None:
            versions = ", ".join(map(str, self.known_numbers(ref.name)))
            raise NotFoundError(f"there is no version {ref}: {ref.name} has {versions}")
        if trusted_keys:
            verify(stored.data, self.signature_bytes(ref), trusted_keys, what=str(ref))
        try:
            manifest = decode_manifest(stored.data)
        except RecordError as error:
            raise RecordError(f"{ref}: {error}") from error
        if manifest.reference != str(ref):
            raise IntegrityError(
                f"the manifest of {ref} says that it is {manifest.reference}: "
                "it was copied there; restore the object from the bucket's versions"
            )
        return Release(manifest, stored.data)

    def signature_bytes(self, ref: VersionRef) -> bytes | None:
        """The signature beside a version's manifest as stored, not checked; None where there is none."""
        stored = self._storage.read(version_key(ref.name, ref.version, SIGNING_FILE))
        return None if stored is None else stored.data

    def model_bytes(self, release: Release, model_format: str = "joblib") -> bytes:
        """The bytes of a version's model in a format's form, checked against the manifest.

        IntegrityError where they differ, ModelFormatError where the version does not have that form.
        """
        return self.file_bytes(release, release.manifest.model_format(model_format).artifact)

    def file_bytes(self, release: Release, artifact: Artifact) -> bytes:
        """The bytes of a file of a version, checked against the manifest; IntegrityError where they differ."""
        manifest = release.manifest
        stored = self._storage.read(version_key(manifest.name, manifest.version, artifact.file))
        if stored is None:
            raise IntegrityError(f"{manifest.reference} has lost its {artifact.file}: publish it again")
        found = digest(stored.data)
        if found != artifact.sha256:
            raise IntegrityError(
                f"{artifact.file} of {manifest.reference} has SHA-256 {found}, its manifest says "
                f"{artifact.sha256}: do not load it; restore the object or publish again"
            )
        return stored.data

    def names(self) -> Iterator[str]:
        """The models that have a version, in the order of their names."""
        return (name for name in self.folders() if self.numbers(name))

    def folders(self) -> list[str]:
        """The models that have anything, be it a publish that was cut off."""
        return self._storage.folders("models/")

    def numbers(self, name: str) -> tuple[int, ...]:
        """The committed versions of a model, ascending."""
        return self.listing(name)[0]

    def known_numbers(self, name: str) -> tuple[int, ...]:
        """The same; NotFoundError where there are none."""
        numbers = self.numbers(name)
        if numbers:
            return numbers
        names = list(self.names())
        there = f"it has {', '.join(names)}" if names else "it is empty, publish one first"
        raise NotFoundError(f"there is no model {name!r} in {self._storage.location}: {there}")

    def listing(self, name: str) -> tuple[tuple[int, ...], frozenset[int]]:
        """The committed versions of a model, ascending, and those marked as deprecated, in one listing."""
        files = list(self._files(name))
        committed = tuple(sorted(version for version, file in files if file == MANIFEST_FILE))
        return committed, frozenset(version for version, file in files if file == DEPRECATED_FILE)

    def deprecation(self, ref: VersionRef) -> Mark | None:
        """Who deprecated a version when and why; None where it is not."""
        stored = self._storage.read(version_key(ref.name, ref.version, DEPRECATED_FILE))
        return None if stored is None else decode_mark(stored.data)

    def deprecate(self, ref: VersionRef, mark: Mark) -> None:
        """Mark a version; ConflictError where it is marked already."""
        self._storage.create(version_key(ref.name, ref.version, DEPRECATED_FILE), encode(mark), token=uuid.uuid4().hex)

    def undeprecate(self, ref: VersionRef) -> None:
        """Take the mark away."""
        self._storage.delete(version_key(ref.name, ref.version, DEPRECATED_FILE))

    def delete(self, release: Release, mark: Mark, *, is_tagged: Callable[[], list[str]]) -> None:
        """Delete a version for good; its number stays taken. ConflictError where a tag points at it.

        The manifest goes first: from then on nobody can start to use the version, and a tag that was moved
        meanwhile shows, in which case the manifest is put back.
        """
        manifest = release.manifest
        deleted, committed, model = (
            version_key(manifest.name, manifest.version, file)
            for file in (DELETED_FILE, MANIFEST_FILE, manifest.artifact.file)
        )
        tags = is_tagged()
        if not tags:
            with suppress(ConflictError):  # a deletion that was cut off is being finished
                self._storage.create(deleted, encode(mark))
            self._storage.delete(committed)
            tags = is_tagged()
            if tags:
                self._storage.create(committed, release.manifest_bytes, token=uuid.uuid4().hex)
                self._storage.delete(deleted)
        if tags:
            raise ConflictError(
                f"{manifest.reference} is tagged {', '.join(tags)}, nothing was deleted: move or remove the tag first"
            )
        self._remove_beside(VersionRef(manifest.name, manifest.version))
        self._storage.delete(model)

    def aborted(self, name: str, *, before: datetime) -> list[VersionRef]:
        """Publishes that were cut off before an instant: a model without a manifest, and not deleted either."""
        files: dict[int, dict[str, datetime]] = {}
        for key, modified in self._storage.entries(versions_prefix(name)):
            version, _, file = key.removeprefix(versions_prefix(name)).partition("/")
            if version.isdecimal():
                files.setdefault(int(version), {})[file] = modified
        return [
            VersionRef(name, version)
            for version, found in sorted(files.items())
            if MANIFEST_FILE not in found and MODEL_FILE in found and max(found.values()) < before
        ]

    def remove_aborted(self, ref: VersionRef) -> None:
        """Remove what a cut-off publish, or a cut-off deletion, left."""
        self._remove_beside(ref)
        self._storage.delete(version_key(ref.name, ref.version, MODEL_FILE))

    def _remove_beside(self, ref: VersionRef) -> None:
        # Before the model, by which a removal that was cut off is found again.
        for file in (*FORMAT_FILES.values(), SIGNING_FILE):
            if file != MODEL_FILE:
                self._storage.delete(version_key(ref.name, ref.version, file))

    def _create_same(self, key: str, data: bytes) -> bool:
        """Whether the object was written now; ConflictError where there is another one."""
        try:
            self._storage.create(key, data, token=uuid.uuid4().hex)
        except ConflictError:
            there = self._storage.read(key)
            if there is None or there.data != data:
                raise
            return False
        return True

    def _take_number(self, name: str, data: bytes) -> int:
        version = max((int(f) for f in self._storage.folders(versions_prefix(name)) if f.isdecimal()), default=0)
        token = uuid.uuid4().hex
        for _ in range(_PUBLISH_TRIES):
            version += 1
            try:
                self._storage.create(version_key(name, version, MODEL_FILE), data, token=token)
            except ConflictError:
                continue  # another publish took this number
            return version
        raise ConflictError(f"{name}: {_PUBLISH_TRIES} other publishes were first, nothing was published: try again")

    def _files(self, name: str) -> Iterator[tuple[int, str]]:
        for key in self._storage.keys(versions_prefix(name)):
            version, _, file = key.removeprefix(versions_prefix(name)).partition("/")
            if version.isdecimal():
                yield int(version), file
