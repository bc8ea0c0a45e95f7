"""Compare what a converted model answers with what its estimator does, row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_runtime.formats import Predicts
from model_runtime.manifest import Prediction, Replay
from model_runtime.prediction import same_value
from model_runtime.schema import Row

TOLERANCE = 1e-5
"""How far a probability may be off, and a value in proportion to the largest of its column. float32 has 7 digits."""

_SHOWN = 3
_MOST_REFUSED = 100


class ManyRefusalsError(Exception):
    """More rows were refused than the few that are meant to be; publishing tells it in other words."""


@dataclass(frozen=True)
class Differences:
    """The rows for which a conversion gave another answer, with the estimator's answer and then the other."""

    rows: list[tuple[Row, Prediction | None, Prediction | None]]
    of: int

    def shown(self, names: Sequence[str]) -> str:
        """The first few rows with both answers, and how many more there are."""
        shown = "; ".join(
            f"{dict(zip(names, row, strict=True))} gives {_text(other)} by ONNX, {_text(one)} by the estimator itself"
            for row, one, other in self.rows[:_SHOWN]
        )
        return shown + (f", and {len(self.rows) - _SHOWN} more" if len(self.rows) > _SHOWN else "")


def answers(predictor: Predicts, rows: Sequence[Row]) -> list[Prediction | None]:
    """The answers to rows, None for one that is refused; ManyRefusalsError where those are many."""
    found: list[Prediction | None] = [None] * len(rows)
    parts, refused = [range(len(rows))], 0
    while parts:
        part = parts.pop()
        try:
            found[part.start : part.stop] = predictor.predict(rows[part.start : part.stop])
        except (ValueError, OverflowError) as error:
            if len(part) > 1:
                middle = part.start + len(part) // 2
                parts += [range(part.start, middle), range(middle, part.stop)]
                continue
            refused += 1
            if refused > _MOST_REFUSED:
                raise ManyRefusalsError(str(error).strip().partition("\n")[0]) from error
    return found


def compare(
    rows: Sequence[Row], expected: Sequence[Prediction | None], found: Sequence[Prediction | None]
) -> Replay | Differences:
    """The record of a comparison in which each answer was the same, or where the answers differ."""
    tolerances = _tolerances(expected)
    largest = 0.0
    differing = []
    for row, one, other in zip(rows, expected, found, strict=True):
        difference, is_same = _difference(one, other, tolerances)
        largest = max(largest, difference)
        if not is_same:
            differing.append((row, one, other))
    if differing:
        return Differences(differing, len(rows))
    return Replay(rows=len(rows), tolerance=max(tolerances), difference=largest)


def _tolerances(expected: Sequence[Prediction | None]) -> list[float]:
    """For each number of an answer: probabilities have one in common, each value its own."""
    values = [answer.value for answer in expected if answer is not None and answer.value is not None]
    if not values:
        return [TOLERANCE]
    table = np.abs(np.array(values, dtype=float).reshape(len(values), -1))
    return [TOLERANCE * float(scale) for scale in np.nanmax(table, axis=0)]


def _difference(one: Prediction | None, other: Prediction | None, tolerances: Sequence[float]) -> tuple[float, bool]:
    """By how much two answers differ at most, and whether that is within the tolerances."""
    if one is None or other is None:
        return 0.0, one is other
    if one.value is None and one.probabilities is None:
        return 0.0, _same_label(one, other)
    if one.value is None:
        pairs = list(zip(_numbers(one), _numbers(other), strict=True))
        tolerances = list(tolerances) * len(pairs)
    else:
        pairs = list(zip(_flat_values(one.value), _flat_values(other.value), strict=True))
    differences = [0.0 if math.isnan(a) and math.isnan(b) else abs(a - b) for a, b in pairs]
    is_close = all(each <= most for each, most in zip(differences, tolerances, strict=True))  # NaN is not
    return max(differences), is_close and _same_label(one, other)


def _numbers(answer: Prediction) -> list[float]:
    # Of several outputs there would be a list, and those are refused before.
    return list(answer.probabilities.values()) if isinstance(answer.probabilities, dict) else []


def _same_label(one: Prediction, other: Prediction) -> bool:
    return type(one.label) is type(other.label) and same_value(one.label, other.label)


def _flat_values(value: Any) -> list[float]:
    return [number for each in value for number in _flat_values(each)] if isinstance(value, list) else [float(value)]


def _text(answer: Prediction | None) -> str:
    if answer is None:
        return "a refusal"
    if answer.value is not None:
        return str(answer.value)
    return str(answer.label) if answer.probabilities is None else f"{answer.label} {answer.probabilities}"
