"""Whose fault it is that a model gives no answer: the caller's values, or the model.

What raises is asked again, with the golden example in the place of the caller's values. A model that no longer answers
that is broken, whatever the request. One that does has no answer to these values; which rows and which features they
are is found by putting them into the golden example.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from model_runtime.schema import Row

Culprit = tuple[int, int | None]
"""Index of a row, and of a feature in it; None where no feature of the row fails alone, as for two that do not fit."""

_SECONDS = 1.0
"""How long a request that failed may go on asking."""
_NAMED = 20


def culprits(
    predict: Callable[[Sequence[Row]], Any],
    rows: Sequence[Row],
    golden: Row | None,
    refusals: tuple[type[Exception], ...],
) -> list[Culprit] | None:
    """The values that a model has no answer to, as far as they can be found; None where the model is at fault.

    `refusals` are what values can be the cause of; anything else that the model raises is its own fault.
    """
    deadline = time.monotonic() + _SECONDS

    def fails(candidates: Sequence[Row]) -> bool:
        if time.monotonic() > deadline:
            raise TimeoutError
        try:
            predict(candidates)
        except refusals:
            return True
        return False

    try:
        if golden is None or fails([golden]):
            return None
    except Exception:  # noqa: BLE001  # not even something that values could be the cause of
        return None
    found: list[Culprit] = []
    try:
        for index in _bisected(range(len(rows)), lambda some: fails([rows[index] for index in some])):
            found += _of_row(rows[index], index, golden, fails)
    except TimeoutError:
        return found
    return found or None  # each row was answered alone: it is not the values


def _of_row(row: Row, index: int, golden: Row, fails: Callable[[Sequence[Row]], bool]) -> list[Culprit]:
    def mixed(features: Sequence[int]) -> Row:
        return tuple(row[i] if i in features else value for i, value in enumerate(golden))

    bad = _bisected(range(len(row)), lambda features: fails([mixed(features)]))
    return [(index, feature) for feature in bad] or [(index, None)]


def _bisected(indices: range, fails: Callable[[range], bool]) -> list[int]:
    """The first few indices that fail alone, found by halves."""
    found: list[int] = []
    todo = [indices]
    while todo and len(found) < _NAMED:
        some = todo.pop()
        if not fails(some):
            continue
        if len(some) == 1:
            found.append(some[0])
            continue
        middle = len(some) // 2
        todo += [some[middle:], some[:middle]]
    return found
