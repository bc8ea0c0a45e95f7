"""Rows as their owner has them - a frame, an array, lists, objects, texts - read into columns of plain values.

What the estimator is asked stays beside them: the very object that was given, or for objects the frame that they mean.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from model_registry.publish.steps import First, first_steps, missing_of
from model_registry.publish.values import plain_values
from model_runtime.errors import PublishError
from model_runtime.manifest import Label, Missing
from model_runtime.prediction import further_output
from model_runtime.schema import Row

_BLANKS = re.compile(r"\s")

Kind = Literal["frame", "array", "texts", "objects", "rows"]


@dataclass(frozen=True)
class Column:
    """One feature: plain values with None where one is missing, and what the frame said of it.

    `missing` has what marked the gaps that were seen, the most frequent first. `dtype` is None outside frames.
    """

    name: str
    values: list[Any]
    missing: tuple[Missing, ...] = ()
    dtype: str | None = None
    categories: tuple[Label, ...] | None = None
    ordered: bool = False
    number: int | None = None


@dataclass(frozen=True)
class Table:
    """Example rows in the order of the model's features. `own` is what the estimator itself is asked with."""

    columns: tuple[Column, ...]
    own: Any
    kind: Kind
    notes: tuple[str, ...] = ()
    natively: bool = field(default=False)
    """Whether the estimator was given objects as they are, as a DictVectorizer takes them."""

    @property
    def rows(self) -> list[Row]:
        """The rows as requests bring them; None where a value is missing."""
        return list(zip(*(column.values for column in self.columns), strict=True))


def read_table(estimator: Any, X: Any, feature_names: Sequence[str] | None = None, *, what: str = "X_example") -> Table:
    """Read a DataFrame, an array of shape (n, features), a list of n objects, rows or texts.

    Columns are matched with the names that the estimator was fitted on, and put in its order; `feature_names` name
    those of an array. Raises PublishError, which says `what` was given, for anything else and for names that differ.
    """
    if isinstance(X, str | Mapping | AbstractSet) or not hasattr(X, "__len__"):
        raise PublishError(
            f"{what} is a {type(X).__name__}: give a DataFrame, an array of shape (n, features), or a list of rows"
        )
    fitted = fitted_names(estimator)
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _of_frame(X, fitted, what)
    if hasattr(X, "toarray"):
        raise PublishError(f"{what} is a sparse matrix: give a few rows of it as X[:5].toarray()")
    if hasattr(X, "to_pandas"):
        raise PublishError(f"{what} is a {type(X).__module__}.{type(X).__name__}: give a pandas frame, X.to_pandas()")
    values = X.tolist() if hasattr(X, "tolist") else list(X)
    if not values:
        raise PublishError(f"{what} has no rows: give at least one, better three")
    if all(isinstance(value, str) for value in values):
        name = (feature_names or fitted or ["text"])[0]
        return Table((Column(name, values),), values, "texts")
    if all(isinstance(value, Mapping) for value in values):
        return _of_objects(estimator, values, fitted, what)
    return _of_array(X, feature_names, fitted, what)


def count_of(X: Any) -> int | None:
    """How many rows there are; None where that cannot be told, and `read_table` refuses it."""
    if hasattr(X, "shape"):
        return int(X.shape[0]) if X.shape else None
    return len(X) if hasattr(X, "__len__") else None


def spread(count: int, most: int) -> Any:
    """The numbers of so many rows, spread over all and the same each time; None where all are few enough."""
    return None if count <= most else np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def rows_at(X: Any, chosen: Any) -> Any:
    """Rows of any form by an array of their numbers."""
    if hasattr(X, "iloc"):
        return X.iloc[chosen]
    return X[chosen] if hasattr(X, "shape") else [X[index] for index in chosen.tolist()]


def fitted_names(estimator: Any) -> list[str] | None:
    """The features' names that the estimator was fitted with, in its order; None where it knows none."""
    try:
        names = getattr(estimator, "feature_names_in_", None)
    except Exception:  # noqa: BLE001  # a property of another library may ask for what is not there
        return None
    return None if names is None else [str(name) for name in names]


def _of_frame(X: Any, fitted: list[str] | None, what: str) -> Table:
    names = _distinct([str(name) for name in X.columns], what)
    if len(X) == 0 or not names:
        raise PublishError(f"{what} has no rows or no columns: give at least one of each, better three rows")
    columns = {name: _of_series(name, X.columns[index], X.iloc[:, index], what) for index, name in enumerate(names)}
    order = names if fitted is None else _matched(names, fitted, what)
    return Table(tuple(columns[name] for name in order), X, "frame")


def _of_series(name: str, label: Any, series: Any, what: str) -> Column:
    dtype = str(series.dtype)
    values, missing = plain_values(name, series.tolist(), what)
    categories, ordered = None, False
    if dtype == "category":
        categories = tuple(plain_values(name, series.cat.categories.tolist(), what)[0])
        ordered = bool(series.cat.ordered)
    elif dtype == "string":
        dtype = repr(series.dtype) if getattr(series.dtype, "storage", "python") != "python" else dtype
    number = label if isinstance(label, int) and not isinstance(label, bool) else None
    return Column(name, values, missing, dtype, categories, ordered, number)


