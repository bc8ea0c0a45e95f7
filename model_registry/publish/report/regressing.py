"""How a regressor did, for each of its outputs; and a classifier of several outputs, which has scores alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import metrics

from model_registry.publish.report.distributions import histogram
from model_registry.publish.report.held_out import HeldOut
from model_registry.publish.report.numbers import scores_of, short
from model_registry.report.figures import Histogram, Residuals, Score

OUTPUTS = 20
"""So many outputs have figures of their own."""
_GROUPS, _IN_A_GROUP = 20, 5


def regressed(held: HeldOut, predicted: Any) -> tuple[tuple[Score, ...], tuple[Residuals, ...]]:
    """Scores and residuals; of several outputs the mean scores first."""
    answered = np.asarray(predicted, dtype=float).reshape(held.y.shape)
    scores = list(scores_of(_scores(held.y, answered)))
    residuals = []
    for name, y, answers in _outputs(held, answered):
        if name:
            scores += scores_of(_scores(y, answers), name)
        residuals.append(_residuals(name, y, answers))
    return tuple(scores), tuple(residuals)


def classified_each(estimator: Any, held: HeldOut, predicted: Any) -> tuple[Score, ...]:
    """Scores of each output of a classifier of several."""
    lists = estimator.classes_ if isinstance(estimator.classes_, list) else [[0, 1]] * held.y.shape[1]
    answered = np.asarray(predicted.toarray() if hasattr(predicted, "toarray") else predicted, dtype=object)
    columns = []
    for column, classes in zip(answered.T.tolist(), lists, strict=True):
        places = {each: place for place, each in enumerate(np.asarray(classes).tolist())}
        columns.append([places[each] for each in column])
    found = np.asarray(columns).T
    scores = list(scores_of([("accuracy_of_all", (found == held.y).all(axis=1).mean())]))
    for name, y, answers in _outputs(held, found):
        pairs = [
            ("accuracy", metrics.accuracy_score(y, answers)),
            ("f1_macro", metrics.f1_score(y, answers, average="macro", zero_division=0)),
        ]
        scores += scores_of(pairs, name)
    return tuple(scores)


def _outputs(held: HeldOut, answered: Any) -> Iterator[tuple[str, Any, Any]]:
    if held.y.ndim == 1:
        yield "", held.y, answered
        return
    yield from zip(held.outputs[:OUTPUTS], held.y.T, answered.T, strict=False)


def _scores(y: Any, answered: Any) -> Iterator[tuple[str, Any]]:
    yield "r2", metrics.r2_score(y, answered)
    yield "rmse", metrics.root_mean_squared_error(y, answered)
    yield "mae", metrics.mean_absolute_error(y, answered)
    yield "median_absolute_error", metrics.median_absolute_error(y, answered)


def _residuals(name: str, y: Any, answered: Any) -> Residuals:
    order = np.argsort(answered, kind="stable")
    groups = np.array_split(order, min(_GROUPS, len(order) // _IN_A_GROUP))
    return Residuals(
        output=name,
        histogram=histogram((y - answered).tolist()) or Histogram(edges=(), counts=()),
        predicted=short(answered[group].mean() for group in groups),
        actual=short(y[group].mean() for group in groups),
    )
