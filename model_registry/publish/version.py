"""Everything of a version before it has a number: described, made into its files, proven."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from model_registry.cache import file_digest
from model_registry.lambda_packages.bom import version_bom
from model_registry.publish.answers import RELATIVE_CONVERTED, OwnAnswers, Tolerance
from model_registry.publish.changes import Changes, checked_changes
from model_registry.publish.code import Code, distribution_of, look_again
from model_registry.publish.estimator import Description, describe, json_row, own_code_of, rows_of, sample
from model_registry.publish.examples import Shown, shown
from model_registry.publish.formats import Form, further_forms
from model_registry.publish.hashes import why_without, with_hashes
from model_registry.publish.lineage import checked_labels, checked_metrics, lineage_of
from model_registry.publish.proof import Case, MissingModules, prove, speed_of
from model_registry.publish.sizes import fitting
from model_registry.publish.speeds import fastest
from model_registry.publish.wheels import unpublished, wheels_of
from model_runtime.errors import EnvironmentBuildError, ProofError, PublishError
from model_runtime.manifest import (
    CODE_FILE,
    FORMAT_FILES,
    GOLDEN_FILE,
    MODEL_FILE,
    REPORT_FILE,
    SBOM_FILE,
    Artifact,
    Environment,
    FeatureType,
    FormatName,
    Label,
    Manifest,
    ModelFormat,
    OwnCode,
    Proof,
    ProofKind,
    check_slug,
    digest,
)
from model_runtime.schema import Row

if TYPE_CHECKING:
    from model_runtime.storage import Content

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A proven version: its manifest but for number, time and author, and its files by name.

    `model` is the file of the format joblib. `notes` say, for people, how the signature was found,
    `warning` which columns look personal.
    """

    draft: Manifest
    model: Path
    further: Mapping[str, bytes]
    notes: tuple[str, ...]
    warning: str | None = None


@dataclass(frozen=True)
class Given:
    """What the owner says of a model beside the estimator itself; `Registry.publish` explains each."""

    name: str
    X_example: Any
    X_train: Any = None
    class_names: Sequence[Label] | None = None
    feature_names: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    nullable: Collection[str] | bool = ()
    types: Mapping[str, FeatureType] | None = None
    metrics: Mapping[str, float] | None = None
    labels: Mapping[str, str] | None = None
    description: str = ""
    model_file: Path | bytes | None = None
    lock: Path | None = None
    formats: Sequence[str] = ("joblib",)
    proof: str = "full"
    code: Sequence[Path] | bool = True
    packages: Mapping[str, str] | None = None
    pins: Mapping[str, str] | None = None
    without: Collection[str] = ()
    mlflow_run: str | None = None
    examples: str = "synthetic"
    golden: str = "given"
    X_test: Any = None
    y_test: Any = None

    @property
    def changes(self) -> Changes:
        """What the owner changes about the packages."""
        return checked_changes(self.packages, self.without, self.pins)


