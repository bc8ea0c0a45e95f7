"""Publish immutable versions of models, point tags at them, find them again.

s3://BUCKET/models/iris/versions/3/model.joblib     immutable
/manifest.json    immutable, written last: it commits the version
models/iris/tags/prod.json              current version and full history, replaced by compare-and-swap
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from model_registry import history, reference
from model_registry.gates import NO_GATES, Gates, check_gates
from model_registry.promotion import Judge, Progress, judge
from model_registry.records import Mark, Move, Policy, Tag
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_registry.rules import Policies
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.errors import (
    ConflictError,
    FileError,
    IntegrityError,
    InvalidNameError,
    ModelFormatError,
    NotFoundError,
)
from model_runtime.manifest import (
    FORMAT_FILES,
    MANIFEST_FILE,
    MODEL_FILE,
    FeatureType,
    Label,
    Manifest,
    ProofKind,
    check_slug,
)
from model_runtime.pin import Pin
from model_runtime.signing import parse_public_keys
from model_runtime.storage import Storage

if TYPE_CHECKING:
    from model_registry.signing import Signer

PROOF_VARIABLE = "MODEL_REGISTRY_PROOF"
NOTE = "note: "
"""Begins a line of progress that says what was found, and not what is being done."""

_LOG = logging.getLogger(__name__)

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
    `signer` signs what is published. With `trusted_keys` (public keys as text) a version whose manifest none of them
    signed is refused with SigningError wherever it is resolved.
    `notifier` is told of each move of a tag once it is committed. Where it fails, the move stands and is returned as
    ever, and the failure is logged as a warning (logger `model_registry.registry`; on stderr unless logging is set up).
    `proof` is how versions are proven that are published without another word: MODEL_REGISTRY_PROOF, else `full`.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        actor: str | Callable[[], str],
        signer: "Signer | None" = None,
        trusted_keys: Sequence[str] = (),
        notifier: Callable[[Tag, Move], None] | None = None,
        proof: ProofKind | None = None,
    ) -> None:
        self.location = storage.location
        self._versions = Versions(storage)
        self._tags = Tags(storage)
        self._policies = Policies(storage)
        self._actor = actor
        self._signer = signer
        self._trusted_keys = parse_public_keys(",".join(trusted_keys)) if trusted_keys else ()
        self._notifier = notifier
        self._proof = proof

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
        lock: Path | None = None,
        formats: Sequence[str] = ("joblib",),
        X_train: Any = None,
        outputs: Sequence[str] | None = None,
        nullable: Collection[str] | bool = (),
        types: Mapping[str, FeatureType] | None = None,
        proof: ProofKind | None = None,
        progress: Progress = lambda _line: None,
    ) -> Release:
        """Prove a fitted estimator, and publish it as the next version of a model.

        Args:
            estimator: A fitted estimator of scikit-learn, or one that follows its interface.
            name: The model's name.
            X_example: A DataFrame, an array of shape (n, features), a list of n objects or n texts. Names and types of
                the signature come from it, and its first rows, with the answers to them, become the examples.
            class_names: New names of the classes, in the order of `classes_`.
            feature_names: Names of the columns of an array.
            metrics: Numbers by name, for people and for gates.
            description: A sentence for people.
            model_bytes: The joblib file of this estimator, where there is one already.
            lock: A requirements file that pins the packages, instead of those installed.
            formats: What is stored. Beside `joblib`, which every version has, `skops`, which must answer the examples
                as the estimator does, and `onnx`, which must answer 10,000 rows and more so, among them those given.
            X_train: More rows, given like X_example; types and gaps are learnt from up to 1,000 of them, which are
                proven too.
            outputs: The methods that are served; `model_registry.publish.outputs.outputs_of` has their names.
            nullable: Names of the features that may be missing, or True for all.
            types: Types of some features, where they are not those found.
            proof: How the version is proven: `full`, in an environment of exactly its packages; `process`, in a process
                of this environment; `none`. By default as the registry was opened.
            progress: Is told what is being done, a line at a time.

        Raises:
            PublishError: It cannot be published; ProofError where it would be served with other answers than the
                estimator gives its owner. Nothing is written then.
            InvalidNameError: The name is not usable.

        """
        # Imported here: reading a registry needs no scikit-learn.
        from model_registry.publish.version import Given, prepare

        given = Given(
            name=name,
            X_example=X_example,
            X_train=X_train,
            class_names=class_names,
            feature_names=feature_names,
            outputs=outputs,
            nullable=nullable,
            types=types,
            metrics=metrics,
            description=description,
            model_bytes=model_bytes,
            lock=lock,
            formats=formats,
            proof=proof or self._proof or os.environ.get(PROOF_VARIABLE) or "full",
        )
        prepared = prepare(estimator, given, progress=progress)
        for note in prepared.notes:
            progress(f"{NOTE}{note}")
        progress(f"storing {len(prepared.data) / 1e6:.1f} MB")
        created_by = self._who()

        def manifest_of(version: int) -> Manifest:
            return msgspec.structs.replace(prepared.draft, version=version, created_at=_now(), created_by=created_by)

        sign = None if self._signer is None else self._signer.sign
        return self._versions.add(name, prepared.data, manifest_of, further=prepared.further, sign=sign)

    def copy(self, address: str, target: "Registry") -> Release:
        """Copy a version to another bucket or account: the same number, bytes, digests and signature.

        ConflictError where the number is taken there by other bytes; where it is the same version, nothing is done.
        """
        release = self.resolve(address)
        ref = VersionRef(release.manifest.name, release.manifest.version)
        data, signature = self._versions.model_bytes(release), self._versions.signature_bytes(ref)
        further = {
            model_format.artifact.file: self._versions.model_bytes(release, name)
            for name, model_format in release.manifest.formats.items()
        }
        try:
            target._versions.put(ref, data, release.manifest_bytes, further=further, signature=signature)  # noqa: SLF001  # of the same class
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
        summaries = (self._summary(name) for name in self._versions.folders())
        return (summary for summary in summaries if summary.versions)

    def model(self, name: str) -> ModelSummary:
        """One model; NotFoundError where it has no version."""
        summary = self._summary(check_slug(name, "model name"))
        if not summary.versions:
            self._versions.known_numbers(name)
        return summary

    def resolve(self, address: str | reference.Reference) -> Release:
        """Find the version that `NAME/VERSION` or `NAME@TAG` addresses, in one or two requests."""
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, VersionRef):
            return self._versions.read(ref, trusted_keys=self._trusted_keys)
        pin = self._pin_of(ref)
        release = self._versions.read(VersionRef(pin.name, pin.version), trusted_keys=self._trusted_keys)
        if release.manifest_sha256 != pin.manifest_sha256:
            raise IntegrityError(
                f"{ref}: the manifest of {pin} is not the one that it was pointed at: "
                "restore it from the bucket's versions"
            )
        return release

    def pin(self, address: str | reference.Reference) -> Pin:
        """The version that an address names and the digest of its manifest, in one request.

        With trusted keys in as many as `resolve` takes, as the signature is checked.
        """
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, TagRef) and not self._trusted_keys:
            return self._pin_of(ref)
        release = self.resolve(ref)
        return Pin(release.manifest.name, release.manifest.version, release.manifest_sha256)

    def _pin_of(self, ref: TagRef) -> Pin:
        last = self.tag_of(ref).history[-1]
        if last.to_version is None or last.manifest_sha256 is None:  # both or neither: history.faults
            raise self._not_set(ref)
        return Pin(ref.name, last.to_version, last.manifest_sha256)

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

    def read_model(self, release: Release, model_format: str = "joblib") -> bytes:
        """The bytes of a version's model in a format's form, checked against the manifest.

        IntegrityError where they differ, ModelFormatError where the version does not have that form.
        """
        return self._versions.model_bytes(release, model_format)

    def load(
        self,
        address: str | reference.Reference,
        *,
        model_format: str = "joblib",
        trusted: Sequence[str] = (),
        anywhere: bool = False,
    ) -> Any:
        """Load a version's estimator, its digest checked before; by default this runs what its publisher pickled.

        With the format `skops` nothing is unpickled: ModelFormatError where the file holds types that neither skops nor
        `trusted` (names as `package.module.Type`) trusts. EnvironmentMismatchError, with the differences and the
        command that mends them, where the running environment is not the one of the manifest. `anywhere` takes one
        with other packages, but never another scikit-learn than the model was written by.
        """
        # Imported here: reading a registry needs neither.
        from model_registry.publish.environment import differences, mismatch
        from model_runtime.formats import skops as skops_format
        from model_runtime.prediction import unpickle

        if model_format not in {"joblib", "skops"}:
            raise ModelFormatError(
                f"an estimator is loaded from joblib or skops, not from {model_format!r}: name one of these"
            )
        release = self.resolve(address)
        form, what = release.manifest.model_format(model_format), release.manifest.reference
        found = [] if anywhere else differences(form.environment)
        if found:
            raise mismatch(what, form.environment, "; ".join(found))
        data = self.read_model(release, model_format)
        try:
            if model_format == "skops":
                return skops_format.load(data, trusted, what=f"{form.artifact.file} of {what}")
            return unpickle(data)
        except (ImportError, UserWarning) as error:  # InconsistentVersionWarning is a UserWarning
            raise mismatch(what, form.environment, str(error)) from error

    def untrusted_types(self, release: Release) -> tuple[str, ...]:
        """The types that somebody must trust to load a version by skops, read from its file without loading it.

        The digest is checked before; ModelFormatError where the version has no such file.
        """
        from model_runtime.formats.skops import untrusted_types

        return untrusted_types(self.read_model(release, "skops"))

    def deprecation(self, release: Release) -> Mark | None:
        """Who deprecated a version when and why; None where it is not."""
        return self._versions.deprecation(VersionRef(release.manifest.name, release.manifest.version))

    def download(self, address: str, folder: Path) -> tuple[Path, ...]:
        """Write a version's model, manifest and further forms, all checked, into a folder; returns the paths so."""
        release = self.resolve(address)
        files = {MODEL_FILE: self.read_model(release), MANIFEST_FILE: release.manifest_bytes}
        for name, file in FORMAT_FILES.items():
            if name in release.manifest.formats:
                files[file] = self.read_model(release, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, data in files.items():
                (folder / file).write_bytes(data)
        except OSError as error:
            raise FileError(f"cannot write to {folder} ({error.strerror}): give another folder") from error
        return tuple(folder / file for file in files)

    # -- tags ------------------------------------------------------------------------------------------------

    def tag(
        self,
        address: str,
        tag: str,
        *,
        gates: Gates | None = None,
        reason: str = "",
        progress: Progress = lambda _line: None,
    ) -> Tag:
        """Point a tag at the version that an address names, and return the tag with its new history.

        Already there: nothing is written. Gates are met where they are given, or the tag has a policy; GateError has
        what was not passed. ConflictError where another writer moved the tag meanwhile.
        """
        check_slug(tag, "tag")
        target = self.resolve(address)
        ref = TagRef(target.manifest.name, tag)
        judging = self._judge(ref, target, gates, progress)
        return self._move(ref, target, action="tag", reason=reason, judging=judging)

    def promote(
        self,
        name: str,
        *,
        to_tag: str,
        from_tag: str | None = None,
        version: int | None = None,
        gates: Gates = NO_GATES,
        reason: str = "",
        progress: Progress = lambda _line: None,
    ) -> Tag:
        """Point `to_tag` at a version, or at the one that `from_tag` points at, if that passes the gates.

        The gates are those given and those of the tag's policy. They are judged against the version that this move
        replaces: where the tag was moved meanwhile, nothing is changed (ConflictError). Nothing is unpickled unless
        they say `verify`, which comes last. GateError has every gate that was not passed, with its numbers.
        """
        ref = TagRef(check_slug(name, "model name"), check_slug(to_tag, "tag"))
        if from_tag is not None and version is None:
            target = self.resolve(TagRef(name, check_slug(from_tag, "tag")))
        elif version is not None and from_tag is None:
            target = self.resolve(VersionRef(name, version))
        else:
            raise InvalidNameError(f"{name} is promoted from one version: give a tag or a version number, and not both")
        judging = self._judge(ref, target, gates, progress)
        return self._move(ref, target, action="promote", reason=reason, judging=judging)

    def rollback(self, address: str, *, reason: str = "") -> Tag:
        """Point a tag at the version that it pointed at before; again: at the one before that.

        No gate and no policy is asked: what gets a team out of trouble must not be in its way.
        """
        ref = _tag_ref(address)
        earlier = history.before(self.tag_of(ref))
        return self._move(ref, self.resolve(VersionRef(ref.name, earlier)), action="rollback", reason=reason)

    def untag(self, address: str, *, reason: str = "") -> Tag:
        """Let a tag point at nothing; its history stays."""
        ref = _tag_ref(address)
        self.tag_of(ref)
        return self._move(ref, None, action="untag", reason=reason)

    def _move(
        self, ref: TagRef, target: Release | None, *, action: str, reason: str, judging: Judge | None = None
    ) -> Tag:
        version = target.manifest.version if target else None
        found = self._tags.read(ref)
        current, etag = found or (None, None)
        if current is not None and current.version == version:
            return current
        # Judged on the state whose ETag the write needs: another state is a conflict.
        checks = judging(current) if judging else ()
        moved = history.moved(
            ref,
            current,
            version,
            action=action,
            by=self._who(),
            at=_now(),
            reason=reason,
            manifest_sha256=target.manifest_sha256 if target else None,
            checks=checks,
        )
        self._tags.write(moved, etag)
        if target:
            self._require_there(ref, target)
        self._notify(moved)
        return moved

    def _require_there(self, ref: TagRef, target: Release) -> None:
        """A version can be deleted between being read and being tagged; the deletion looks for tags before ours."""
        try:
            self._versions.read(VersionRef(ref.name, target.manifest.version))
        except NotFoundError as error:
            raise ConflictError(
                f"{target.manifest.reference} was deleted while {ref} was moved to it, and the tag points at nothing "
                f"usable: point it elsewhere, for example by `rollback {ref}`"
            ) from error

    def _notify(self, moved: Tag) -> None:
        if self._notifier is None:
            return
        try:
            self._notifier(moved, moved.history[-1])
        except Exception as error:  # noqa: BLE001  # whatever a notifier does, the move is made already
            _LOG.warning("%s@%s was moved, but its notice failed: %s", moved.name, moved.tag, error)

    # -- policies --------------------------------------------------------------------------------------------

    def policy(self, address: str | TagRef) -> Policy | None:
        """The gates that every move of a tag meets, but for rollback and untag; None where it has no policy."""
        return self._policies.read(_tag_ref(address))

    def set_policy(self, address: str | TagRef, gates: Gates, *, reason: str) -> Policy:
        """Set the gates that every move of a tag meets from now on, in the place of those before.

        The tag need not be set yet, and where it is, it stays. ConflictError where another writer was first.
        """
        ref = _tag_ref(address)
        policy = Policy(gates=check_gates(gates), set_by=self._who(), at=_now(), reason=reason)
        self._policies.write(ref, policy)
        return policy

    def _judge(self, ref: TagRef, target: Release, gates: Gates | None, progress: Progress) -> Judge | None:
        def manifest_of(version: VersionRef) -> Manifest:
            # Unsigned or not: a registry that begins to ask for signatures must be able to replace what has none.
            return self._versions.read(version).manifest

        policy = self._policies.read(ref)
        return judge(self, ref, target, policy=policy, call=gates, manifest_of=manifest_of, progress=progress)

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
        numbers, deprecated = self._versions.listing(name)
        return ModelSummary(name, numbers, pointing, deprecated)

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
