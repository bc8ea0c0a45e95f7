"""From the rows of a request to what the estimator is given: an array, a frame, a list.

A frame is rebuilt with the types and the marker of missing values that the model was fitted on: estimators tell NaN,
None and pandas.NA apart. Light: numpy and pandas are imported where a container is made of them.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from model_runtime.manifest import Feature, Signature
from model_runtime.schema import Row

Container = Callable[[Sequence[Row]], Any]
"""Makes of n rows what the estimator takes."""


_PLAIN = {"boolean", "integer", "number"}


class Table:
    """The rows of a request, which become a frame for whoever needs one."""

    def __init__(self, rows: Sequence[Row], frame: Container) -> None:
        self.rows = rows
        self._frame = frame

    def frame(self) -> Any:
        """The frame of n rows that the estimator was made for."""
        return self._frame(self.rows)


def container_of(signature: Signature) -> Container:
    """How rows become what the estimator takes; all that does not depend on a request is decided here.

    The result is an array of shape (n, features), a DataFrame of n rows, or a list of n values, lists or mappings.
    """
    if signature.container == "dataframe":
        return _frame_maker(signature)
    if signature.container == "list":
        return lambda rows: [row[0] for row in rows]
    marked = _marker(signature.features)
    if signature.container == "rows":
        return lambda rows: [list(row) for row in marked(rows)]
    if signature.container == "objects":
        names = [feature.name for feature in signature.features]
        return lambda rows: [dict(zip(names, row, strict=True)) for row in marked(rows)]
    dtype = signature.array_dtype or ("float64" if _is_numeric(signature) else "object")
    if dtype == "float64" and all(feature.type in _PLAIN and not feature.nullable for feature in signature.features):
        return _array_of_floats
    # None becomes NaN in an array of floats by itself.
    return _array_maker(dtype, marked if dtype == "object" else _unmarked)


def _is_numeric(signature: Signature) -> bool:
    return all(feature.type != "string" for feature in signature.features)


def _array_maker(dtype: str, marked: Callable[[Sequence[Row]], Sequence[Row]]) -> Container:
    def array(rows: Sequence[Row]) -> Any:
        import numpy as np  # here, as neither the deployment nor a text model needs it

        return np.array(marked(rows), dtype=dtype)

    return array


def _array_of_floats(rows: Sequence[Row]) -> Any:
    """What numpy makes of numbers without gaps, sooner: it need not look for what else the rows might be."""
    import numpy as np  # as above

    shape = len(rows), len(rows[0])
    return np.fromiter(itertools.chain.from_iterable(rows), "float64", math.prod(shape)).reshape(shape)


def _unmarked(rows: Sequence[Row]) -> Sequence[Row]:
    return rows


def _marker(features: Sequence[Feature]) -> Callable[[Sequence[Row]], Sequence[Row]]:
    """What puts each feature's own mark where a value is missing."""
    if all(feature.missing in {None, "none"} for feature in features):
        return _unmarked
    marks = [_mark(feature) for feature in features]
    return lambda rows: [
        tuple(mark if value is None else value for value, mark in zip(row, marks, strict=True)) for row in rows
    ]


def _mark(feature: Feature) -> Any:
    if feature.missing == "nan":
        return float("nan")
    if feature.missing in {"NA", "NaT"}:
        import pandas as pd

        return pd.NA if feature.missing == "NA" else pd.NaT
    return None


def _frame_maker(signature: Signature) -> Container:
    def frame(rows: Sequence[Row]) -> Any:
        import pandas as pd  # in the layer only where the manifest names it

        columns = zip(*rows, strict=True)
        made = {
            feature.name if feature.column is None else feature.column: _series(feature, values)
            for feature, values in zip(signature.features, columns, strict=True)
        }
        return pd.DataFrame(made)

    return frame


def _series(feature: Feature, values: Sequence[Any]) -> Any:
    """A column, by the signature and not by what this request holds: None alone would be of another type."""
    import pandas as pd

    if feature.dtype == "category":
        # What is none of the categories is missing; the request was refused where the model takes no gaps.
        return pd.Series(pd.Categorical(values, categories=list(feature.categories or ()), ordered=feature.ordered))
    if feature.type == "datetime":
        return _instants(feature, values)
    if feature.dtype == "object" and feature.missing != "none":
        mark = _mark(feature)
        values = [mark if value is None else value for value in values]
    return pd.Series(values, dtype=feature.dtype or _dtype_of_format_1(feature))


def _instants(feature: Feature, values: Sequence[Any]) -> Any:
    """Times with a zone, as requests carry them; a column without zones holds them in UTC."""
    import pandas as pd

    dtype = feature.dtype or "datetime64[ns]"
    if "," in dtype:  # datetime64[ns, Europe/Berlin]
        return pd.Series(pd.to_datetime(pd.Series(values, dtype="object"), utc=True)).astype(dtype)
    naive = [None if value is None else value.astimezone(UTC).replace(tzinfo=None) for value in values]
    return pd.Series(naive, dtype=dtype)


def _dtype_of_format_1(feature: Feature) -> Any:
    """The type of a column of a manifest that names none."""
    import pandas as pd

    if feature.type == "string":
        return pd.Series([""]).dtype  # what pandas takes for texts: object before pandas 3, str from there on
    if feature.type == "number" or (feature.type == "integer" and feature.nullable):
        return "float64"
    return "object" if feature.nullable else None  # None: as pandas takes them, int64 or bool
