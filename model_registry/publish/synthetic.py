"""Rows that are nobody's: made from types, rounded quantiles and the model's own vocabulary.

The smallest value of a column is a value of somebody's, and so is its median where there are few rows. Numbers are
therefore rounded to a step of about a quarter of the column's spread. A text is one that the model has learnt as a
category, such as many rows have where there is one, or one that many rows have, and a neutral one otherwise, or where
the column looks personal.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_runtime.manifest import Feature, Signature
from model_runtime.schema import Row

ROWS = 3
NEUTRAL = "an example text"

_QUANTILES = (0.5, 0.25, 0.75)
FEW_ROWS = 5
"""So many rows must have a text that is taken for a word of the data's and not for somebody's own."""
_FEW = 100
"""Up to so many learnt categories are words of the model's; among more, each may be somebody's own."""
_STEPS = (5, 2, 1)
_FORMS = re.compile(
    r"(?P<year_first>(?<!\d)\d{4}[-/.]\d{2}[-/.]\d{2}(?:T|(?!\d)))|(?P<year_last>(?<!\d)\d{2}[-/.]\d{2}[-/.]\d{4}(?!\d))|[^\W_]"
)


def synthetic_rows(
    signature: Signature,
    rows: Sequence[Row],
    learnt: Mapping[str, Sequence[Any]],
    personal: Collection[str],
    *,
    tables: Sequence[Sequence[Row]] | None = None,
    shaped: bool = False,
) -> list[Row]:
    """A few rows, no two of them the same.

    Args:
        signature: What the model takes.
        rows: The owner's, of which there is at least one.
        learnt: By a feature's name the categories that the model's steps have learnt.
        personal: Names of features from which no text is taken.
        tables: The rows in which is counted how many have a value, each by itself, as a row may be in several;
            `rows` where none are given.
        shaped: Whether a neutral text has the form of the first given one, such as `2020-01-01` for a date.

    """
    columns = []
    for index, feature in enumerate(signature.features):
        common = feature.name not in personal
        words = _words(feature, learnt.get(feature.name, ()) if common else ())
        counts = _counts_of(tables or [rows], index) if words or feature.type == "string" else Counter[Any]()
        given = [row[index] for row in rows if row[index] is not None]
        columns.append(_values(feature, given, words, counts, common=common, shaped=shaped))
    made = [tuple(column[number % len(column)] for column in columns) for number in range(ROWS)]
    return list(dict.fromkeys(made))


def rare_words(
    signature: Signature,
    learnt: Mapping[str, Sequence[Any]],
    personal: Collection[str],
    tables: Sequence[Sequence[Row]],
) -> Iterator[str]:
    """The names of features whose examples are categories of which none is known to be of five rows and more."""
    for index, feature in enumerate(signature.features):
        words = _words(feature, () if feature.name in personal else learnt.get(feature.name, ()))
        if words and feature.type != "boolean":
            counts = _counts_of(tables, index)
            if not any(counts[word] >= FEW_ROWS for word in words):
                yield feature.name


def _counts_of(tables: Sequence[Sequence[Row]], index: int) -> Counter[Any]:
    """How many rows of a table have each value at least, the most of all tables."""
    counts = Counter[Any]()
    for table in tables:
        counts |= Counter(row[index] for row in table if row[index] is not None)
    return counts


def _words(feature: Feature, learnt: Sequence[Any]) -> Sequence[Any]:
    """The values that the model knows; a request may have no other than a category of the column's type."""
    return feature.categories or ([value for value in learnt if _fits(feature, value)] if len(learnt) <= _FEW else ())


def _values(
    feature: Feature, given: Sequence[Any], words: Sequence[Any], counts: Counter[Any], *, common: bool, shaped: bool
) -> Sequence[Any]:
    """Values of one feature, one or some."""
    if words:
        ranked = sorted(words, key=lambda value: -counts[value])[:ROWS]
        return [value for value in ranked if counts[value] >= FEW_ROWS] or ranked
    if feature.type == "boolean":
        return sorted(set(given)) or [False]
    if feature.type == "datetime":
        return [_year(value) for value in _quantiles(given)] or [datetime(2026, 1, 1, tzinfo=UTC)]
    if feature.type == "string":
        often = [value for value, count in counts.most_common(ROWS) if count >= FEW_ROWS] if common else []
        return often or [shape_of(given[0]) if shaped and given else NEUTRAL]
    return _numbers(given, whole=feature.type == "integer")


def _fits(feature: Feature, value: Any) -> bool:
    if feature.type == "string":
        return isinstance(value, str)
    if feature.type == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return feature.type == "number" or (feature.type == "integer" and isinstance(value, int))


def shape_of(text: str) -> str:
    """The form of a text: dates become the first of a January, digits 1, letters a and A; all else stays."""
    return _FORMS.sub(_neutral, text)


def _neutral(found: re.Match[str]) -> str:
    piece = found.group()
    if found.lastgroup == "year_first":
        return f"2020{piece[4]}01{piece[7]}01{piece[10:]}"
    if found.lastgroup == "year_last":
        return f"01{piece[2]}01{piece[5]}2020"
    return "1" if piece.isdigit() else "A" if piece.isupper() else "a"


def _quantiles(values: Sequence[Any]) -> list[Any]:
    ordered = sorted(values)
    return [ordered[round(at * (len(ordered) - 1))] for at in _QUANTILES] if ordered else []


def _year(value: datetime) -> datetime:
    return datetime(value.year, 1, 1, tzinfo=UTC)


def _numbers(values: Sequence[float], *, whole: bool) -> list[float]:
    if not values:
        return [0 if whole else 0.0]
    ordered = sorted(values)
    count = len(ordered) - 1
    low, high = ordered[round(0.1 * count)], ordered[round(0.9 * count)]
    # Halved first: the difference of two finite numbers need not be one.
    spread = high / 2 - low / 2
    step = step_below(spread / 2 if spread else max(map(abs, ordered)))
    if whole:
        step = max(1, round(step))
    return [_rounded(value, step, ordered[0], ordered[-1], whole=whole) for value in _quantiles(values)]


def step_below(size: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no more than this."""
    if size <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(size))
    return next((each * power for each in _STEPS if each * power <= size), power) or size


def _rounded(value: float, step: float, low: float, high: float, *, whole: bool) -> float:
    """A multiple of the step near a value, within the range where there is one."""
    number = round(value / step)
    if number * step < low:
        number += 1
    if number * step > high:
        number -= 1
    found = number * step
    if whole:
        return int(found)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return float(round(found, digits)) if math.isfinite(found) else float(step)
