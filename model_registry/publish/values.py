"""Single values as their owner has them, and as requests bring them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from model_runtime.errors import PublishError
from model_runtime.manifest import Missing


def plain_values(name: str, values: Sequence[Any], what: str) -> tuple[list[Any], tuple[Missing, ...]]:
    """Values as Python's own, and what marked those that are missing."""
    marks: dict[Missing, int] = {}
    plain = []
    for value in values:
        mark = missing_mark(value)
        if mark is not None:
            marks[mark] = marks.get(mark, 0) + 1
        plain.append(None if mark is not None else plain_value(name, value, what))
    return plain, tuple(sorted(marks, key=lambda mark: -marks[mark]))


def missing_mark(value: Any) -> Missing | None:
    """What a missing value is marked with; None for a value that is there."""
    if value is None:
        return "none"
    kind = type(value).__name__
    if kind == "NAType":
        return "NA"
    if kind == "NaTType" or (isinstance(value, np.datetime64) and np.isnat(value)):
        return "NaT"
    return "nan" if isinstance(value, float | np.floating | Decimal) and value != value else None  # noqa: PLR0124  # NaN


def plain_value(name: str, value: Any, what: str) -> Any:
    """A number, text, truth or time as Python has it; PublishError for anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        plain = datetime.fromisoformat(value.isoformat(timespec="microseconds"))  # a Timestamp of pandas is one too
        return plain.replace(tzinfo=UTC) if plain.tzinfo is None else plain.astimezone(UTC)
    if isinstance(value, float) and not np.isfinite(value):
        raise PublishError(f"column {name!r} of {what} holds {value}, which JSON cannot carry: give finite numbers")
    if isinstance(value, bool | int | float | str):
        return value
    raise PublishError(
        f"column {name!r} of {what} holds a {type(value).__name__}: "
        "give numbers, strings, booleans or times, as callers will send them"
    )
