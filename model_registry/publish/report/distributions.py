"""The distribution of each feature in the test rows, told without a value of anybody's.

Edges are round numbers, and lie within all but five rows on either side. A bin or a category that fewer than five rows
have is counted with its neighbours, and texts that look personal or may say anything are not told at all, only how long
they are.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from msgspec.structs import replace

from model_registry.publish.personal import is_free_text, personal_columns
from model_registry.publish.synthetic import FEW_ROWS, step_below
from model_registry.publish.tables import Table
from model_registry.report.figures import Category, Distribution, Histogram, Of
from model_registry.report.times import NUMBERS, STEPS
from model_runtime.manifest import Feature, Signature

T = TypeVar("T")

_BINS = 12
_CATEGORIES = 20
_LOOKED_AT = 1_000
"""Rows in which is looked for what is personal."""
_LONGEST = 80
"""Characters of a category that are told."""
_CENTRE = 0.02
"""The share of the rows on either side that the outer bins take up: what lies far away would make all others narrow.

They take up five rows at least: an edge would else tell the lowest or the highest value of anybody.
"""
_FINEST = 1e-9
"""What part of the values a bin is wide at least; below that they are told apart by the noise of floats."""


def distributions(signature: Signature, table: Table, features: int) -> tuple[Distribution, ...]:
    """Those of so many features, in the signature's order."""
    first = list(islice(zip(*(column.values for column in table.columns), strict=True), _LOOKED_AT))
    personal = personal_columns(signature, first)
    pairs = list(zip(signature.features, table.columns, strict=True))[:features]
    are_texts = signature.container == "list"
    return tuple(_distribution(feature, column.values, personal, are_texts=are_texts) for feature, column in pairs)


def histogram(
    values: Sequence[float], *, whole: bool = False, of: Of = "values", step: float | None = None
) -> Histogram | None:
    """A dozen bins or two with round edges, each empty or of five rows and more.

    None where rows are too few, or where they cannot be counted. Edges are multiples of a `step`, where one is given.
    """
    ordered = sorted(values)
    ends = _ends(ordered)
    if ends is None:
        return None
    low, high = ends
    try:
        spread = high / _BINS - low / _BINS  # divided first: the difference of two finite numbers need not be one
        if spread <= _FINEST * max(abs(low), abs(high)):
            spread = max(abs(low), 1.0) / 10
        step = step or step_below(spread)
        step = max(1.0, math.ceil(step)) if whole else step
        first, end = math.floor(low / step), math.floor(high / step) + 1
        counts = [0] * (end - first)
        for value in ordered:
            counts[min(max(math.floor(value / step) - first, 0), len(counts) - 1)] += 1
    except (OverflowError, ValueError):  # an int beyond floats, infinity, or infinity less itself
        return None
    digits = max(0, 1 - math.floor(math.log10(step)))
    edges = [round(number * step, digits) for number in range(first, end + 1)]
    found = _merged(edges, counts, of) if all(map(math.isfinite, edges)) else None
    return found if found and found.can_be_drawn else None


def histogram_of_times(times: Sequence[datetime]) -> Histogram | None:
    """The same of times in UTC, in years, months, days, hours or minutes, as they are spread."""
    ends = _ends(sorted(times))
    if ends is None:
        return None
    spread = (ends[1] - ends[0]) / _BINS
    _, of, step = next((each for each in reversed(STEPS) if each[0] <= spread), STEPS[0])
    return histogram([*map(NUMBERS[of], times)], whole=True, of=of, step=step)


def _ends(ordered: Sequence[T]) -> tuple[T, T] | None:
    """The values between which the bins are that are not open; None where rows are too few for any."""
    last = len(ordered) - 1
    cut = max(FEW_ROWS, round(_CENTRE * last))
    return (ordered[cut], ordered[last - cut]) if 2 * cut < last else None


def _merged(edges: Sequence[float], counts: Sequence[int], of: Of) -> Histogram:
    """Bins with few rows joined with the ones after them; the last one has as many rows as are told."""
    kept_edges, kept, waiting = [edges[0]], list[int](), 0
    for edge, count in zip(edges[1:], counts, strict=True):
        waiting += count
        if waiting == 0 or waiting >= FEW_ROWS:
            kept.append(waiting)
            kept_edges.append(edge)
            waiting = 0
    return Histogram(edges=tuple(kept_edges), counts=tuple(kept), of=of)


def _distribution(
    feature: Feature, values: Sequence[Any], personal: Mapping[str, str], *, are_texts: bool
) -> Distribution:
    present = [value for value in values if value is not None]
    found = Distribution(feature=feature.name, rows=len(present), missing=_told(len(values) - len(present)))
    if feature.name in personal:
        return replace(found, others=len(present), hidden=f"looks personal ({personal[feature.name]})")
    if feature.categories is not None or feature.type == "boolean":
        return _counted(found, present)
    if feature.type == "string":
        if are_texts or is_free_text(present):
            return replace(found, histogram=histogram([*map(len, present)], whole=True, of="characters"))
        return _counted(found, present)
    if feature.type == "datetime":
        times = [value for value in present if isinstance(value, datetime)]
        return replace(found, histogram=histogram_of_times(times))
    return replace(found, histogram=histogram(present, whole=feature.type == "integer"))


def _told(count: int) -> int:
    """How many rows miss a value; of few none is told."""
    return count if count >= FEW_ROWS else 0


def _counted(found: Distribution, values: Sequence[Any]) -> Distribution:
    common = [(value, count) for value, count in Counter(values).most_common(_CATEGORIES) if count >= FEW_ROWS]
    categories = [
        Category(value=value[:_LONGEST] if isinstance(value, str) else value, count=count) for value, count in common
    ]
    return replace(found, categories=tuple(categories), others=len(values) - sum(count for _, count in common))
