"""How a classifier did: scores, confusion, curves and calibration, each by scikit-learn's own function."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.calibration import calibration_curve

from model_registry.publish.report.held_out import HeldOut
from model_registry.publish.report.numbers import scores_of, thinned
from model_registry.report.figures import ClassScores, Confusion, Curve, Score
from model_runtime.manifest import Label, Signature

CLASSES = 100
"""So many classes, the most frequent ones, have scores of their own."""
MATRIX = 30
"""Of more classes the confusion matrix would be a page of its own."""
CURVES = 8
"""So many classes, the most frequent ones, have curves."""
_BINS, _IN_A_BIN = 10, 5


@dataclass(frozen=True)
class Classified:
    """What is drawn of a classifier; `notes` say what is missing, and why."""

    scores: tuple[Score, ...]
    classes: tuple[ClassScores, ...]
    confusion: Confusion | None
    roc: tuple[Curve, ...]
    precision_recall: tuple[Curve, ...]
    calibration: tuple[Curve, ...]
    notes: tuple[str, ...]


def classified(estimator: Any, signature: Signature, held: HeldOut, predicted: Any) -> Classified:
    """Measure a classifier of one output; `predicted` is what it answered."""
    labels = tuple(signature.labels or ())
    places = {each: place for place, each in enumerate(np.asarray(estimator.classes_).tolist())}
    answered = np.asarray([places[each] for each in np.asarray(predicted).ravel().tolist()])
    table, decisions, notes = _told(estimator, held, len(labels))
    shown = np.argsort(-np.bincount(held.y, minlength=len(labels)), kind="stable")
    curves = _Curves(labels, held.y, shown[:CURVES])
    if len(labels) > CURVES:
        notes.append(f"curves are of the {CURVES} most frequent of {len(labels)} classes")
    ranked = table if table is not None else decisions
    has_matrix = len(labels) <= MATRIX
    if not has_matrix:
        notes.append(f"no confusion matrix: {len(labels)} classes, {MATRIX} are shown")
    return Classified(
        scores=tuple(scores_of(_scores(held.y, answered, table, decisions, len(labels)))),
        classes=tuple(_by_class(labels, held.y, answered, sorted(shown[:CLASSES].tolist()))),
        confusion=_confusion(labels, held.y, answered) if has_matrix else None,
        roc=() if ranked is None else tuple(curves.roc(ranked)),
        precision_recall=() if ranked is None else tuple(curves.precision_recall(ranked)),
        calibration=() if table is None else tuple(curves.calibration(table)),
        notes=tuple(notes),
    )


def _told(estimator: Any, held: HeldOut, count: int) -> tuple[Any, Any, list[str]]:
    """Probabilities, or else decisions, of shape (rows, classes), None where there are none."""
    if hasattr(estimator, "predict_proba"):
        table = np.asarray(estimator.predict_proba(held.table.own), dtype=float)
        if table.shape == (held.rows, count) and np.isfinite(table).all():
            return table, None, []
    notes = ["no calibration and no log loss: the model gives no probabilities"]
    if hasattr(estimator, "decision_function"):
        found = np.asarray(estimator.decision_function(held.table.own), dtype=float)
        found = np.column_stack([-found, found]) if found.ndim == 1 else found
        if found.shape == (held.rows, count) and np.isfinite(found).all():
            return None, found, notes
    return None, None, [*notes, "no curves: the model ranks no rows (predict_proba, decision_function)"]


def _scores(y: Any, answered: Any, table: Any, decisions: Any, count: int) -> Iterator[tuple[str, Any]]:
    yield "accuracy", metrics.accuracy_score(y, answered)
    yield "balanced_accuracy", metrics.balanced_accuracy_score(y, answered)
    average = "binary" if count == 2 else "macro"  # noqa: PLR2004  # two classes
    suffix = "" if average == "binary" else "_macro"
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y, answered, average=average, labels=None if average == "binary" else range(count), zero_division=0
    )
    yield from ((f"precision{suffix}", precision), (f"recall{suffix}", recall), (f"f1{suffix}", f1))
    yield "matthews_corrcoef", metrics.matthews_corrcoef(y, answered)
    has_all = len(np.unique(y)) == count > 1
    if count == 2 and has_all:  # noqa: PLR2004  # two classes
        ranked = table if table is not None else decisions
        if ranked is not None:
            yield "roc_auc", metrics.roc_auc_score(y, ranked[:, 1])
            yield "average_precision", metrics.average_precision_score(y, ranked[:, 1])
    if table is None or count < 2:  # noqa: PLR2004  # two classes
        return
    sums_to_one = np.allclose(table.sum(axis=1), 1, atol=1e-6)
    if count > 2 and has_all and sums_to_one:  # noqa: PLR2004  # two classes
        yield "roc_auc_ovr", metrics.roc_auc_score(y, table, multi_class="ovr", labels=range(count))
    if sums_to_one:
        yield "log_loss", metrics.log_loss(y, table, labels=range(count))
    if count == 2 and ((table >= 0) & (table <= 1)).all():  # noqa: PLR2004  # two classes
        yield "brier_score", metrics.brier_score_loss(y, table[:, 1], pos_label=1)


def _by_class(labels: Sequence[Label], y: Any, answered: Any, shown: Sequence[int]) -> Iterator[ClassScores]:
    columns = metrics.precision_recall_fscore_support(y, answered, labels=shown, zero_division=0)
    for place, (precision, recall, f1, support) in zip(shown, np.column_stack(columns).tolist(), strict=True):
        yield ClassScores(label=labels[place], precision=precision, recall=recall, f1=f1, support=int(support))


def _confusion(labels: tuple[Label, ...], y: Any, answered: Any) -> Confusion:
    counts = metrics.confusion_matrix(y, answered, labels=range(len(labels))).tolist()
    return Confusion(labels=labels, counts=tuple(map(tuple, counts)))


@dataclass(frozen=True)
class _Curves:
    """Curves of some classes, each against the rest: of two classes of the second alone, which the first mirrors."""

    labels: Sequence[Label]
    y: Any
    shown: Any

    def roc(self, ranked: Any) -> Iterator[Curve]:
        for place, is_it in self._each():
            x, y, _ = metrics.roc_curve(is_it, ranked[:, place])
            yield self._curve(place, x, y, metrics.roc_auc_score(is_it, ranked[:, place]))

    def precision_recall(self, ranked: Any) -> Iterator[Curve]:
        for place, is_it in self._each():
            precision, recall, _ = metrics.precision_recall_curve(is_it, ranked[:, place], drop_intermediate=True)
            area = metrics.average_precision_score(is_it, ranked[:, place])
            yield self._curve(place, recall[::-1], precision[::-1], area)

    def calibration(self, table: Any) -> Iterator[Curve]:
        bins = min(_BINS, len(self.y) // _IN_A_BIN)
        for place, is_it in self._each():
            told = table[:, place]
            if ((told >= 0) & (told <= 1)).all():
                actual, said = calibration_curve(is_it, told, n_bins=bins, strategy="quantile")
                yield self._curve(place, said, actual, None)

    def _each(self) -> Iterator[tuple[int, Any]]:
        for place in [1] if len(self.labels) == 2 else sorted(self.shown.tolist()):  # noqa: PLR2004  # two classes
            is_it = (self.y == place).astype(int)
            if 0 < is_it.sum() < len(is_it):
                yield place, is_it

    def _curve(self, place: int, x: Any, y: Any, area: Any) -> Curve:
        x, y = thinned(x, y)
        return Curve(label=self.labels[place], x=x, y=y, area=None if area is None else float(area))
