"""Publish immutable versions of models, point tags at them, find them again.

s3://BUCKET/models/iris/versions/3/model.joblib     immutable
/manifest.json    immutable, written last: it commits the version
models/iris/tags/prod.json              current version and full history, replaced by compare-and-swap
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from model_registry import history, reference
from model_registry.errors import ConflictError, FileError, InvalidNameError, NotFoundError, PublishError
from model_registry.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    Label,
    Manifest,
    Mark,
    Tag,
    check_slug,
    digest,
)
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_registry.storage import Storage
from model_registry.tags import Tags
from model_registry.versions import Versions

ABORTED_AFTER = timedelta(days=1)
"""A publish without a manifest is taken for one that was cut off, and not for one under way, after this time."""


@dataclass(frozen=True)
class ModelSummary:
    """A model of the registry: its versions in ascending order, those deprecated, and where its tags point."""

    name: str
    versions: tuple[int, ...]
    tags: Mapping[str, int]
    deprecated: frozenset[int]


class Registry:
    """A model registry in a bucket.

    `actor` says who publishes and moves tags; it is asked when that is written, and not before.
    """

    def __init__(self, storage: Storage, *, actor: str | Callable[[], str]) -> None:
        self.location = storage.location
        self._versions = Versions(storage)
        self._tags = Tags(storage)
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

        def manifest_of(version: int) -> Manifest:
            return Manifest(
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

        return self._versions.add(name, data, manifest_of)

    def copy(self, address: str, target: "Registry") -> Release:
        """Copy a version to another bucket or account: the same number, the same bytes, the same digests.

        ConflictError where the number is taken there by other bytes; where it is the same version, nothing is done.
        """
        release = self.resolve(address)
        ref = VersionRef(release.manifest.name, release.manifest.version)
        data = self._versions.model_bytes(release)
        try:
            target._versions.put(ref, data, release.manifest_bytes)  # noqa: SLF001  # of the same class
        except ConflictError as error:
            try:
                there = target.resolve(ref)
            except NotFoundError:
                raise error from None
            if there.manifest_bytes != release.manifest_bytes:
                raise ConflictError(
                    f"{ref} is another model in {target.location}: publish there under another name"
                ) from error
        return release

    # -- read ------------------------------------------------------------------------------------------------

    def models(self) -> Iterator[ModelSummary]:
        """Every model that has a version, in the order of their names."""
        return (self._summary(name) for name in self._versions.names())

    def model(self, name: str) -> ModelSummary:
        """One model; NotFoundError where it has no version."""
        self._versions.known_numbers(check_slug(name, "model name"))
        return self._summary(name)

    def resolve(self, address: str | reference.Reference) -> Release:
        """Find the version that `NAME/VERSION` or `NAME@TAG` addresses, in one or two requests."""
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, TagRef):
            version = self.tag_of(ref).version
            if version is None:
                raise self._not_set(ref)
            ref = VersionRef(ref.name, version)
        return self._versions.read(ref)

    def tag_of(self, address: str | TagRef) -> Tag:
        """Read a tag with its history, in one request; NotFoundError where it never was set."""
        ref = _tag_ref(address)
        found = self._tags.read(ref)
        if found is None:
            raise self._not_set(ref)
        return found[0]

    def which(self, address: str, at: datetime) -> VersionRef:
        """The version that a tag pointed at, at an instant (with a time zone); NotFoundError where it was not set."""
        ref = _tag_ref(address)
        version = history.version_at(self.tag_of(ref), at)
        if version is None:
            raise NotFoundError(f"{ref} was not set at {at.isoformat()}: `history {ref}` shows when it was")
        return VersionRef(ref.name, version)

    def read_model(self, release: Release) -> bytes:
        """The bytes of a version's model, checked against the manifest; IntegrityError where they differ."""
        return self._versions.model_bytes(release)

    def deprecation(self, release: Release) -> Mark | None:
        """Who deprecated a version when and why; None where it is not."""
        return self._versions.deprecation(VersionRef(release.manifest.name, release.manifest.version))

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
        return self._move(TagRef(target.name, tag), target.version, action="tag", reason=reason)

    def promote(self, name: str, *, from_tag: str, to_tag: str, reason: str = "") -> Tag:
        """Point `to_tag` at the version that `from_tag` points at."""
        source, target = (TagRef(check_slug(name, "model name"), check_slug(tag, "tag")) for tag in (from_tag, to_tag))
        version = self.resolve(source).manifest.version
        return self._move(target, version, action="promote", reason=reason)

    def rollback(self, address: str, *, reason: str = "") -> Tag:
        """Point a tag at the version that it pointed at before; again: at the one before that."""
        ref = _tag_ref(address)
        earlier = history.before(self.tag_of(ref))
        self._versions.read(VersionRef(ref.name, earlier))
        return self._move(ref, earlier, action="rollback", reason=reason)

    def untag(self, address: str, *, reason: str = "") -> Tag:
        """Let a tag point at nothing; its history stays."""
        ref = _tag_ref(address)
        self.tag_of(ref)
        return self._move(ref, None, action="untag", reason=reason)

    def _move(self, ref: TagRef, version: int | None, *, action: str, reason: str) -> Tag:
        found = self._tags.read(ref)
        current, etag = found or (None, None)
        if current is not None and current.version == version:
            return current
        moved = history.moved(ref, current, version, action=action, by=self._who(), at=_now(), reason=reason)
        self._tags.write(moved, etag)
        return moved

    # -- housekeeping ----------------------------------------------------------------------------------------

    def deprecate(self, address: str, *, reason: str) -> Mark:
        """Mark a version as one that should not be used any more: it is served on, but not promoted."""
        manifest = self.resolve(address).manifest
        mark = Mark(by=self._who(), at=_now(), reason=reason)
        self._versions.deprecate(VersionRef(manifest.name, manifest.version), mark)
        return mark

    def undeprecate(self, address: str) -> None:
        """Take the mark away."""
        manifest = self.resolve(address).manifest
        self._versions.undeprecate(VersionRef(manifest.name, manifest.version))

    def delete(self, ref: VersionRef, *, reason: str) -> None:
        """Delete a version that no tag points at, for good; its number is never used again."""
        release = self._versions.read(ref)
        mark = Mark(by=self._who(), at=_now(), reason=reason)
        self._versions.delete(release, mark, is_tagged=lambda: list(self._tags.pointing_at(ref.name, ref.version)))

    def aborted(self, *, older_than: timedelta = ABORTED_AFTER) -> Iterator[VersionRef]:
        """Publishes that were cut off longer ago than this."""
        for name in self._versions.folders():
            yield from self._versions.aborted(name, before=_now() - older_than)

    def gc(self, *, older_than: timedelta = ABORTED_AFTER) -> Iterator[VersionRef]:
        """Remove what such publishes left, and tell which they were."""
        for ref in self.aborted(older_than=older_than):
            self._versions.remove_aborted(ref)
            yield ref

    # -- helpers ---------------------------------------------------------------------------------------------

    def _summary(self, name: str) -> ModelSummary:
        tags = {tag: self.tag_of(TagRef(name, tag)).version for tag in self._tags.names(name)}
        pointing = {tag: version for tag, version in tags.items() if version is not None}
        numbers, deprecated = self._versions.numbers(name), self._versions.deprecated(name)
        return ModelSummary(name, numbers, pointing, frozenset(deprecated))

    def _not_set(self, ref: TagRef) -> NotFoundError:
        self._versions.known_numbers(ref.name)
        tags = ", ".join(self._tags.names(ref.name)) or "none"
        return NotFoundError(
            f"the tag {ref} is not set (tags of {ref.name}: {tags}): "
            f"set it with `python -m model_registry tag {ref.name}/VERSION {ref.tag}`"
        )

    def _who(self) -> str:
        return self._actor if isinstance(self._actor, str) else self._actor()


def _tag_ref(address: str | TagRef) -> TagRef:
    ref = reference.parse(address) if isinstance(address, str) else address
    if isinstance(ref, TagRef):
        return ref
    raise InvalidNameError(f"{address} is a version, this needs a tag: write NAME@TAG, for example {ref.name}@prod")


def _now() -> datetime:
    return datetime.now(UTC)


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
