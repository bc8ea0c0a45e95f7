"""Everything of a version before it has a number: described, made into its files, proven."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from model_registry.publish.environment import with_distributions_of
from model_registry.publish.estimator import Description, describe, dump, json_row, rows_of
from model_registry.publish.formats import Form, further_forms
from model_registry.publish.proof import Case, MissingModules, prove
from model_runtime.errors import ProofError, PublishError
from model_runtime.manifest import (
    FORMAT_FILES,
    MODEL_FILE,
    Artifact,
    Environment,
    FeatureType,
    Label,
    Manifest,
    Proof,
    ProofKind,
    check_slug,
    digest,
)
from model_runtime.schema import Row

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A proven version: its manifest but for number, time and author, and its files by name.

    `notes` say, for people, how the signature was found.
    """

    draft: Manifest
    data: bytes
    further: Mapping[str, bytes]
    notes: tuple[str, ...]


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
    description: str = ""
    model_bytes: bytes | None = None
    lock: Path | None = None
    formats: Sequence[str] = ("joblib",)
    proof: str = "full"


def prepare(estimator: Any, given: Given, *, progress: Progress = lambda _line: None) -> Prepared:
    """Describe a fitted estimator, make its files and prove that they answer as it does.

    Raises:
        PublishError: it cannot be published, or (ProofError) what would be served answers otherwise.
        InvalidNameError: the model's name is not usable.

    """
    check_slug(given.name, "model name")
    kind = _checked_proof(given.proof)
    _check_formats(given.formats)
    metrics = _checked_metrics(given.metrics or {})
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
    )
    data = dump(estimator) if given.model_bytes is None else given.model_bytes
    forms = further_forms(
        estimator, described, given.formats, lambda: _rows(estimator, given, described), lock=given.lock
    )
    draft = _draft(given, described, metrics, data, forms)
    if kind != "none":
        draft = _proven(draft, described, data, kind, lock=given.lock, progress=progress)
    further = {form.model_format.artifact.file: form.data for form in forms}
    return Prepared(draft, data, further, described.notes)


def _check_formats(names: Sequence[str]) -> None:
    if isinstance(names, str) or any(name not in FORMAT_FILES for name in names):
        raise PublishError(f"formats are {names!r}: give a list of {', '.join(FORMAT_FILES)}")


def _checked_proof(kind: str) -> ProofKind:
    kinds: tuple[ProofKind, ...] = get_args(ProofKind)
    for known in kinds:
        if kind == known:
            return known
    raise PublishError(f"proof is {kind!r}: take one of {', '.join(kinds)}")


def _checked_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    checked = {}
    for name, value in metrics.items():
        try:
            checked[str(name)] = float(value)
        except (TypeError, ValueError) as error:
            raise PublishError(f"metric {name!r} is {value!r}: give a number") from error
        if not math.isfinite(checked[str(name)]):
            raise PublishError(f"metric {name!r} is {value!r}: give a finite number")
    return checked


def _rows(estimator: Any, given: Given, described: Description) -> list[Row]:
    """All rows that were given, for a comparison with what the model is converted to."""
    return [
        row
        for X in (given.X_example, given.X_train)
        if X is not None
        for row in rows_of(estimator, X, described.signature, given.feature_names)
    ]


def _draft(
    given: Given, described: Description, metrics: dict[str, float], data: bytes, forms: Sequence[Form]
) -> Manifest:
    return Manifest(
        name=given.name,
        version=1,  # until the registry gives it its own
        created_at=datetime.now(UTC),
        created_by="",
        description=given.description,
        estimator=described.estimator,
        parameters=described.parameters,
        artifact=Artifact(file=MODEL_FILE, sha256=digest(data), size=len(data)),
        environment=described.environment,
        signature=described.signature,
        metrics=metrics,
        examples=described.examples,
        formats={form.name: form.model_format for form in forms},
        proof=Proof(kind="none"),
    )


def _proven(
    draft: Manifest, described: Description, data: bytes, kind: ProofKind, *, lock: Path | None, progress: Progress
) -> Manifest:
    """The draft with its proof, and with the packages that it took to predict and that no pickle names."""
    rows = [json_row(draft.signature, row) for table in described.rows for row in table]
    while True:
        found = prove(Case(draft, {MODEL_FILE: data}, rows, described.own), kind, progress=progress)
        if isinstance(found, Proof):
            return msgspec.structs.replace(draft, proof=found)
        # Ends, as each try has more packages than the one before.
        environment = _with_missing(draft, found, lock, progress)
        draft = msgspec.structs.replace(draft, environment=environment)


def _with_missing(draft: Manifest, missing: MissingModules, lock: Path | None, progress: Progress) -> Environment:
    environment = with_distributions_of(draft.environment, missing.modules, lock=lock)
    added = [name for name in environment.packages if name not in draft.environment.packages]
    if not added:
        raise ProofError(
            f"{draft.name} does not answer as a function ({missing.said}): no installed package provides "
            f"{', '.join(missing.modules)} beside those that the version has"
        )
    progress(f"it needs {', '.join(added)} to predict: trying with that")
    return environment
