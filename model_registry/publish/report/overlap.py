"""How many test rows are training rows: such as are equal in every feature, as no target of a training row is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_registry.publish.tables import count_of
from model_registry.publish.values import missing_mark

_HALF = 0.5


@dataclass(frozen=True)
class Overlap:
    """So many training rows were looked through, and so many test rows were found among them.

    `is_most` says that the test rows are training rows, and not alike by chance.
    """

    trained: int
    shared: int
    is_most: bool


def overlap(names: Sequence[str], X_test: Any, X_train: Any) -> Overlap:
    """Compare rows in the forms that publishing takes, whose features have these names; a million take some seconds."""
    tests, trained = count_of(X_test) or 0, count_of(X_train) or 0
    keys = np.zeros(tests + trained, dtype=np.uint64)
    for one, other in zip(_columns(X_test, names), _columns(X_train, names), strict=True):
        keys = _mixed(keys ^ _codes(one, other))
    test, train = keys[:tests], keys[tests:]
    shared = int(np.isin(test, train).sum())
    counts = np.unique(train, return_counts=True)[1]
    # Rows of a few categories repeat: so large a share of other rows of the same kind would be found there, too.
    expected = counts[counts > 1].sum() / max(trained, 1)
    surprising = expected <= _HALF and shared > tests * (1 + expected) / 2
    return Overlap(trained, shared, bool(surprising or np.array_equal(test, train)))


def _columns(X: Any, names: Sequence[str]) -> Iterator[Any]:
    """The values of each feature as an array or a list."""
    if hasattr(X, "iloc"):
        places = {str(name): place for place, name in enumerate(X.columns)}
        yield from (_of_series(X.iloc[:, places.get(name, place)]) for place, name in enumerate(names))
    elif not hasattr(X, "shape") and all(isinstance(row, Mapping) for row in X):
        keys = {str(key): key for key in X[0]}
        yield from ([row.get(keys.get(name)) for row in X] for name in names)
    else:
        array = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        yield from array.T if array.ndim > 1 else [array]


def _of_series(series: Any) -> Any:
    if series.dtype.kind in "biuf":
        return series.to_numpy(dtype=float, na_value=np.nan)
    return series.to_numpy(dtype="datetime64[us]") if series.dtype.kind == "M" else series.to_numpy()


def _codes(one: Any, other: Any) -> Any:
    """A number for each value of two columns, the same for equal ones."""
    arrays = [np.asarray(values) for values in (one, other)]
    kinds = "".join(array.dtype.kind for array in arrays)
    if set(kinds) <= set("biuf"):
        numbers = np.concatenate([array.astype(float) for array in arrays]) + 0.0  # no negative zero
        numbers[np.isnan(numbers)] = np.nan  # NaN has many forms
        return numbers.view(np.uint64)
    if kinds == "MM":
        return np.concatenate([array.astype("datetime64[us]") for array in arrays]).view(np.uint64)
    codes: dict[Any, int] = {}
    values = (value for column in (one, other) for value in (column if isinstance(column, list) else column.tolist()))
    return np.fromiter((codes.setdefault(_key(value), len(codes)) for value in values), dtype=np.uint64)


def _key(value: Any) -> Any:
    if missing_mark(value) is not None:
        return None
    return value if value.__hash__ else str(value)


def _mixed(keys: Any) -> Any:
    """Numbers scattered over all of 64 bits, as the finalizer of SplitMix64 does (Steele, Lea and Flood, 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
