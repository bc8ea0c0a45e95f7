"""Columns of a request for a pipeline that begins with a ColumnTransformer, without the frame around them.

A ColumnTransformer picks columns of a frame, and its transformers turn what they are given into arrays: for one row
that is most of the time, and pandas' part of it the largest. Here each transformer is given the array at once. That is
done only where the transformers are scikit-learn's own, and take columns of one type. Whether the answers are the same
is proven by `model_runtime.outputs`, and by the proof when a version is published.

Light: numpy is imported by the model anyway.
"""

from collections.abc import Callable, Sequence
from typing import Any

from model_runtime.changes import Change, objects_in, sklearn_name
from model_runtime.containers import Table
from model_runtime.manifest import Feature, Signature
from model_runtime.schema import Row

_NUMBERS = {"float64", "int64"}
_OBJECTS = {"object", "str"}
"""Types of columns that are objects in an array: texts, in pandas 3 of a type of their own."""

Part = tuple[Callable[[Any], Any], Sequence[int], str, bool]
"""A transformer's `transform`, its columns, the type of their array, and whether it takes one column of shape (n,)."""


class DirectColumns:
    """The `transform` of a fitted ColumnTransformer, for tables."""

    def __init__(self, transformer: Any, parts: Sequence[Part], marked: Callable[[Row], Row]) -> None:
        self._transformer = transformer
        self._parts = parts
        self._marked = marked

    def __call__(self, table: Table) -> Any:
        """What `transform` returns for the frame of the table."""
        import numpy as np

        columns = list(zip(*map(self._marked, table.rows), strict=True))
        found = []
        for transform, indices, dtype, is_alone in self._parts:
            # Column by column in memory, as a frame has them: sums may depend on it.
            array = np.array([columns[index] for index in indices], dtype=dtype).T
            found.append(transform(array[:, 0] if is_alone else array))
        return self._transformer._hstack(found, n_samples=len(table.rows))  # noqa: SLF001  # scikit-learn's own way to join them


def direct_columns(estimator: Any, signature: Signature) -> list[Change]:
    """Let the ColumnTransformer with which a pipeline begins take tables; nothing where it has to have a frame."""
    first = _first_step(estimator)
    features = signature.features
    if signature.container != "dataframe" or sklearn_name(first) != "ColumnTransformer":
        return []
    names = [feature.name if feature.column is None else feature.column for feature in features]
    if list(getattr(first, "feature_names_in_", ())) != names or first.transformer_weights:
        return []
    if "_sklearn_output_config" in vars(first):
        return []
    indices = first._transformer_to_input_indices  # noqa: SLF001  # positions, however the columns were named
    used = [(transformer, columns, indices[name]) for name, transformer, columns in first.transformers_]
    used = [each for each in used if each[0] != "drop" and len(each[2])]
    if not all(map(_takes_arrays, objects_in([each[0] for each in used]))):
        return []
    parts = [part for each in used if (part := _part(*each, features)) is not None]
    if len(parts) < len(used) or not parts:
        return []
    return [(vars(first), "transform", DirectColumns(first, parts, _marking(features)))]


def _first_step(estimator: Any) -> Any:
    return _first_step(estimator.steps[0][1]) if sklearn_name(estimator) == "Pipeline" else estimator


def _takes_arrays(found: Any) -> bool:
    """Whether an object inside a transformer does with an array what it does with a frame."""
    if sklearn_name(found) in {"ColumnTransformer", "FunctionTransformer"}:  # by name; whatever the function does
        return sklearn_name(found) == "FunctionTransformer" and found.func is None
    is_estimator = hasattr(found, "get_params")
    return not hasattr(found, "_sklearn_output_config") and (not is_estimator or bool(sklearn_name(found)))


def _part(transformer: Any, columns: Any, indices: Sequence[int], features: Sequence[Feature]) -> Part | None:
    taken = [features[index] for index in indices]
    dtype = _dtype_of({feature.dtype or "" for feature in taken})
    if (
        dtype is None
        or any(feature.missing in {"NA", "NaT"} for feature in taken)
        or not hasattr(transformer, "transform")
    ):
        return None
    return transformer.transform, indices, dtype, isinstance(columns, str)


def _dtype_of(dtypes: set[str]) -> str | None:
    """The type of the array that a frame of columns of these types becomes; None where it is none of ours."""
    if dtypes <= _OBJECTS:
        return "object"
    if dtypes == _NUMBERS:
        return "float64"
    (only,) = dtypes if len(dtypes) == 1 else ("",)
    return only if only in {"bool", "float32", *_NUMBERS} else None


def _marking(features: Sequence[Feature]) -> Callable[[Row], Row]:
    """What puts a column's own mark where a value is missing; None becomes NaN in an array of floats by itself."""
    marks = [float("nan") if feature.missing == "nan" or feature.dtype == "str" else None for feature in features]
    if all(mark is None for mark in marks):
        return lambda row: row
    return lambda row: tuple(mark if value is None else value for value, mark in zip(row, marks, strict=True))
