"""Publish immutable versions of models, point tags at them, find them again.

s3://BUCKET/models/iris/versions/3/model.joblib     immutable
                                  /manifest.json    immutable, written last: it commits the version
            models/iris/tags/prod.json              current version and full history, replaced by compare-and-swap
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from model_registry import reference
from model_registry.errors import ConflictError, FileError, IntegrityError, NotFoundError, PublishError
from model_registry.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    Label,
    Manifest,
    Move,
    Tag,
    check_slug,
    decode_manifest,
    decode_tag,
    digest,
    encode,
    tag_key,
    tags_prefix,
    version_key,
    versions_prefix,
)
from model_registry.reference import TagRef, VersionRef
from model_registry.storage import Storage

_PUBLISH_TRIES = 100  # so many publishes of the same model would have to win in a row


@dataclass(frozen=True)
class Release:
    """A version that the registry holds: its manifest, and the bytes that this was read from."""

    manifest: Manifest
    manifest_bytes: bytes

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 in hex of the manifest as stored: whoever pins it pins the model too."""
        return digest(self.manifest_bytes)


@dataclass(frozen=True)
class ModelSummary:
    """A model of the registry: its versions in ascending order, and where its tags point."""

    name: str
    versions: tuple[int, ...]
    tags: Mapping[str, int]


