"""What the fitted steps of a pipeline say of its input columns: which may be missing, and which hold codes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from model_registry.publish.values import missing_mark
from model_runtime.manifest import Missing

# They treat each column by itself and let NaN through: what comes after them decides.
_LETTING_THROUGH = {
    "MaxAbsScaler",
    "MinMaxScaler",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
    "StandardScaler",
}


@dataclass(frozen=True)
class First:
    """A step that sees an input column first, which is its column number `index`; None is a column passed through.

    `after` is the step after an imputer that leaves each column in its place.
    """

    step: Any
    index: int
    after: Any = None


def first_steps(estimator: Any, names: Sequence[str]) -> dict[str, list[First]]:
    """By the column's name, the steps that see it first; a column that no step tells of has none."""
    found: dict[str, list[First]] = {name: [] for name in names}
    for name, first in _first(estimator, list(names), list(names)):
        found[name].append(first)
    return found


def takes_missing(firsts: Sequence[First]) -> bool:
    """Whether all steps that see a column first were made for gaps, or were fitted on some."""
    return bool(firsts) and all(_imputes(first.step) or _has_seen_missing(first) for first in firsts)


def missing_of(firsts: Sequence[First]) -> Missing | None:
    """What marks a gap for the imputer or encoder that comes first; None where there is none that tells."""
    for first in firsts:
        # An imputer that looks for NaN leaves None alone: the encoder after it may have learnt that.
        learnt = [*(_categories(First(first.after, first.index)) or ()), *(_categories(first) or ())]
        marks = [mark for value in learnt if (mark := missing_mark(value)) is not None]
        if marks:
            return marks[0]
        if hasattr(first.step, "missing_values"):
            return missing_mark(first.step.missing_values)
    return None


def kind_of(firsts: Sequence[First]) -> type | None:
    """The type of the values that the steps were fitted on, `str`, `int`, `float` or `bool`; None where none tells."""
    for first in firsts:
        known = [value for value in _categories(first) or () if missing_mark(value) is None]
        statistics = getattr(first.step, "statistics_", None)
        if statistics is not None and first.index < len(statistics):
            known.append(statistics[first.index])
        if hasattr(first.step, "vocabulary_"):
            return str
        for value in known:
            plain = value.item() if isinstance(value, np.generic) else value
            return type(plain) if isinstance(plain, bool | int | float | str) else None
    return None


def are_codes(firsts: Sequence[First]) -> bool:
    """Whether a step takes the column's values for categories: 3.5 is none of them, though it is a number."""
    return any(_categories(first) is not None for first in firsts)


def learnt_categories(firsts: Sequence[First]) -> list[Any]:
    """The values that an encoder of the column was fitted on, without marks of gaps; empty where none tells."""
    for first in firsts:
        found = _categories(first) or _categories(First(first.after, first.index)) or ()
        known = [value for value in found if missing_mark(value) is None]
        if known:
            return [value.item() if isinstance(value, np.generic) else value for value in known]
    return []


def _first(estimator: Any, columns: list[str], names: list[str]) -> Iterator[tuple[str, First]]:
    """Go down to the steps that see `columns`, which are among all `names` of the input."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, Pipeline):
        deciding = (step for _, step in estimator.steps if not _lets_through(step))
        step, after = next(deciding, None), next(deciding, None)
        if step is not None:
            keeps = _imputes(step) and getattr(after, "n_features_in_", None) == len(columns)
            for name, first in _first(step, columns, names):
                yield name, replace(first, after=after) if keeps else first
    elif isinstance(estimator, ColumnTransformer):
        yield from _first_of_columns(estimator, columns, names)
    elif isinstance(estimator, FeatureUnion):
        for _, step in estimator.transformer_list:
            if not isinstance(step, str):
                yield from _first(step, columns, names)
    else:
        yield from ((name, First(estimator, index)) for index, name in enumerate(columns))


def _first_of_columns(
    estimator: ColumnTransformer, columns: list[str], names: list[str]
) -> Iterator[tuple[str, First]]:
    for _, step, chosen in estimator.transformers_:
        resolved = _resolved(chosen, columns)
        if isinstance(step, str):
            if step == "passthrough":
                yield from ((name, First(None, index)) for index, name in enumerate(resolved))
        else:
            yield from _first(step, resolved, names)


def _lets_through(step: Any) -> bool:
    return step is None or isinstance(step, str) or type(step).__name__ in _LETTING_THROUGH


def _resolved(chosen: Any, columns: list[str]) -> list[str]:
    """The columns that a ColumnTransformer was told: one or several, by names, numbers, a slice or a mask."""
    if isinstance(chosen, str):
        return [chosen] if chosen in columns else []
    if isinstance(chosen, slice) and not isinstance(chosen.start, str) and not isinstance(chosen.stop, str):
        return columns[chosen]
    if isinstance(chosen, slice):
        begin = columns.index(chosen.start) if chosen.start is not None else 0
        end = columns.index(chosen.stop) + 1 if chosen.stop is not None else len(columns)
        return columns[begin:end]
    array = np.atleast_1d(np.asarray(chosen))
    if array.dtype == bool:
        return [name for name, take in zip(columns, array.tolist(), strict=True) if take]
    return [
        item if isinstance(item, str) else columns[item]
        for item in array.tolist()
        if item in columns or isinstance(item, int)
    ]


def _imputes(step: Any) -> bool:
    """Imputers of scikit-learn and of packages that follow its names."""
    return "Imputer" in type(step).__name__ or type(step).__name__ == "MissingIndicator"


def _has_seen_missing(first: First) -> bool:
    categories = _categories(first)
    return categories is not None and any(missing_mark(value) is not None for value in categories)


def _categories(first: First) -> list[Any] | None:
    categories = getattr(first.step, "categories_", None)
    if not isinstance(categories, list) or first.index >= len(categories):
        return None
    return list(np.asarray(categories[first.index], dtype=object))