def prepare(estimator: Any, given: Given, folder: Path, *, progress: Progress = lambda _line: None) -> Prepared:
    """Describe a fitted estimator, make its files, the model's in a folder, and prove that they answer as it does.

    Raises:
        PublishError: it cannot be published, or (ProofError) what would be served gives other answers.
        InvalidNameError: the model's name is not usable.

    """
    check_slug(given.name, "model name")
    look_again()
    kind = _checked_proof(given.proof)
    _check_formats(given.formats)
    _check_mappings(given)
    given = replace(given, metrics=checked_metrics(given.metrics or {}), labels=checked_labels(given.labels or {}))
    progress(f"describing the {type(estimator).__name__}")
    described = describe(
        estimator,
        given.X_example,
        X_train=given.X_train,
        class_names=given.class_names,
        feature_names=given.feature_names,
        outputs=given.outputs,
        nullable=given.nullable,
        types=given.types,
        lock=given.lock,
        model_file=given.model_file,
        code=given.code,
    )
    given, described = _with_changes(given, described, kind)
    rows = partial(_rows, estimator, given, described)
    all_rows = partial(rows, given.X_example, given.X_train)
    forms = further_forms(estimator, described, given.formats, all_rows, lock=given.lock)
    given, report, seen_in_it = _measured(estimator, given, described, progress)
    tested = () if given.X_test is None else rows(sample(given.X_test))
    seen = shown(estimator, described, given.examples, given.golden, tested)
    described = seen.proven_with(described)
    model = folder / MODEL_FILE
    described.stored.write(model)
    draft = _draft(given, described, model, forms, seen)
    if report is not None:
        draft = msgspec.structs.replace(draft, report=_artifact(REPORT_FILE, report))
    made = _made(draft, described.code, pins=kind != "none")
    if kind != "none":
        made = _proven(made, described, model, kind, given, progress=progress)
        for form in forms:
            _prove_form(form, made, described, progress)
    draft, notes = _sized(made, kind, progress)
    if forms and kind == "full":
        notes = (*notes, *_compared(draft, made, described, model, forms, progress=progress))
    bill = version_bom(draft)
    draft = msgspec.structs.replace(draft, sbom=_artifact(SBOM_FILE, bill))
    further = {form.model_format.artifact.file: form.data for form in forms}
    further |= {path.name: path.read_bytes() for path in made.wheels}
    code = made.code.zipped if made.code.files else None
    beside = {CODE_FILE: code, GOLDEN_FILE: seen.golden, REPORT_FILE: report, SBOM_FILE: bill}
    further |= {file: data for file, data in beside.items() if data is not None}
    without = why_without(draft) if kind != "none" else ()
    notes = (*described.notes, *seen_in_it, *seen.notes, *_notes_of_wheels(draft), *without, *notes)
    return Prepared(draft, model, further, notes, seen.warning)


def _measured(
    estimator: Any, given: Given, described: Description, progress: Progress
) -> tuple[Given, bytes | None, tuple[str, ...]]:
    """The file of figures where there are test rows, with its headline scores what the owner says, and notes."""
    if given.X_test is None and given.y_test is None:
        return given, None, ()
    from model_registry.publish.report.made import measured  # who measures nothing pays nothing

    found = measured(
        estimator,
        described.signature,
        given.X_test,
        given.y_test,
        X_train=given.X_train,
        metrics=given.metrics,
        feature_names=given.feature_names,
        progress=progress,
    )
    return replace(given, metrics={**found.scores, **(given.metrics or {})}), found.data, found.notes


@dataclass(frozen=True)
class _Made:
    """A version so far: its manifest, the own code and the wheels that go with it."""

    draft: Manifest
    code: Code
    wheels: tuple[Path, ...]

    def case(
        self, files: "Mapping[str, Content]", described: Description, own: Sequence[OwnAnswers], name: FormatName
    ) -> Case:
        """What is proven of a format."""
        rows = [json_row(self.draft.signature, row) for table in described.rows for row in table]
        return Case(self.draft, files, rows, own, self.code.files, name, self.wheels, described.made)


def _made(draft: Manifest, code: Code, sources_only: Collection[str] = (), *, pins: bool = True) -> _Made:
    """The version with the wheels that its packages take, and with `pins` the digests of those that an index has.

    `sources_only` are packages that an index has no wheel of.
    """
    wheels = wheels_of(draft.environment.packages, sources_only)
    artifacts = tuple(_artifact(path.name, path.read_bytes()) for path in wheels)
    draft = msgspec.structs.replace(draft, wheels=artifacts)
    return _Made(with_hashes(draft, wheels) if pins else draft, code, wheels)


def _notes_of_wheels(draft: Manifest) -> list[str]:
    listed = ", ".join(f"{wheel.file} ({wheel.size:,} bytes)" for wheel in draft.wheels)
    return [f"packages that no index has as wheels are stored with the version: {listed}"] if listed else []


