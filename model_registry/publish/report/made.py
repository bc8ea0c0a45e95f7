"""Makes a version's report from test rows, before anything is stored."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

import msgspec
from msgspec.structs import replace

from model_registry.printable import figures
from model_registry.publish.answers import one_line
from model_registry.publish.report.classifying import classified
from model_registry.publish.report.distributions import distributions
from model_registry.publish.report.held_out import HeldOut, held_out
from model_registry.publish.report.importance import importance_of
from model_registry.publish.report.regressing import OUTPUTS, classified_each, regressed
from model_registry.report.figures import LARGEST_REPORT, Report, encode_report, is_sound
from model_runtime.errors import PublishError
from model_runtime.manifest import Signature

FEATURES = 200
"""So many features are drawn."""
_ROUNDED, _NOTHING = 0.005, 1e-4
"""Scores that differ by this part of their size are the same in fewer digits, and such small ones are."""


@dataclass(frozen=True)
class Measured:
    """The headline scores, the file of the report, what its owner should know."""

    scores: Mapping[str, float]
    data: bytes
    notes: tuple[str, ...]


def report_of(
    estimator: Any,
    signature: Signature,
    X_test: Any,
    y_test: Any,
    *,
    X_train: Any = None,
    feature_names: Sequence[str] | None = None,
    progress: Callable[[str], None],
) -> Report:
    """How an estimator does on test rows, which are looked for among the training rows where these are given.

    Raises:
        PublishError: The rows do not fit the model or their targets, or the model does not answer them.

    """
    held = held_out(estimator, signature, X_test, y_test, X_train=X_train, feature_names=feature_names)
    progress(f"measuring the {type(estimator).__name__} on {held.rows:,} test rows")
    report = _measured(estimator, signature, held, progress)
    notes = list(report.notes)
    if held.rows < held.given:
        notes.append(f"{held.rows:,} of {held.given:,} rows were looked at")
    if len(signature.features) > FEATURES:
        notes.append(f"{FEATURES} of {len(signature.features)} features are shown")
    if len(held.outputs) > OUTPUTS:
        notes.append(f"{OUTPUTS} of {len(held.outputs)} outputs are shown")
    found = distributions(signature, held.table, FEATURES)
    seen = (held.overlap.trained, held.overlap.shared) if held.overlap else (0, 0)
    return replace(report, distributions=found, notes=tuple(notes), trained=seen[0], shared=seen[1])


def measured(
    estimator: Any,
    signature: Signature,
    X_test: Any,
    y_test: Any,
    *,
    X_train: Any = None,
    metrics: Mapping[str, float] | None = None,
    feature_names: Sequence[str] | None,
    progress: Callable[[str], None],
) -> Measured:
    """The headline scores and the file of a report; PublishError as in `report_of`, and where no reader takes it."""
    if X_test is None:
        raise PublishError("y_test is given without X_test: give the rows that it is true of, too")
    report = report_of(
        estimator, signature, X_test, y_test, X_train=X_train, feature_names=feature_names, progress=progress
    )
    return Measured(_headline(report), _written(report), tuple(_notes(report, metrics or {})))


def _notes(report: Report, metrics: Mapping[str, float]) -> Iterator[str]:
    if report.shared:
        yield f"{report.shared:,} of {report.rows:,} test rows are training rows too: the scores have them among theirs"
    for score in report.scores:
        own = metrics.get(score.name, score.value)
        if not score.output and not isclose(own, score.value, rel_tol=_ROUNDED, abs_tol=_NOTHING):
            given, found = figures(own, score.value)
            yield (
                f"the metric {score.name} is {given}, as it was given, and {found} on the test rows: gates and pages "
                f"have {given}"
            )


def _written(report: Report) -> bytes:
    data = encode_report(report)
    if len(data) > LARGEST_REPORT:
        raise PublishError(
            f"the report has {len(data):,} bytes, {LARGEST_REPORT:,} are read: publish without X_test, or with shorter "
            "names of features and classes"
        )
    try:
        msgspec.json.decode(data, type=Report)  # a number that is not finite is written as null
    except msgspec.ValidationError as error:
        raise PublishError(
            f"the figures of X_test are not all finite numbers ({error}): scale targets that are so large"
        ) from error
    if not is_sound(report):
        raise PublishError(
            "the figures of X_test contradict each other, and no reader would draw them: publish without X_test"
        )
    return data


def _headline(report: Report) -> dict[str, float]:
    """The scores by which versions are told apart, for gates: an owner's own of the same names go before them."""
    named = {"accuracy", "roc_auc", "r2", "rmse"}
    return {score.name: score.value for score in report.scores if score.name in named and not score.output}


def _measured(estimator: Any, signature: Signature, held: HeldOut, progress: Callable[[str], None]) -> Report:
    bare = Report(kind=held.kind, rows=held.rows, given=held.given)
    if held.kind == "none":
        said = f"no metrics: this {type(estimator).__name__} has no targets that its answers could be held against"
        return replace(bare, notes=(said,))
    # What scikit-learn warns of, such as a class that is never predicted, is in the numbers.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            predicted = estimator.predict(held.table.own)
            found = _drawn(estimator, signature, held, predicted, bare)
            importance, why = importance_of(estimator, held, FEATURES, progress)
        except PublishError:
            raise
        except Exception as error:
            raise PublishError(
                f"the {type(estimator).__name__} cannot be measured on X_test ({one_line(error)}): give rows as it was "
                "fitted on, with what is true of them as y_test"
            ) from error
    return replace(found, importance=importance, notes=(*found.notes, *([why] if why else [])))


def _drawn(estimator: Any, signature: Signature, held: HeldOut, predicted: Any, bare: Report) -> Report:
    if held.kind == "regression":
        scores, residuals = regressed(held, predicted)
        return replace(bare, scores=scores, residuals=residuals)
    if held.kind == "multioutput":
        notes = ("no curves and no confusion: the model has several outputs",)
        return replace(bare, scores=classified_each(estimator, held, predicted), notes=notes)
    found = classified(estimator, signature, held, predicted)
    return replace(
        bare,
        scores=found.scores,
        classes=found.classes,
        confusion=found.confusion,
        roc=found.roc,
        precision_recall=found.precision_recall,
        calibration=found.calibration,
        notes=found.notes,
    )
