"""Publish immutable versions of models, point tags at them, find them again.

s3://BUCKET/models/iris/versions/3/model.joblib     immutable
                                  /manifest.json    immutable, written last: it commits the version
            models/iris/tags/prod.json              where the tag points, and its latest moves: compare-and-swap
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from model_registry import copying, loading, reference
from model_registry.arguments import checked
from model_registry.download import Download
from model_registry.gates import NO_GATES, Gates, check_gates
from model_registry.history import version_at
from model_registry.moves import Moves
from model_registry.notebook import table
from model_registry.promotion import SILENCE, Judge, Progress, Proposal, Verifier, joint_gates
from model_registry.records import Mark, Move, PromotionRules, Tag
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_registry.removal import standing_mark
from model_registry.report.figures import Report, check_size, decode_report
from model_registry.rules import RulesOfTags
from model_registry.signed_moves import PromoterKey, signing_faults
from model_registry.summary import ModelSummary, Page, page_of, summary_of
from model_registry.tags import Tags
from model_registry.versions import Versions, files_of
from model_runtime.errors import (
    AccessDeniedError,
    ArgumentError,
    IntegrityError,
    InvalidNameError,
    NotFoundError,
)
from model_runtime.manifest import (
    GOLDEN_FILE,
    MANIFEST_FILE,
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
    from model_registry.publish.version import Prepared
    from model_registry.signing import Signer

_LOG = logging.getLogger(__name__)

PROOF_VARIABLE = "MODEL_REGISTRY_PROOF"
NOTE = "note: "
"""Begins a line of progress that says what was found, and not what is being done."""

_SHOWN = 50
"""So many models of a registry are shown in a notebook: each is some requests."""

ABORTED_AFTER = timedelta(days=1)
"""A publish without a manifest is taken for one that was cut off, and not for one under way, after this time."""


class Registry:
    """A model registry in a bucket.

    `actor` says who publishes and moves tags; it is asked when that is written, and not before.
    `caller` says whom the credentials belong to, and is recorded beside an actor who is another when a tag is moved.
    `signer` signs what is published. With `trusted_keys` (public keys as text) a version whose manifest none of them
    signed is refused with SigningError wherever it is resolved.
    `promoter` signs each move of a tag: a `model_registry.signing.Signer`, or one that has its key in KMS.
    `notifier` is told of each move of a tag once it is committed. Where it fails, the move stands and is returned as
    ever, and the failure is logged as a warning (logger `model_registry.registry`; on stderr unless logging is set up).
    `verify_tags` are tags (NAME@TAG) whose promotion rules may have a model's code run here; without that nothing but
    the gate `verify` of a call does it, as rules are in the bucket, and whoever can write there can set them.
    `proof` is how versions are proven that are published without another word: MODEL_REGISTRY_PROOF, else `full`.
    """

    @checked
    def __init__(
        self,
        storage: Storage,
        *,
        actor: str | Callable[[], str],
        signer: "Signer | None" = None,
        trusted_keys: Sequence[str] = (),
        notifier: Callable[[Tag, Move], None] | None = None,
        proof: ProofKind | None = None,
        caller: Callable[[], str] | None = None,
        verify_tags: Collection[str] = (),
        promoter: PromoterKey | None = None,
    ) -> None:
        self.location = storage.location
        self._versions = Versions(storage)
        self._tags = Tags(storage)
        self._rules = RulesOfTags(storage)
        self._storage = storage
        self._actor = actor
        self._signer = signer
        self._trusted_keys = parse_public_keys(",".join(trusted_keys)) if trusted_keys else ()
        self._moves = Moves(self._versions, self._tags, self._who, notifier, caller, promoter)
        self._proof = proof
        self._verify_tags = frozenset(verify_tags)

    def __repr__(self) -> str:
        return f"<Registry {self.location}>"

    def _repr_html_(self) -> str:
        pages = islice(self.pages(), _SHOWN)
        models = [
            {
                "model": page.name,
                "latest": str(page.versions[-1].number),
                "tags": ", ".join(f"{tag} → {version}" for tag, version in page.tags.items()),
            }
            for page in pages
        ]
        return table(self.location, models or [{"model": "none yet"}])

    # -- publish ---------------------------------------------------------------------------------------------

    @checked
    def publish(
        self,
        estimator: Any,
        *,
        name: str,
        X_example: Any,
        class_names: Sequence[Label] | None = None,
        feature_names: Sequence[str] | None = None,
        metrics: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        description: str = "",
        model_bytes: bytes | None = None,
        model_file: Path | None = None,
        lock: Path | str | None = None,
        formats: Sequence[str] = ("joblib",),
        X_train: Any = None,
        X_test: Any = None,
        y_test: Any = None,
        outputs: Sequence[str] | None = None,
        nullable: Collection[str] | bool = (),
        types: Mapping[str, FeatureType] | None = None,
        proof: ProofKind | None = None,
        code: Sequence[Path | str] | bool = True,
        packages: Mapping[str, str] | None = None,
        pins: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        mlflow_run: str | None = None,
        examples: str = "synthetic",
        golden: str = "given",
        progress: Progress = SILENCE,
    ) -> Release:
        """Prove a fitted estimator, and publish it as the next version of a model.

        Args:
            estimator: A fitted estimator of scikit-learn, or one that follows its interface.
            name: The model's name.
            X_example: A DataFrame, an array of shape (n, features), a list of n objects or n texts. Names and types of
                the signature come from it; what becomes of its rows say `examples` and `golden`.
            class_names: New names of the classes, in the order of `classes_`.
            feature_names: Names of the columns of an array.
            metrics: Numbers by name, for people and for gates.
            labels: Texts by name, for people and their tools; `GET /model` shows them to callers.
            description: A sentence for people.
            model_bytes: The joblib file of this estimator, where there is one already.
            model_file: The same as a path; it is read piece by piece.
            lock: A requirements file that pins the packages, instead of those installed.
            formats: What is stored. Beside `joblib`, which every version has, `skops`, which must answer the examples
                as the estimator does, and `onnx`, which must answer 10,000 rows and more so, among them those given.
            X_train: More rows, given like X_example; types and gaps are learnt from up to 1,000 of them, which are
                proven too.
            X_test: Rows that the model was not trained on, given like X_example: the version gets a report of how it
                does on them, with no row in it, and its headline scores as metrics where `metrics` has none so called.
                They are looked for among X_train, and refused where most of them are there.
            y_test: What is true of them: a Series, an array or a list, one target a row, or one for each output;
                classes as the estimator knows them, or by their names in `class_names`.
            outputs: The methods that are served; `model_registry.publish.outputs.outputs_of` has their names.
            nullable: Names of the features that may be missing, or True for all.
            types: Types of some features, where they are not those found.
            proof: How the version is proven: `full`, in an environment of exactly its packages; `process`, in a process
                of this environment; `none`. By default as the registry was opened.
            code: What of the owner's own code goes with the model: True for what it needs, paths of modules or package
                folders for these as a whole, False for none.
            packages: Exact versions by name: packages that are added to those found, or replace their versions.
            pins: Exact versions by name, for those packages that the model needs; `packages` and `lock` go before.
            without: Names of packages that are left out, though others require them; the proof shows that it works.
            mlflow_run: Id of the run of MLflow that made the model, by default of the active one.
            examples: What the manifest, callers and Pulumi's state may show: `synthetic` rows, made of types, rounded
                quantiles and categories; the first rows of X_example `masked`, without what looks personal; or `given`.
            golden: What is recorded for verification, in a file that few may read: the first rows `given`, `masked`, or
                `none`.
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
            X_test=X_test,
            y_test=y_test,
            class_names=class_names,
            feature_names=feature_names,
            outputs=outputs,
            nullable=nullable,
            types=types,
            metrics=metrics,
            labels=labels,
            description=description,
            model_file=model_file if model_bytes is None else model_bytes,
            lock=None if lock is None else Path(lock),
            formats=formats,
            code=code if isinstance(code, bool) else [*map(Path, code)],
            packages=packages,
            pins=pins,
            without=without,
            mlflow_run=mlflow_run,
            examples=examples,
            golden=golden,
            proof=proof or self._proof or os.environ.get(PROOF_VARIABLE) or "full",
        )
        with TemporaryDirectory(prefix="sklearn-on-lambda-publish-") as folder:
            prepared = prepare(estimator, given, Path(folder), progress=progress)
            if prepared.warning:
                _LOG.warning("%s: %s", name, prepared.warning)
            for note in prepared.notes:
                progress(f"{NOTE}{note}")
            progress(f"storing {prepared.draft.artifact.size / 1e6:.1f} MB")
            return self._add(prepared)

    def _add(self, prepared: "Prepared") -> Release:
        draft, created_by = prepared.draft, self._who()

        def manifest_of(version: int) -> Manifest:
            return msgspec.structs.replace(draft, version=version, created_at=_now(), created_by=created_by)

        sign = None if self._signer is None else self._signer.sign
        return self._versions.add(draft.name, prepared.model, manifest_of, further=prepared.further, sign=sign)

    @checked
    def copy(self, address: str, target: "Registry") -> Release:
        """Copy a version to another bucket or account: the same number, bytes, digests and signing.

        ConflictError where the number is taken there by other bytes; where it is the same version, nothing is done.
        """
        release = self.resolve(address)
        copying.copy(release, self._versions, target._versions, place=target.location)  # noqa: SLF001  # of the same class
        return release

    # -- read ------------------------------------------------------------------------------------------------

    @checked
    def models(self) -> Iterator[ModelSummary]:
        """Every model that has a version, in the order of their names."""
        summaries = (summary_of(name, self._versions, self._tags) for name in self._versions.folders())
        return (summary for summary in summaries if summary.versions)

    @checked
    def model(self, name: str) -> ModelSummary:
        """One model; NotFoundError where it has no version."""
        summary = summary_of(check_slug(name, "model name"), self._versions, self._tags)
        if not summary.versions:
            self._versions.known_numbers(name)
        return summary

    @checked
    def page(self, name: str, *, last: int = 20, before: int | None = None) -> Page:
        """The last versions of a model, or the last ones before a number, whatever it has; NotFoundError where none.

        Takes two requests a version and one a tag, however many versions there are.
        """
        page = page_of(check_slug(name, "model name"), self._versions, self._tags, last=last, before=before)
        if not page.versions and before is None:
            self._versions.known_numbers(name)
        return page

    @checked
    def pages(self, *, last: int = 1) -> Iterator[Page]:
        """The same for every model that has a version, in the order of their names."""
        pages = (page_of(name, self._versions, self._tags, last=last, before=None) for name in self._versions.folders())
        return (page for page in pages if page.versions)

    @checked
    def resolve(self, address: str | reference.Reference) -> Release:
        """Find the version that `NAME/VERSION` or `NAME@TAG` addresses, in one or two requests."""
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, VersionRef):
            return self._versions.read(ref, trusted_keys=self._trusted_keys)
        return self.release_of(self.tag_of(ref))

    @checked
    def release_of(self, tag: Tag) -> Release:
        """Find the version that a tag, as it was read, points at; IntegrityError where that has another manifest."""
        pin = self._pin_of(tag)
        release = self._versions.read(VersionRef(pin.name, pin.version), trusted_keys=self._trusted_keys)
        if release.manifest_sha256 != pin.manifest_sha256:
            raise IntegrityError(
                f"{tag.name}@{tag.tag}: the manifest of {pin} is not the one that it was pointed at: "
                "restore it from the bucket's versions"
            )
        return release

    @checked
    def pin(self, address: str | reference.Reference) -> Pin:
        """The version that an address names and the digest of its manifest, in one request.

        With trusted keys in as many as `resolve` takes, as who signed it is checked.
        """
        ref = reference.parse(address) if isinstance(address, str) else address
        if isinstance(ref, TagRef) and not self._trusted_keys:
            return self._pin_of(self.tag_of(ref))
        release = self.resolve(ref)
        return Pin(release.manifest.name, release.manifest.version, release.manifest_sha256)

    def _pin_of(self, tag: Tag) -> Pin:
        last = tag.history[-1]
        if last.to_version is None or last.manifest_sha256 is None:  # both or neither: history.faults
            raise self._not_set(TagRef(tag.name, tag.tag))
        return Pin(tag.name, last.to_version, last.manifest_sha256)

    @checked
    def tag_of(self, address: str | TagRef) -> Tag:
        """Read a tag with its latest moves, in one request; NotFoundError where it never was set.

        Its `history` has at least the last 16 moves; `history` reads all.
        """
        ref = _tag_ref(address)
        found = self._tags.read(ref)
        if found is None or not found[0].history:
            raise self._not_set(ref)
        return found[0]

    @checked
    def history(self, address: str | TagRef, *, last: int | None = None) -> tuple[Move, ...]:
        """The moves of a tag, oldest first, or only the `last` ones; IntegrityError where the chain is broken."""
        if last is not None and last < 0:
            raise ArgumentError(f"last is {last}, so many moves there cannot be: give 0 or more, or None for all")
        moves = list(islice(self.moves(self.tag_of(address)), last))
        return tuple(reversed(moves))

    @checked
    def signing_faults(self, address: str | TagRef, trusted_keys: Sequence[str]) -> list[str]:
        """Which moves of a tag, from the first signed one on, none of these public keys signed, in words."""
        ref = _tag_ref(address)
        return list(signing_faults(ref, self.history(ref), trusted_keys))

    @checked
    def moves(self, tag: Tag) -> Iterator[Move]:
        """The moves of a tag, as it was read, the newest first; older ones are read 64 at a time as they are needed."""
        return self._tags.newest_first(tag)

    @checked
    def which(self, address: str, at: datetime) -> VersionRef:
        """The version that a tag pointed at, at an instant (with a time zone); NotFoundError where it was not set."""
        ref = _tag_ref(address)
        if at.tzinfo is None:
            raise ArgumentError(
                f"at is {at.isoformat()}, which is another instant in each time zone: give it with one, as "
                f"{at.replace(tzinfo=UTC).isoformat()}"
            )
        version = version_at(self._tags.moves_at(self.tag_of(ref), at), at)
        if version is None:
            raise NotFoundError(f"{ref} was not set at {at.isoformat()}: `history {ref}` shows when it was")
        return VersionRef(ref.name, version)

    @checked
    def read_model(self, release: Release, model_format: str = "joblib") -> bytes:
        """The bytes of a version's model in a format's form, checked against the manifest.

        IntegrityError where they differ, ModelFormatError where the version does not have that form.
        """
        return self._versions.model_bytes(release, model_format)

    @checked
    def save_model(self, release: Release, path: Path | str, model_format: str = "joblib") -> None:
        """Write a version's model in a format's form to a path, piece by piece; raises what `read_model` does."""
        self._versions.save(release, release.manifest.model_format(model_format).artifact, Path(path))

    @checked
    def check_model(self, release: Release, *, leave_out: Collection[str] = ()) -> None:
        """Compare a version's files with its manifest, piece by piece; IntegrityError where one differs.

        All but that of its recorded rows, which readers may not read, and those to `leave_out` by their names.
        """
        for artifact in files_of(release.manifest):
            if artifact.file != GOLDEN_FILE and artifact.file not in leave_out:
                for _ in self._versions.file_chunks(release, artifact):
                    pass

    @checked
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
        release = self.resolve(address)
        return loading.load(self._versions, release, model_format=model_format, trusted=trusted, anywhere=anywhere)

    @checked
    def own_code(self, release: Release) -> dict[str, Path]:
        """The owner's own code that a version needs, checked and unpacked: files by their names in `code.zip`."""
        return loading.own_code(self._versions, release)

    @checked
    def wheels(self, release: Release) -> tuple[Path, ...]:
        """Packages that a version has itself as no index does, checked, in the cache."""
        return loading.wheels(self._versions, release)

    @checked
    def golden_bytes(self, release: Release) -> bytes | None:
        """The file of the owner's recorded rows, checked; None where a version has none, or has them in its manifest.

        AccessDeniedError for whom the bucket's owner does not let read it.
        """
        artifact = release.manifest.golden
        if artifact is None:
            return None
        try:
            return self._versions.file_bytes(release, artifact)
        except AccessDeniedError as error:
            raise AccessDeniedError(
                f"{error}: {release.manifest.reference} has recorded rows, which verifiers alone read "
                "(docs/erasure.md); take a role that may, or look at the digests by `verify --quick`"
            ) from error

    @checked
    def report(self, release: Release) -> Report | None:
        """How a version did on test rows, its digest checked before it is read; None where there were none.

        RecordError where it is larger than any that is published. Nothing is unpickled.
        """
        artifact = release.manifest.report
        if artifact is None:
            return None
        check_size(release.manifest)
        return decode_report(release.manifest, self._versions.file_bytes(release, artifact))

    @checked
    def untrusted_types(self, release: Release) -> tuple[str, ...]:
        """The types that somebody must trust to load a version by skops, read from its file without loading it.

        The digest is checked before; ModelFormatError where the version has no such file.
        """
        from model_runtime.formats.skops import untrusted_types

        return untrusted_types(self.read_model(release, "skops"))

    @checked
    def deprecation(self, release: Release) -> Mark | None:
        """Who deprecated a version when and why; None where it is not."""
        return self._versions.deprecation(VersionRef(release.manifest.name, release.manifest.version))

    @checked
    def download(self, address: str, folder: Path | str, *, force: bool = False) -> tuple[Path, ...]:
        """Write a version's model, manifest and further files, all checked, into a folder; returns the paths so.

        The owner's recorded rows stay where they are.
        Nothing that is there is replaced without `force`, and no link is followed. Files come piece by piece, and take
        their names when all are whole.
        """
        release, folder = self.resolve(address), Path(folder)
        model, *beside = (file for file in files_of(release.manifest) if file.file != GOLDEN_FILE)
        names = [model.file, MANIFEST_FILE, *(artifact.file for artifact in beside)]
        with Download(folder, names, force=force) as download:
            download.write(MANIFEST_FILE, [release.manifest_bytes])
            for artifact in (model, *beside):
                download.write(artifact.file, self._versions.file_chunks(release, artifact))
        return tuple(folder / name for name in names)

    # -- tags ------------------------------------------------------------------------------------------------

    @checked
    def tag(
        self,
        address: str,
        tag: str,
        *,
        gates: Gates | None = None,
        reason: str = "",
        progress: Progress = SILENCE,
    ) -> Tag:
        """Point a tag at the version that an address names, and return the tag with its new history.

        The gates that are given and the tag's promotion rules are judged, also where it points there already, in which
        case nothing is written. GateError has what was not passed; ConflictError where another writer moved the tag
        meanwhile, IntegrityError where a tag was pointed at this version when it had another manifest.
        """
        check_slug(tag, "tag")
        target = self.resolve(address)
        ref = TagRef(target.manifest.name, tag)
        judge = self._judge(ref, target, gates, progress)
        return self._moves.move(ref, target, action="tag", reason=reason, judge=judge)

    @checked
    def promote(
        self,
        name: str,
        *,
        to_tag: str,
        from_tag: str | None = None,
        version: int | None = None,
        gates: Gates = NO_GATES,
        model_format: str | None = None,
        verifier: Verifier | None = None,
        reason: str = "",
        progress: Progress = SILENCE,
        expected: int | None = None,
    ) -> Tag:
        """Point `to_tag` at a version, or at the one that `from_tag` points at, if that passes the gates.

        The gates are those given and those of the tag's promotion rules. They are judged against the version that this
        move replaces: where the tag was moved meanwhile, nothing is changed (ConflictError). They are judged also where
        the tag points there already. Nothing is unpickled unless the gates given say `verify`, or the rules do and the
        registry was opened with this tag among its `verify_tags`; that comes last, and with a `model_format`, such as
        the one that is served, loads only that. With a `verifier` (`model_registry.in_account.AccountVerifier`) that
        one verifies where the gates or the rules demand it, and nothing is unpickled here. GateError has every gate
        that was not passed, with its numbers.
        With `expected`, the number of the tag's last move, ConflictError where it has another one (0: none yet).
        """
        ref = TagRef(check_slug(name, "model name"), check_slug(to_tag, "tag"))
        if from_tag is not None and version is None:
            target = self.resolve(TagRef(name, check_slug(from_tag, "tag")))
        elif version is not None and from_tag is None:
            target = self.resolve(VersionRef(name, version))
        else:
            raise InvalidNameError(
                f"{name} is promoted from one version: give a tag or a version number, and not both "
                "(--from-tag TAG or --version NUMBER)"
            )
        judge = self._judge(ref, target, gates, progress, model_format=model_format, verifier=verifier)
        return self._moves.move(ref, target, action="promote", reason=reason, judge=judge, expected=expected)

    @checked
    def propose(
        self, name: str, *, to_tag: str, version: int, gates: Gates = NO_GATES, verifier: Verifier | None = None
    ) -> Proposal:
        """What `promote` would do now: the versions, and what each gate says. Nothing is written, no model is run.

        A `promote` that is `expected` to follow `Proposal.sequence` is made only where the tag is still so.
        """
        ref = TagRef(check_slug(name, "model name"), check_slug(to_tag, "tag"))
        target = self.resolve(VersionRef(name, version))
        return self._moves.propose(ref, target, judge=self._judge(ref, target, gates, SILENCE, verifier=verifier))

    @checked
    def rollback(
        self,
        address: str,
        *,
        reason: str = "",
        allow_deprecated: bool = False,
        expected: int | None = None,
        version: int | None = None,
    ) -> Tag:
        """Point a tag at the version that it pointed at before; again: at the one before that.

        Versions that were deleted are skipped, and the move's `checks` name them. No gates are judged: what gets a team
        out of trouble must not be in its way. But GateError where that version was revoked, or is deprecated and this
        is not allowed. `expected` is the number of the tag's last move, as in `promote`, and `version` where it is
        expected to go: ConflictError where that is another one now.
        """
        ref = _tag_ref(address)
        self.tag_of(ref)  # a tag that never was set is not created
        return self._moves.rollback(
            ref,
            reason=reason,
            read=self._trusted,
            allow_deprecated=allow_deprecated,
            expected=expected,
            version=version,
        )

    @checked
    def propose_rollback(self, address: str, *, allow_deprecated: bool = False) -> Proposal:
        """What `rollback` would do now, and whether it would be refused; nothing is written."""
        ref = _tag_ref(address)
        self.tag_of(ref)
        return self._moves.propose_rollback(ref, read=self._trusted, allow_deprecated=allow_deprecated)

    @checked
    def untag(self, address: str, *, reason: str = "") -> Tag:
        """Unset a tag; its history stays."""
        ref = _tag_ref(address)
        self.tag_of(ref)
        return self._moves.untag(ref, reason=reason)

    # -- promotion rules -------------------------------------------------------------------------------------

    @checked
    def rules(self, address: str | TagRef) -> PromotionRules | None:
        """The gates that `tag` and `promote` ask for a tag, and `rollback` and `untag` do not; None without any."""
        return self._rules.read(_tag_ref(address))

    @checked
    def recorded_as(self) -> str:
        """Under whose name moves of tags are recorded; CredentialsError where nobody says who that is."""
        return self._moves.recorded_as()

    @checked
    def set_rules(self, address: str | TagRef, gates: Gates, *, reason: str) -> PromotionRules:
        """Replace the gates that `tag` and `promote` ask for a tag from now on; `rollback` and `untag` do not.

        The tag need not be set yet, and where it is, it stays. ConflictError where another writer was first.
        """
        ref = _tag_ref(address)
        rules = PromotionRules(gates=check_gates(gates), set_by=self._who(), at=_now(), reason=reason)
        self._rules.write(ref, rules)
        return rules

    def _judge(
        self,
        ref: TagRef,
        target: Release,
        gates: Gates | None,
        progress: Progress,
        *,
        model_format: str | None = None,
        verifier: Verifier | None = None,
    ) -> Judge:
        meant = (gates is not None and gates.verify) or str(ref) in self._verify_tags

        def verify() -> str:
            if verifier is not None:
                return f"{verifier(target, model_format=model_format, progress=progress)}, in the account"
            from model_registry.verification import verify_version

            version = VersionRef(target.manifest.name, target.manifest.version)
            return str(verify_version(self, version, model_format=model_format, progress=progress))

        joint = joint_gates(self._rules.read(ref), gates)
        return Judge(joint, ref, target, self._versions, self._tags, verify, may_verify=meant or verifier is not None)

    # -- housekeeping ----------------------------------------------------------------------------------------

    @checked
    def deprecate(self, address: str, *, reason: str) -> Mark:
        """Mark a version as one that should not be used any more: it is served on, but not promoted."""
        manifest = self.resolve(address).manifest
        mark = Mark(by=self._who(), at=_now(), reason=reason)
        self._versions.deprecate(VersionRef(manifest.name, manifest.version), mark)
        return mark

    @checked
    def revoke(self, address: str, *, reason: str) -> Mark:
        """Mark a version as one that must not be used: no tag is promoted or rolled back to it, no stack deploys it."""
        manifest = self.resolve(address).manifest
        mark = Mark(by=self._who(), at=_now(), reason=reason, revoked=True)
        self._versions.deprecate(VersionRef(manifest.name, manifest.version), mark)
        return mark

    @checked
    def undeprecate(self, address: str) -> None:
        """Take the mark away, of a deprecation or a revocation."""
        manifest = self.resolve(address).manifest
        self._versions.undeprecate(VersionRef(manifest.name, manifest.version))

    @checked
    def delete(self, ref: VersionRef, *, reason: str) -> None:
        """Delete a version that no tag points at, for good; its number is never used again.

        NotFoundError where there is none; a deletion that was cut off is finished.
        """
        self._versions.read(ref)
        self._versions.delete(ref, Mark(by=self._who(), at=_now(), reason=reason))

    @checked
    def is_deleted(self, ref: VersionRef) -> bool:
        """Whether a version was deleted, or is being deleted."""
        return standing_mark(self._storage, ref) is not None

    @checked
    def deleted(self) -> Iterator[VersionRef]:
        """Every version that was deleted, model by model, by the marks that deletions leave."""
        names = self._versions.folders()
        return (VersionRef(name, version) for name in names for version in self._versions.deleted(name))

    @checked
    def aborted(self, *, older_than: timedelta = ABORTED_AFTER) -> Iterator[VersionRef]:
        """Publishes that were cut off longer ago than this, by this machine's clock."""
        return self._aborted(older_than, _now())

    @checked
    def gc(self, *, older_than: timedelta = ABORTED_AFTER) -> Iterator[VersionRef]:
        """Remove what such publishes left, and tell which they were. How old that is, the service's clock says.

        A publish that is under way nevertheless notices, and starts over under the next number.
        """
        mark = Mark(by="gc", at=_now(), reason="a publish or a deletion that was cut off")
        found = list(self._aborted(older_than, self._storage.now()))
        return (ref for ref in found if self._versions.remove_aborted(ref, mark))

    def _aborted(self, older_than: timedelta, now: datetime) -> Iterator[VersionRef]:
        for name in self._versions.folders():
            yield from self._versions.aborted(name, older_than=older_than, now=now)

    # -- helpers ---------------------------------------------------------------------------------------------

    def _trusted(self, version: VersionRef) -> Release:
        return self._versions.read(version, trusted_keys=self._trusted_keys)

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