def _of_array(X: Any, given: Sequence[str] | None, fitted: list[str] | None, what: str) -> Table:
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise PublishError(f"{what} has rows of different lengths: give rows and columns, (n, features)") from error
    if array.ndim != 2:  # noqa: PLR2004  # rows and columns
        raise PublishError(
            f"{what} has shape {array.shape}: give rows and columns, (n, features), "
            "for one instance X[:1] instead of X[0]"
        )
    if array.dtype.kind not in "biuf":
        array = np.asarray(X, dtype=object)  # a number beside texts stays one
    count = array.shape[1]
    names = [str(name) for name in given or fitted or [f"x{index}" for index in range(count)]]
    if len(names) != count:
        raise PublishError(f"{len(names)} feature names for {count} columns: give one a column")
    if fitted is not None and names != fitted:
        raise PublishError(
            f"the feature names {names} are not those that the model was fitted on, {fitted}: leave them out"
        )
    columns = []
    for index, name in enumerate(_distinct(names, what)):
        values, missing = plain_values(name, array[:, index].tolist(), what)
        columns.append(Column(name, values, missing))
    return Table(tuple(columns), X, "array" if isinstance(X, np.ndarray) else "rows")


def _of_objects(estimator: Any, objects: Sequence[Mapping[str, Any]], fitted: list[str] | None, what: str) -> Table:
    names = [str(name) for name in objects[0]]
    for index, item in enumerate(objects):
        if {str(name) for name in item} != set(names):
            raise PublishError(
                f"row {index} of {what} has fields {sorted(item)}, the first has {sorted(names)}: give all the same"
            )
    order = names if fitted is None else _matched(names, fitted, what)
    columns = []
    for name in order:
        values, missing = plain_values(name, [item[name] for item in objects], what)
        columns.append(Column(name, values, missing))
    if not order or not columns[0].values:
        raise PublishError(f"{what} has no rows or no columns: give at least one of each, better three rows")
    if fitted is not None:
        firsts = first_steps(estimator, order)
        given = {column.name: [item[column.name] for item in objects] for column in columns}
        made = {
            column.name: _with_marks(_without_zone(column.values, given[column.name]), firsts[column.name])
            for column in columns
        }
        return _of_frame(_frame(made), fitted, what)
    notes = (f"the model was fitted without names: its features are taken in the order {', '.join(order)}",)
    if _answers(estimator, list(objects)):
        return Table(tuple(columns), list(objects), "objects", natively=True)
    rows = [list(row) for row in zip(*(column.values for column in columns), strict=True)]
    return Table(tuple(columns), np.asarray(rows, dtype=None if _are_numbers(columns) else object), "objects", notes)


def _without_zone(values: Sequence[Any], given: Sequence[Any]) -> Sequence[Any]:
    """Values, which have times in UTC, as they were given: without a zone where those had none."""
    if not any(isinstance(value, datetime) and value.tzinfo is None for value in given):
        return values
    return [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in values]


def _with_marks(values: Sequence[Any], firsts: Sequence[First]) -> list[Any]:
    """Values with gaps marked as the model knows them, or as `read_csv` would: JSON and CSV have one mark only."""
    mark = None if missing_of(firsts) == "none" else float("nan")
    return [mark if value is None else value for value in values]


def _frame(columns: Mapping[str, list[Any]]) -> Any:
    import pandas as pd  # the model was fitted on a frame

    return pd.DataFrame(dict(columns))


def _answers(estimator: Any, X: Any) -> bool:
    try:
        if hasattr(estimator, "predict"):
            estimator.predict(X)
        else:
            further_output(estimator, "transform", X)
    except Exception:  # noqa: BLE001  # whatever it is, it does not take them
        return False
    return True


def _are_numbers(columns: Sequence[Column]) -> bool:
    return not any(isinstance(value, str) for column in columns for value in column.values)  # noqa: PD011  # no frame


def _matched(names: list[str], fitted: list[str], what: str) -> list[str]:
    """The names in the model's order, where it was fitted on the same."""
    spelled = {_BLANKS.sub("_", name): name for name in names}
    if len(spelled) == len(names) and spelled.keys() == set(fitted):  # LightGBM knows "build year" as "build_year"
        return [spelled[name] for name in fitted]
    missing = [name for name in fitted if name not in set(names)]
    unknown = [name for name in names if name not in set(fitted)]
    if missing or unknown:
        facts = [f"lacks {', '.join(missing)}"] if missing else []
        facts += [f"has {', '.join(unknown)}, which the model never saw"] if unknown else []
        raise PublishError(f"{what} {' and '.join(facts)}: give the columns {', '.join(fitted)}")
    return fitted


def _distinct(names: list[str], what: str) -> list[str]:
    if len(set(names)) == len(names):
        return names
    raise PublishError(f"the column names {names} of {what} are not distinct: give each column its own")
