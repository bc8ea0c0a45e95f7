"""Permutation importance by scikit-learn, over as many rows and shuffles as take a minute at most."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer

from model_registry.publish.report.held_out import HeldOut
from model_registry.publish.report.numbers import short
from model_registry.publish.tables import rows_at, spread
from model_registry.report.figures import FeatureImportance, Importance

REPEATS = 5
SEED = 0
_ROWS, _FEWEST = 2_000, 100
SECONDS = 60.0


def importance_of(
    estimator: Any, held: HeldOut, features: int, progress: Callable[[str], None]
) -> tuple[Importance | None, str]:
    """The importance of so many features, the most important ones, or why there is none."""
    names = [column.name for column in held.table.columns]
    if held.kind in {"none", "multioutput"}:
        return None, "no permutation importance: it needs one score of the model"
    if held.table.kind == "texts" or held.table.natively or len(names) == 1:
        return None, "no permutation importance: the model takes one value, or objects as they are"
    scoring = "r2" if held.kind == "regression" else "accuracy"
    own = held.table.own if hasattr(held.table.own, "shape") else np.asarray(held.table.own)
    y = held.y if held.kind == "regression" else np.asarray(estimator.classes_)[held.y]
    for most in (_ROWS, _FEWEST):
        chosen = spread(held.rows, most)
        X, targets = (own, y) if chosen is None else (rows_at(own, chosen), y[chosen])
        started = perf_counter()
        get_scorer(scoring)(estimator, X, targets)
        seconds = (perf_counter() - started) * len(names)
        if seconds <= SECONDS:
            break
    else:
        return None, f"no permutation importance: it would take {seconds:,.0f} s and more, {SECONDS:.0f} s are allowed"
    repeats = max(1, min(REPEATS, int(SECONDS / max(seconds, 1e-9))))
    progress(
        f"permutation importance of {len(names)} features over {len(targets):,} rows, about {seconds * repeats:,.0f} s"
    )
    found = permutation_importance(estimator, X, targets, scoring=scoring, n_repeats=repeats, random_state=SEED)
    given = zip(_in_order(held, names), short(found.importances_mean), short(found.importances_std), strict=True)
    ranked = sorted((FeatureImportance(feature=n, mean=m, deviation=d) for n, m, d in given), key=lambda one: -one.mean)
    return Importance(scoring=scoring, rows=len(targets), repeats=repeats, features=tuple(ranked[:features])), ""


def _in_order(held: HeldOut, names: list[str]) -> list[str]:
    """The names in the order of the columns that the estimator was asked with."""
    return [str(name) for name in held.table.own.columns] if held.table.kind == "frame" else names