def _with_changes(given: Given, described: Description, kind: ProofKind) -> tuple[Given, Description]:
    """The packages as the owner wants them and, where a full proof shows that they do, without code for GPUs."""
    changes, notes = given.changes, tuple[str, ...]()
    if kind == "full" and given.lock is None:
        changes, notes = changes.without_gpu_code(described.environment)
    changes.check(described.environment)
    environment = changes.applied(described.environment, lock=given.lock)
    given = replace(given, packages=changes.packages, without=changes.without)
    return given, replace(described, environment=environment, notes=(*described.notes, *notes))


def _sized(made: _Made, kind: ProofKind, progress: Progress) -> tuple[Manifest, tuple[str, ...]]:
    """The draft with the formats that fit into a function; a full proof alone pays for that."""
    if kind != "full":
        return made.draft, ()
    found = fitting(made.draft, made.code.files, made.wheels, progress=progress)
    return msgspec.structs.replace(made.draft, deployable=found.deployable), found.notes


def _check_mappings(given: Given) -> None:
    for what in ("metrics", "labels", "packages", "types"):
        value = getattr(given, what)
        if value is not None and not isinstance(value, Mapping):
            raise PublishError(f"{what} is {value!r}: give a dict by name")


def _check_formats(names: Sequence[str]) -> None:
    if isinstance(names, str) or any(name not in FORMAT_FILES for name in names):
        raise PublishError(f"formats are {names!r}: give a list of {', '.join(FORMAT_FILES)}")


def _checked_proof(kind: str) -> ProofKind:
    kinds: tuple[ProofKind, ...] = get_args(ProofKind)
    for known in kinds:
        if kind == known:
            return known
    raise PublishError(f"proof is {kind!r}: take one of {', '.join(kinds)}")


def _rows(estimator: Any, given: Given, described: Description, *tables: Any) -> list[Row]:
    """All rows of tables as they were given, None where one was not."""
    return [
        row for X in tables if X is not None for row in rows_of(estimator, X, described.signature, given.feature_names)
    ]


def _draft(given: Given, described: Description, model: Path, forms: Sequence[Form], seen: Shown) -> Manifest:
    return Manifest(
        name=given.name,
        version=1,  # until the registry gives it its own
        created_at=datetime.now(UTC),
        created_by="",
        description=given.description,
        estimator=described.estimator,
        parameters=described.parameters,
        artifact=Artifact(file=MODEL_FILE, sha256=file_digest(model), size=model.stat().st_size),
        environment=described.environment,
        signature=described.signature,
        metrics=dict(given.metrics or {}),
        labels=dict(given.labels or {}),
        lineage=lineage_of(given.X_train, given.mlflow_run),
        examples=seen.examples,
        example_kind=seen.kind,
        golden=_artifact(GOLDEN_FILE, seen.golden) if seen.golden is not None else None,
        formats={form.name: form.model_format for form in forms},
        proof=Proof(kind="none"),
        code=_own_code(described.code, by_value=described.stored.by_value),
    )


def _artifact(file: str, data: bytes) -> Artifact:
    return Artifact(file=file, sha256=digest(data), size=len(data))


def _own_code(code: Code, *, by_value: bool) -> OwnCode | None:
    if not (code.files or by_value):
        return None
    artifact = _artifact(CODE_FILE, code.zipped) if code.files else None
    return OwnCode(artifact=artifact, modules=code.modules, by_value=by_value)


def _proven(
    made: _Made, described: Description, model: Path, kind: ProofKind, given: Given, *, progress: Progress
) -> _Made:
    """The version with its proof, and with the packages and own code that no pickle names and predicting took."""
    sources_only: frozenset[str] = frozenset()
    while True:
        try:
            found = prove(_joblib_case(made, described, model), kind, progress=progress)
        except EnvironmentBuildError:
            more = unpublished(made.draft.environment) - sources_only
            if not more:
                raise
            sources_only |= more
            progress(f"an index has {', '.join(sorted(more))} as sources only: trying what is installed")
            made = _made(made.draft, made.code, sources_only)
            continue
        if isinstance(found, Proof):
            return replace(made, draft=msgspec.structs.replace(made.draft, proof=found))
        # Ends, as each try has more than the one before.
        made = _made(*_with_missing(made.draft, made.code, found, given, progress), sources_only)


