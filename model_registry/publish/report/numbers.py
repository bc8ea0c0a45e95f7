"""Numbers as a report has them: finite, and of curves no more than can be seen."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from model_registry.report.figures import Score

POINTS = 200
"""Points of a curve at most."""
_DIGITS = 6


def thinned(x: Any, y: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A curve's points, of many those that are spread evenly along it, its ends among them."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) > POINTS:
        along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[chosen], y[chosen]
    return short(x), short(y)


def short(values: Any) -> tuple[float, ...]:
    """Numbers with six digits, which is more than a picture shows."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def scores_of(pairs: Iterable[tuple[str, Any]], output: str = "") -> Iterator[Score]:
    """Those that are finite."""
    for name, value in pairs:
        if np.isfinite(value):
            yield Score(name=name, value=float(value), output=output)
