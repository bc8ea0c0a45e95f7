"""The versions of a bucket: immutable, numbered by the registry, committed by their manifest."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from model_registry.numbers import TRIES, Numbers
from model_registry.records import (
    DELETED_FILE,
    DEPRECATED_FILE,
    Mark,
    decode_mark,
)
from model_registry.reference import VersionRef, is_slug, is_version
from model_registry.release import Release
from model_registry.removal import Removal, standing_mark
from model_registry.tags import Tags
from model_runtime.errors import ConflictError, IntegrityError, NotFoundError, PublishError, RecordError
from model_runtime.manifest import (
    CODE_FILE,
    FORMAT_FILES,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    REPORT_FILE,
    SBOM_FILE,
    Artifact,
    Manifest,
    decode_manifest,
    digest,
    encode,
    version_key,
    versions_prefix,
)
from model_runtime.signing import SIGNING_FILE, verify
from model_runtime.storage import LARGEST_RECORD, Content, Storage

_COMMIT_TRIES = 5  # so many times `gc` would have to take what is being published
_SHOWN = 10
_WHEEL = re.compile(r"[A-Za-z0-9_.+!-]+\.whl")  # PEP 427


def files_of(manifest: Manifest) -> list[Artifact]:
    """Every file of a version but the manifest and its signing; RecordError for a name that no release gives one."""
    known = {str(name): file for name, file in FORMAT_FILES.items()}
    named: list[tuple[str | None, Artifact]] = [(MODEL_FILE, manifest.artifact)]
    named += [(known.get(name), one.artifact) for name, one in manifest.formats.items()]
    beside = {GOLDEN_FILE: manifest.golden, REPORT_FILE: manifest.report, SBOM_FILE: manifest.sbom}
    named += [(file, artifact) for file, artifact in beside.items() if artifact]
    named += [(CODE_FILE, manifest.code.artifact)] if manifest.code and manifest.code.artifact else []
    named += [(wheel.file if _WHEEL.fullmatch(wheel.file) else None, wheel) for wheel in manifest.wheels]
    for expected, artifact in named:
        if artifact.file != expected:
            raise RecordError(
                f"the manifest names a file {artifact.file[:80]!r}, where {expected or 'another'} belongs: "
                "do not use this version; restore the object from the bucket's versions"
            )
    return [artifact for _, artifact in named]


class Versions:
    """Reads and writes the folders of versions."""

    def __init__(self, storage: Storage) -> None:
        self.counted = Numbers(storage)
        self._storage = storage
        self._tags = Tags(storage)

    def add(
        self,
        name: str,
        data: Content,
        manifest_of: Callable[[int], Manifest],
        *,
        further: Mapping[str, Content] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> Release:
        """Take the next free number, write the model under it, then commit it by writing its manifest.

        The `further` files, and what `sign` gives for the manifest's bytes, are written before it: no committed
        version waits for them. Where `gc` took the files meanwhile, they are written again under the next number.
        """
        for _ in range(_COMMIT_TRIES):
            version = self._take_number(name, data)
            manifest = manifest_of(version)
            encoded = encode(manifest)
            if len(encoded) > LARGEST_RECORD:
                raise PublishError(
                    f"the manifest of {name} has {len(encoded):,} bytes, {LARGEST_RECORD:,} are read: publish it with "
                    "fewer examples, features or categories"
                )
            files = {**(further or {}), **({} if sign is None else {SIGNING_FILE: sign(encoded)})}
            for file, content in files.items():
                self._storage.create(version_key(name, version, file), content, token=uuid.uuid4().hex)
            # The folder is ours since the model was written, so a conflict can only be our own write, its answer lost.
            self._storage.create(version_key(name, version, MANIFEST_FILE), encoded, token=uuid.uuid4().hex)
            release = Release(manifest, encoded)
            if self._is_whole(release, {MODEL_FILE, MANIFEST_FILE, *files}):
                return release
        raise ConflictError(
            f"{name}: what was published was removed {_COMMIT_TRIES} times before it was whole: "
            "run `gc` with a longer `--older-than`, then publish again"
        )

    def put(self, ref: VersionRef, files: Iterable[tuple[str, Content]], manifest_bytes: bytes) -> None:
        """Write a version's files as they come, `model.joblib` first, under a given number, as a copy does.

        ConflictError where that number is taken. A copy of the same version that was cut off is finished: what it
        wrote has the same token.
        """
        token = f"copy-{digest(manifest_bytes)}"
        self.require_free(ref)
        self.counted.reach(ref.name, ref.version)
        for file, content in files:
            self._storage.create(version_key(ref.name, ref.version, file), content, token=token)
        self._storage.create(version_key(ref.name, ref.version, MANIFEST_FILE), manifest_bytes, token=token)
        self.require_free(ref)

    def require_free(self, ref: VersionRef) -> None:
        """ConflictError where a version of this number was or is being removed."""
        if standing_mark(self._storage, ref) is not None:
            raise ConflictError(
                f"{self._storage.location} had a version {ref}, which was deleted: publish it there again"
            )

    def manifest_bytes(self, ref: VersionRef) -> bytes | None:
        """A version's manifest as stored, not checked; None where there is none."""
        stored = self._storage.read(version_key(ref.name, ref.version, MANIFEST_FILE))
        return None if stored is None else stored.data

    def read(self, ref: VersionRef, *, trusted_keys: Sequence[str] = ()) -> Release:
        """A version, in one request; NotFoundError lists what there is.

        With trusted keys, in two: SigningError where none of them signed the manifest.
        """
        found = self.found(ref, trusted_keys=trusted_keys)
        if found is None:
            raise NotFoundError(f"there is no version {ref}: {ref.name} has {_shown(self.known_numbers(ref.name))}")
        return found

    def found(self, ref: VersionRef, *, trusted_keys: Sequence[str] = ()) -> Release | None:
        """The same; None where there is none."""
        stored = self._storage.read(version_key(ref.name, ref.version, MANIFEST_FILE))
        if stored is None:
            return None
        if trusted_keys:
            verify(stored.data, self.signing_bytes(ref), trusted_keys, what=str(ref))
        try:
            manifest = decode_manifest(stored.data)
            files_of(manifest)
        except RecordError as error:
            raise RecordError(f"{ref}: {error}") from error
        if manifest.reference != str(ref):
            raise IntegrityError(
                f"the manifest of {ref} says that it is {manifest.reference}: "
                "it was copied there; restore the object from the bucket's versions"
            )
        return Release(manifest, stored.data)

    def signing_bytes(self, ref: VersionRef) -> bytes | None:
        """What is beside a signed manifest, as stored and not checked; None where there is none."""
        stored = self._storage.read(version_key(ref.name, ref.version, SIGNING_FILE))
        return None if stored is None else stored.data

    def model_bytes(self, release: Release, model_format: str = "joblib") -> bytes:
        """The bytes of a version's model in a format's form, checked against the manifest.

        IntegrityError where they differ, ModelFormatError where the version does not have that form.
        """
        return self.file_bytes(release, release.manifest.model_format(model_format).artifact)

    def file_bytes(self, release: Release, artifact: Artifact) -> bytes:
        """The bytes of a file of a version, checked against the manifest; IntegrityError where they differ."""
        return b"".join(self.file_chunks(release, artifact))

    def file_chunks(self, release: Release, artifact: Artifact) -> Iterator[bytes]:
        """A file of a version piece by piece; IntegrityError at its end where it is not what the manifest says."""
        manifest = release.manifest
        chunks = self._storage.chunks(version_key(manifest.name, manifest.version, artifact.file))
        if chunks is None:
            raise self._lost(release, artifact)
        found, size = hashlib.sha256(), 0
        for chunk in chunks:
            if size > artifact.size:  # something else lies there, of whatever size: not all of it is fetched
                break
            found.update(chunk)
            size += len(chunk)
            yield chunk
        if found.hexdigest() != artifact.sha256:
            raise _changed(release, artifact, found.hexdigest())

    def save(self, release: Release, artifact: Artifact, path: Path) -> None:
        """Write a file of a version to a path, piece by piece; IntegrityError where it is not what was published."""
        with path.open("wb") as file:
            for chunk in self.file_chunks(release, artifact):
                file.write(chunk)

    def folders(self) -> list[str]:
        """The models that have anything, if only a publish that was cut off."""
        return [name for name in self._storage.folders("models/") if is_slug(name)]

    def numbers(self, name: str) -> tuple[int, ...]:
        """The committed versions of a model, ascending."""
        return self.listing(name)[0]

    def known_numbers(self, name: str) -> tuple[int, ...]:
        """The same; NotFoundError where there are none."""
        numbers = self.numbers(name)
        if numbers:
            return numbers
        names = self.folders()
        there = f"it has {_shown(names)}" if names else "it is empty, publish one first"
        raise NotFoundError(f"there is no model {name!r} in {self._storage.location}: {there}")

    def listing(self, name: str) -> tuple[tuple[int, ...], frozenset[int]]:
        """The committed versions of a model, ascending, and those marked as deprecated, in one listing."""
        files = list(self._files(name))
        committed = tuple(sorted(version for version, file in files if file == MANIFEST_FILE))
        return committed, frozenset(version for version, file in files if file == DEPRECATED_FILE)

    def deleted(self, name: str) -> tuple[int, ...]:
        """The versions of a model that were deleted, ascending, in one listing; those being deleted are not yet."""
        files = set(self._files(name))
        return tuple(
            sorted(version for version, file in files if file == DELETED_FILE and (version, MANIFEST_FILE) not in files)
        )

    def deprecation(self, ref: VersionRef) -> Mark | None:
        """Who deprecated a version when and why; None where it is not."""
        stored = self._storage.read(version_key(ref.name, ref.version, DEPRECATED_FILE))
        return None if stored is None else decode_mark(stored.data)

    def deprecate(self, ref: VersionRef, mark: Mark) -> None:
        """Mark a version; ConflictError where it is marked already. A revocation takes the place of a deprecation."""
        key, data = version_key(ref.name, ref.version, DEPRECATED_FILE), encode(mark)
        try:
            self._storage.create(key, data, token=uuid.uuid4().hex)
        except ConflictError as error:
            there = self.deprecation(ref)
            if there is None:  # some services refuse to create what was deleted: here, by undoing a deprecation
                self._storage.overwrite(key, data)
                return
            if mark.revoked and not there.revoked:
                # The bucket's policy lets nobody write over it. Whoever is cut off here is told, and revokes again.
                self.undeprecate(ref)
                self.deprecate(ref, mark)
                return
            what = "revoked" if there.revoked else "deprecated"
            why = f": {there.reason}" if there.reason else ""
            raise ConflictError(
                f"{ref} was {what} already by {there.by} ({there.at:%Y-%m-%d}{why}): "
                "undo that first to give another reason"
            ) from error

    def undeprecate(self, ref: VersionRef) -> None:
        """Take the mark away."""
        self._storage.delete(version_key(ref.name, ref.version, DEPRECATED_FILE))

    def require_not_removed(self, ref: VersionRef) -> None:
        """ConflictError where a version is being removed; see `model_registry.removal` for when this is asked."""
        mark = standing_mark(self._storage, ref)
        if mark is not None:
            raise ConflictError(
                f"{ref} was deleted by {mark.by}, or is being deleted: choose another version "
                f"(`delete {ref}` again finishes a deletion that was cut off)"
            )

    def delete(self, ref: VersionRef, mark: Mark) -> None:
        """Delete a version for good; its number stays taken. ConflictError where a tag points at it."""
        tagged = self._tags.pointing_at(ref.name, ref.version)
        if not tagged:
            removal = Removal(self._storage, ref, mark)
            removal.take()
            tagged = self._tags.fence(ref.name, ref.version, removal.token)
            if tagged:
                removal.withdraw()
        if tagged:
            raise ConflictError(
                f"{ref} is tagged {', '.join(tagged)}, nothing was deleted: move or remove the tag first"
            )
        removal.require()
        self._storage.delete(version_key(ref.name, ref.version, MANIFEST_FILE))
        self._remove_files(ref)

    def aborted(self, name: str, *, older_than: timedelta, now: datetime) -> list[VersionRef]:
        """Publishes and deletions that were cut off longer ago than this: a model or other files without a manifest."""
        files: dict[int, dict[str, datetime]] = {}
        for key, modified in self._storage.entries(versions_prefix(name)):
            version, _, file = key.removeprefix(versions_prefix(name)).partition("/")
            if is_version(version):
                files.setdefault(int(version), {})[file] = modified
        return [
            VersionRef(name, version)
            for version, found in sorted(files.items())
            if MANIFEST_FILE not in found
            and not found.keys() <= {DELETED_FILE, DEPRECATED_FILE}
            and now - max(found.values()) >= older_than
        ]

    def remove_aborted(self, ref: VersionRef, mark: Mark) -> bool:
        """Remove what a publish or a deletion that was cut off left; False where somebody else is removing it.

        The mark comes first: a publish that is under way nevertheless finds it when it is done, and starts over.
        """
        removal = Removal(self._storage, ref, mark)
        try:
            removal.take()
            if self.manifest_bytes(ref) is not None:
                removal.withdraw()
                return False
            removal.require()
        except ConflictError:  # the publish itself, or another removal
            return False
        self._remove_files(ref)
        return True

    def _is_whole(self, release: Release, files: set[str]) -> bool:
        """Whether what was published is still there, and not being removed; where it is not, its rest is removed."""
        manifest = release.manifest
        ref = VersionRef(manifest.name, manifest.version)
        folder = version_key(ref.name, ref.version, "")
        there = {key.removeprefix(folder) for key in self._storage.keys(folder)}
        if files <= there and (DELETED_FILE not in there or standing_mark(self._storage, ref) is None):
            return True
        mark = Mark(by=manifest.created_by, at=manifest.created_at, reason="removed while it was being published")
        try:
            self.delete(ref, mark)
        except ConflictError:
            return files <= there and standing_mark(self._storage, ref) is None
        return False

    def _lost(self, release: Release, artifact: Artifact) -> IntegrityError | NotFoundError:
        ref = VersionRef(release.manifest.name, release.manifest.version)
        if standing_mark(self._storage, ref) is not None:  # between its manifest and this file
            return NotFoundError(f"{ref} was deleted meanwhile: choose another version")
        return IntegrityError(f"{ref} has lost its {artifact.file}: publish it again")

    def _remove_files(self, ref: VersionRef) -> None:
        # The model last: by it a removal that was cut off is found again.
        folder = version_key(ref.name, ref.version, "")
        kept = {folder + DELETED_FILE, folder + DEPRECATED_FILE, folder + MODEL_FILE}
        for key in list(self._storage.keys(folder)):
            if key not in kept:
                self._storage.delete(key)
        self._storage.delete(folder + MODEL_FILE)

    def _take_number(self, name: str, data: Content) -> int:
        """The next number, by the model's counter; taken for good once the model is written under it."""
        token = uuid.uuid4().hex
        after = 0
        for _ in range(TRIES):
            version = self.counted.next(name, token, after=after)
            try:
                self._storage.create(version_key(name, version, MODEL_FILE), data, token=token)
            except ConflictError:
                # A copy, or a release that does not know the counter, took this number: go behind all there are.
                after = self.counted.highest(name)
                continue
            return version
        raise ConflictError(f"{name}: {TRIES} other publishes were first, nothing was published: try again")

    def _files(self, name: str) -> Iterator[tuple[int, str]]:
        for key in self._storage.keys(versions_prefix(name)):
            version, _, file = key.removeprefix(versions_prefix(name)).partition("/")
            if is_version(version):
                yield int(version), file


def _changed(release: Release, artifact: Artifact, found: str) -> IntegrityError:
    return IntegrityError(
        f"{artifact.file} of {release.manifest.reference} has SHA-256 {found}, its manifest says "
        f"{artifact.sha256}: do not load it; restore the object or publish again"
    )


def _shown(names: Sequence[object]) -> str:
    """Names for a message: the last ones where there are many."""
    if len(names) <= _SHOWN:
        return ", ".join(map(str, names))
    return f"{', '.join(map(str, names[-_SHOWN:]))} and {len(names) - _SHOWN:,} more"