class Registry:
    """A model registry in a bucket.

    `actor` says who publishes and moves tags; it is asked when that is written, and not before.
    """

    def __init__(self, storage: Storage, *, actor: str | Callable[[], str]) -> None:
        self._storage = storage
        self._actor = actor

    # -- publish ---------------------------------------------------------------------------------------------

    def publish(
        self,
        estimator: Any,
        *,
        name: str,
        X_example: Any,
        class_names: Sequence[Label] | None = None,
        feature_names: Sequence[str] | None = None,
        metrics: Mapping[str, float] | None = None,
        description: str = "",
        model_bytes: bytes | None = None,
    ) -> Release:
        """Publish a fitted estimator as the next version of a model.

        X_example: a DataFrame, an array of shape (n, features), a list of n objects or n texts; names and types of
        the signature come from it, and its first rows, with the answers to them, become the golden examples.
        `model_bytes` is the joblib file of this estimator where there is one already. Raises PublishError for
        what cannot be published, InvalidNameError for a bad name; nothing is written then.
        """
        # Imported here: reading a registry needs no scikit-learn.
        from model_registry.estimator import describe, dump

        check_slug(name, "model name")
        checked = _check_metrics(metrics or {})
        described = describe(estimator, X_example, class_names=class_names, feature_names=feature_names)
        data = dump(estimator) if model_bytes is None else model_bytes
        created_by = self._who()
        version = self._write_model(name, data)
        manifest = Manifest(
            name=name,
            version=version,
            created_at=_now(),
            created_by=created_by,
            description=description,
            estimator=described.estimator,
            parameters=described.parameters,
            artifact=Artifact(file=MODEL_FILE, sha256=digest(data), size=len(data)),
            environment=described.environment,
            signature=described.signature,
            metrics=checked,
            examples=described.examples,
        )
        encoded = encode(manifest)
        self._storage.create(version_key(name, version, MANIFEST_FILE), encoded)
        return Release(manifest, encoded)

    def _write_model(self, name: str, data: bytes) -> int:
        """Take the next free version number by writing the model under it."""
        folders = self._storage.folders(versions_prefix(name))
        version = max((int(folder) for folder in folders if folder.isdecimal()), default=0)
        for _ in range(_PUBLISH_TRIES):
            version += 1
            try:
                self._storage.create(version_key(name, version, MODEL_FILE), data)
            except ConflictError:
                continue  # another publish took this number
            return version
        raise ConflictError(f"{name}: {_PUBLISH_TRIES} other publishes were first, nothing was published: try again")

    # -- read ------------------------------------------------------------------------------------------------

    def models(self) -> Iterator[ModelSummary]:
        """Every model that has a version, in the order of their names."""
        for name in self._storage.folders("models/"):
            summary = self._summary(name)
            if summary.versions:
                yield summary

    def model(self, name: str) -> ModelSummary:
        """One model; NotFoundError where it has no version."""
        self._known_versions(check_slug(name, "model name"))
        return self._summary(name)

    def resolve(self, address: str | reference.Reference) -> Release:
        """Find the version that `NAME/VERSION` or `NAME@TAG` addresses, in one or two requests."""
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, TagRef):
            ref = VersionRef(ref.name, self.tag_of(ref).version)
        stored = self._storage.read(version_key(ref.name, ref.version, MANIFEST_FILE))
        if stored is None:
            versions = ", ".join(map(str, self._known_versions(ref.name)))
            raise NotFoundError(f"there is no version {ref}: {ref.name} has {versions}")
        manifest = decode_manifest(stored.data)
        if manifest.reference != str(ref):
            raise IntegrityError(
                f"the manifest of {ref} says that it is {manifest.reference}: "
                "it was copied there; restore the object from the bucket's versions"
            )
        return Release(manifest, stored.data)

    def tag_of(self, ref: TagRef) -> Tag:
        """Read a tag with its history; NotFoundError where it is not set."""
        stored = self._storage.read(tag_key(ref.name, ref.tag))
        if stored is None:
            self._known_versions(ref.name)
            tags = ", ".join(self._tag_names(ref.name)) or "none"
            raise NotFoundError(
                f"the tag {ref} is not set (tags of {ref.name}: {tags}): "
                f"set it with `python -m model_registry tag {ref.name}/VERSION {ref.tag}`"
            )
        return _checked_tag(ref, stored.data)

    def read_model(self, release: Release) -> bytes:
        """The bytes of a version's model, checked against the manifest; IntegrityError where they differ."""
        manifest = release.manifest
        key = version_key(manifest.name, manifest.version, manifest.artifact.file)
        stored = self._storage.read(key)
        if stored is None:
            raise IntegrityError(f"{manifest.reference} has lost its {manifest.artifact.file}: publish it again")
        found = digest(stored.data)
        if found != manifest.artifact.sha256:
            raise IntegrityError(
                f"{manifest.artifact.file} of {manifest.reference} has SHA-256 {found}, its manifest says "
                f"{manifest.artifact.sha256}: do not load it; restore the object or publish again"
            )
        return stored.data

    def download(self, address: str, folder: Path) -> tuple[Path, Path]:
        """Write a version's model and manifest, both checked, into a folder; returns the two paths."""
        release = self.resolve(address)
        data = self.read_model(release)
        model, manifest = folder / MODEL_FILE, folder / MANIFEST_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            model.write_bytes(data)
            manifest.write_bytes(release.manifest_bytes)
        except OSError as error:
            raise FileError(f"cannot write to {folder} ({error.strerror}): give another folder") from error
        return model, manifest

    # -- tags ------------------------------------------------------------------------------------------------

    def tag(self, address: str, tag: str, *, reason: str = "") -> Tag:
        """Point a tag at the version that an address names, and return the tag with its new history.

        Already there: nothing is written. ConflictError where another writer moved the tag meanwhile.
        """
        check_slug(tag, "tag")
        target = self.resolve(address).manifest
        key = tag_key(target.name, tag)
        stored = self._storage.read(key)
        if stored is None:
            move = self._move(None, target.version, reason)
            moved = Tag(name=target.name, tag=tag, version=target.version, history=(move,))
            self._storage.create(key, encode(moved))
            return moved
        current = _checked_tag(TagRef(target.name, tag), stored.data)
        if current.version == target.version:
            return current
        move = self._move(current.history[-1], target.version, reason)
        moved = msgspec.structs.replace(current, version=target.version, history=(*current.history, move))
        self._storage.replace(key, encode(moved), stored.etag)
        return moved

    def promote(self, name: str, *, from_tag: str, to_tag: str, reason: str = "") -> Tag:
        """Point `to_tag` at the version that `from_tag` points at."""
        source = TagRef(check_slug(name, "model name"), check_slug(from_tag, "tag"))
        return self.tag(str(source), to_tag, reason=reason)

    def _move(self, previous: Move | None, version: int, reason: str) -> Move:
        return Move(
            sequence=1 if previous is None else previous.sequence + 1,
            from_version=None if previous is None else previous.to_version,
            to_version=version,
            by=self._who(),
            at=_now(),
            reason=reason,
            previous=None if previous is None else digest(encode(previous)),
        )

    # -- helpers ---------------------------------------------------------------------------------------------

    def _summary(self, name: str) -> ModelSummary:
        tags = {tag: self.tag_of(TagRef(name, tag)).version for tag in self._tag_names(name)}
        return ModelSummary(name, self._versions(name), tags)

    def _versions(self, name: str) -> tuple[int, ...]:
        paths = (key.split("/") for key in self._storage.keys(versions_prefix(name)))
        return tuple(
            sorted(int(version) for *_, version, file in paths if file == MANIFEST_FILE and version.isdecimal())
        )

    def _known_versions(self, name: str) -> tuple[int, ...]:
        versions = self._versions(name)
        if versions:
            return versions
        names = [other for other in self._storage.folders("models/") if self._versions(other)]
        there = f"it has {', '.join(names)}" if names else "it is empty, publish one first"
        raise NotFoundError(f"there is no model {name!r} in {self._storage.location}: {there}")

    def _tag_names(self, name: str) -> list[str]:
        # Other tools leave their own objects, such as the folder markers of the S3 console.
        files = [key.removeprefix(tags_prefix(name)) for key in self._storage.keys(tags_prefix(name))]
        return sorted(file.removesuffix(".json") for file in files if file.endswith(".json"))

    def _who(self) -> str:
        return self._actor if isinstance(self._actor, str) else self._actor()


def _checked_tag(ref: TagRef, data: bytes) -> Tag:
    tag = decode_tag(data)
    at_home = (tag.name, tag.tag) == (ref.name, ref.tag)
    if not (at_home and tag.history and tag.version == tag.history[-1].to_version):
        raise IntegrityError(
            f"the tag object of {ref} says {tag.name}@{tag.tag} -> {tag.version}, which its place or its last move "
            "does not bear out: restore the object from the bucket's versions"
        )
    return tag


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _check_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    checked = {}
    for name, value in metrics.items():
        try:
            checked[str(name)] = float(value)
        except (TypeError, ValueError) as error:
            raise PublishError(f"metric {name!r} is {value!r}: give a number") from error
        if not math.isfinite(checked[str(name)]):
            raise PublishError(f"metric {name!r} is {value!r}: give a finite number")
    return checked
