"""From rows to answers.

The registry computes the golden examples with it and the function every answer, so that what was recorded and what
is served are made by the same code. Light: numpy is imported by the model anyway.
"""

import io
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from model_runtime.manifest import Feature, Prediction, Signature
from model_runtime.outputs import ProvenOutputs
from model_runtime.schema import Row, label_names

# Answers of two machines differ in the last bits (vector units, OpenBLAS kernels); a wrong model differs in more.
_RELATIVE_TOLERANCE = 1e-6
_ABSOLUTE_TOLERANCE = 1e-9

_HARMLESS = "|".join(  # noqa: FLY002  # with a reason for each
    [
        # Publishing proves that an array and a DataFrame give the same answers.
        "X does not have valid feature names",
        "X has feature names, but",
        # A number too large for float32: scikit-learn raises ValueError right after numpy warned.
        "overflow encountered in cast",
    ]
)


class Predictor:
    """A loaded estimator together with its signature."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._outputs = ProvenOutputs(estimator, probabilities=signature.probabilities)
        self._signature = signature
        self._label_of = _label_table(estimator, signature)
        self._keys = label_names(signature.labels or ())
        self._output_keys = [label_names(labels) for labels in signature.output_labels or ()]

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order.

        ValueError where the estimator refuses the values, OverflowError for an integer that no float can hold.
        """
        inputs = to_container(rows, self._signature)
        with harmless_warnings_ignored():
            outputs, table = self._outputs(inputs)
        answers = outputs.tolist()
        if self._signature.output == "value":
            return [Prediction(value=value) for value in answers]
        if self._label_of is not None:
            answers = [self._label_of[answer] for answer in answers]
        if table is None:
            return [Prediction(label=label) for label in answers]
        return [
            Prediction(label=label, probabilities=probabilities)
            for label, probabilities in zip(answers, self._named(table), strict=True)
        ]

    def _named(self, table: Any) -> Iterable[Any]:
        """Probabilities of n rows with their labels: n mappings, or n lists of a mapping for each output."""
        if not self._output_keys:
            return _mappings(self._keys, table)
        by_output = [_mappings(keys, each) for keys, each in zip(self._output_keys, table, strict=True)]
        return map(list, zip(*by_output, strict=True))


def _mappings(keys: Sequence[str], table: Any) -> list[dict[str, float]]:
    return [dict(zip(keys, row, strict=True)) for row in table.tolist()]


def unpickle(data: bytes) -> Any:
    """Load a model's bytes, whose digest the caller has checked: this runs code.

    InconsistentVersionWarning is raised where another scikit-learn wrote them: it must not quietly answer otherwise.
    """
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        return joblib.load(io.BytesIO(data))


def same_prediction(
    answer: Prediction, recorded: Prediction, *, absolute_tolerance: float = _ABSOLUTE_TOLERANCE
) -> bool:
    """Whether an answer is the recorded one, numbers within a relative tolerance of 1e-6, or the absolute one."""
    return (
        same_value(answer.label, recorded.label)
        and same_value(answer.value, recorded.value, absolute_tolerance)
        and same_value(answer.probabilities, recorded.probabilities, absolute_tolerance)
    )


def same_value(one: Any, recorded: Any, absolute_tolerance: float = _ABSOLUTE_TOLERANCE) -> bool:
    """Whether a label, number, list or mapping is the recorded one. NaN and infinity are recorded as null."""
    if isinstance(one, dict) and isinstance(recorded, dict):
        return one.keys() == recorded.keys() and all(
            same_value(one[key], recorded[key], absolute_tolerance) for key in one
        )
    if isinstance(one, list) and isinstance(recorded, list):
        return len(one) == len(recorded) and all(
            same_value(first, second, absolute_tolerance) for first, second in zip(one, recorded, strict=True)
        )
    if isinstance(one, float) and not math.isfinite(one):
        return recorded is None or str(one) == str(recorded)  # NaN is unlike itself, its name is not
    if isinstance(one, float) and isinstance(recorded, int | float):
        return math.isclose(one, recorded, rel_tol=_RELATIVE_TOLERANCE, abs_tol=absolute_tolerance)
    return bool(one == recorded)


@contextmanager
def harmless_warnings_ignored() -> Iterator[None]:
    """Leave out what scikit-learn and numpy say about inputs that are checked otherwise."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_HARMLESS)  # one filter for all: it is set for each request
        yield


def to_container(rows: Sequence[Row], signature: Signature) -> Any:
    """Build what the estimator takes: an array (n, features), a DataFrame of n rows, or a list of n values."""
    if signature.container == "list":
        return [row[0] for row in rows]
    if signature.container == "dataframe":
        return _dataframe(rows, signature)
    import numpy as np  # here, as neither the deployment nor a text model needs it

    numeric = all(feature.type != "string" for feature in signature.features)
    return np.array(rows, dtype=np.float64 if numeric else object)  # None becomes NaN in a float array


def _dataframe(rows: Sequence[Row], signature: Signature) -> Any:
    import pandas as pd  # in the layer only where the manifest names it

    # By the signature, not by what this request holds: a column of None alone would be of another type.
    columns = zip(signature.features, zip(*rows, strict=True), strict=True)
    return pd.DataFrame({feature.name: pd.Series(values, dtype=_dtype(feature)) for feature, values in columns})


def _dtype(feature: Feature) -> Any:
    """The type of a column that holds such values and, where the feature is nullable, misses some."""
    import pandas as pd

    if feature.type == "string":
        return pd.Series([""]).dtype  # what pandas takes for texts: object before pandas 3, str from there on
    if feature.type == "number" or (feature.type == "integer" and feature.nullable):
        return "float64"
    return "object" if feature.nullable else None  # None: as pandas takes them, int64 or bool


def _label_table(estimator: Any, signature: Signature) -> dict[Any, Any] | None:
    if signature.labels is None:
        return None
    return dict(zip(estimator.classes_.tolist(), signature.labels, strict=True))