def _joblib_case(made: _Made, described: Description, model: Path) -> Case:
    files: dict[str, Content] = {MODEL_FILE: model}
    if made.code.files:
        files[CODE_FILE] = made.code.zipped
    return made.case(files, described, described.own, "joblib")


def _compared(
    draft: Manifest,
    made: _Made,
    described: Description,
    model: Path,
    forms: Sequence[Form],
    *,
    progress: Progress,
) -> tuple[str, ...]:
    """How fast the formats are that fit into a function, where that is more than one."""
    progress("comparing how fast the formats are")
    cases: dict[FormatName, Case] = {"joblib": _joblib_case(made, described, model)}
    for form in forms:
        cases[form.name] = made.case({form.model_format.artifact.file: form.data}, described, (), form.name)
    fit = [name for name in cases if not draft.deployable or name in draft.deployable]
    if len(fit) == 1:
        return ()
    return (fastest({name: speed_of(cases[name], "full") for name in fit}),)


def _prove_form(form: Form, made: _Made, described: Description, progress: Progress) -> None:
    """Prove a format beside the joblib file in the same way; ProofError where it gives other answers."""
    progress(f"proving the format {form.name}")
    own = described.own
    if form.model_format.replay is not None:
        tolerance = Tolerance(RELATIVE_CONVERTED, form.model_format.replay.tolerance)
        own = tuple(replace(each, tolerance=tolerance) for each in own)
    case = made.case({form.model_format.artifact.file: form.data}, described, own, form.name)
    found = prove(case, made.draft.proof.kind, progress=progress)
    if isinstance(found, MissingModules):
        raise ProofError(f"{made.draft.name} does not answer as {form.name} ({found.said}): leave out `--{form.name}`")


def _with_missing(
    draft: Manifest, code: Code, missing: MissingModules, given: Given, progress: Progress
) -> tuple[Manifest, Code]:
    """The draft with the packages and the own code that the missing modules are of; ProofError where there are none."""
    more = own_code_of({*code.modules, *missing.modules}, given.code) if given.code is True else code
    roots = {*more.distributions, *filter(None, map(distribution_of, missing.modules))}
    needed = sorted(roots & given.changes.without)
    if needed:
        raise ProofError(
            f"{draft.name} does not answer without {', '.join(needed)} ({missing.said}): do not leave it out"
        )
    environment = given.changes.applied(draft.environment, roots, lock=given.lock)
    added = [name for name in environment.packages if name not in draft.environment.packages]
    added += [module for module in more.modules if module not in code.modules]
    if not added:
        raise ProofError(
            f"{draft.name} does not answer as a function ({missing.said}): nothing that is installed here provides "
            f"{', '.join(missing.modules)} beside what the version has"
        )
    progress(f"it needs {', '.join(added)} to predict: trying with that")
    by_value = draft.code is not None and draft.code.by_value
    code_of_it = _own_code(more, by_value=by_value)
    formats = _with_packages_of(environment, draft.formats)
    return msgspec.structs.replace(draft, environment=environment, code=code_of_it, formats=formats), more


def _with_packages_of(environment: Environment, formats: Mapping[str, ModelFormat]) -> dict[str, ModelFormat]:
    """Formats of which skops, which rebuilds the estimator, has all packages of the environment too."""
    found = dict(formats)
    if "skops" in found:
        skops = found["skops"]
        packages = dict(sorted({**skops.environment.packages, **environment.packages}.items()))
        needed = msgspec.structs.replace(skops.environment, packages=packages)
        found["skops"] = msgspec.structs.replace(skops, environment=needed)
    return found
