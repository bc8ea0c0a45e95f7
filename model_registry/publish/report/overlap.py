"""How many test rows are training rows: such as are equal in every feature, as no target of a training row is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from model_registry.publish.tables import count_of
from model_registry.publish.values import missing_mark, plain_value

_MANY, _DEVIATIONS = 100, 3
"""Fewer rows may be alike by chance, and so far from what chance would give are hardly any."""


@dataclass(frozen=True)
class Overlap:
    """So many training rows were looked through, and so many test rows were found among them.

    `is_most` says that most test rows are training rows beyond doubt, and not alike by chance.
    """

    trained: int
    shared: int
    is_most: bool


def overlap(names: Sequence[str], X_test: Any, X_train: Any) -> Overlap | None:
    """Compare rows in the forms that publishing takes, whose features have these names; a million take some seconds.

    None where they cannot be compared.
    """
    try:
        return _compared(names, X_test, X_train)
    except Exception:  # noqa: BLE001  # whatever the rows are, a publish without this comparison is right
        return None


def _compared(names: Sequence[str], X_test: Any, X_train: Any) -> Overlap:
    tests, trained = count_of(X_test) or 0, count_of(X_train) or 0
    keys = np.zeros(tests + trained, dtype=np.uint64)
    for one, other in zip(_columns(X_test, names), _columns(X_train, names), strict=True):
        keys = _mixed(keys ^ _codes(one, other))
    test, train = keys[:tests], keys[tests:]
    found = test[np.isin(test, train)]
    same = np.array_equal(test, train) and np.count_nonzero(test[1:] != test[:-1]) >= _MANY
    return Overlap(trained, len(found), bool(same or (len(found) > tests / 2 and _are_picked(found, train))))


def _are_picked(found: Any, train: Any) -> bool:
    """Whether test rows that are among the training rows repeat less than rows do that are alike by chance.

    Such are drawn from the distinct training rows with replacement: at most so many are expected to differ as of rows
    that are equally likely, and the variance is at most the number of repetitions.
    """
    distinct, kinds = len(np.unique(found)), len(np.unique(train))
    if distinct < _MANY:
        return False
    expected = -kinds * np.expm1(len(found) * np.log1p(-1 / kinds))
    return bool(distinct - expected > _DEVIATIONS * np.sqrt(len(found) - expected))


def _columns(X: Any, names: Sequence[str]) -> Iterator[Any]:
    """The values of each feature as an array or a list."""
    if getattr(X, "ndim", None) == 1:  # texts or objects
        X = X.tolist()
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
    arrays = [_array(values) for values in (one, other)]
    kinds = "".join(array.dtype.kind for array in arrays)
    if set(kinds) <= set("biuf"):
        numbers = np.concatenate([array.astype(float) for array in arrays]) + 0.0  # no negative zero
        numbers[np.isnan(numbers)] = np.nan  # NaN has many forms
        return numbers.view(np.uint64)
    if kinds == "MM":
        return np.concatenate(arrays).view(np.uint64)
    keys = [[_key(value) for value in array.tolist()] for array in arrays]
    types = [{str if isinstance(key, str) else type(key) for key in column if key is not None} for column in keys]
    if all(types) and any((types[0] == {kind}) != (types[1] == {kind}) for kind in (str, datetime)):
        raise TypeError("texts or times are beside something else, so that equal rows would differ")
    codes: dict[Any, int] = {}
    return np.fromiter((codes.setdefault(key, len(codes)) for column in keys for key in column), dtype=np.uint64)


def _array(values: Any) -> Any:
    if isinstance(values, list) and any(isinstance(value, str) for value in values):
        return np.asarray(values, dtype=object)  # else each text takes as much as the longest
    array = np.asarray(values)
    return array.astype("datetime64[us]") if array.dtype.kind == "M" else array


def _key(value: Any) -> Any:
    """The plain value, as the forms of rows have it in common."""
    if missing_mark(value) is not None:
        return None
    if isinstance(value, np.generic | Decimal | datetime):
        return plain_value("", value, "")
    return value if value.__hash__ else str(value)


def _mixed(keys: Any) -> Any:
    """Numbers scattered over all of 64 bits, as the finalizer of SplitMix64 does (Steele, Lea and Flood, 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
