"""From rows to answers.

The registry computes the golden examples with it and the function every answer, so that what was recorded and what
is served are made by the same code. Light: numpy is imported by the model anyway.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from model_registry.manifest import Prediction, Signature
from model_registry.schema import Row, label_names

# Answers of two machines differ in the last bits (vector units, OpenBLAS kernels); a wrong model differs in more.
_RELATIVE_TOLERANCE = 1e-6
_ABSOLUTE_TOLERANCE = 1e-9


class Predictor:
    """A loaded estimator together with its signature."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator = estimator
        self._signature = signature
        self._label_of = _label_table(estimator, signature)
        self._probability_keys = label_names(signature.labels or ())

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order.

        ValueError where the estimator refuses the values, OverflowError for an integer that no float can hold.
        """
        inputs = to_container(rows, self._signature)
        with harmless_warnings_ignored():
            outputs = self._estimator.predict(inputs).tolist()
            if self._signature.output == "value":
                return [Prediction(value=value) for value in outputs]
            labels = [self._label(output) for output in outputs]
            if not self._signature.probabilities:
                return [Prediction(label=label) for label in labels]
            table = self._estimator.predict_proba(inputs).tolist()
        return [
            Prediction(label=label, probabilities=dict(zip(self._probability_keys, row, strict=True)))
            for label, row in zip(labels, table, strict=True)
        ]

    def _label(self, output: Any) -> Any:
        return output if self._label_of is None else self._label_of[output]


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
        # Publishing proves that an array and a DataFrame give the same answers.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        warnings.filterwarnings("ignore", message="X has feature names, but")
        # A number too large for float32: scikit-learn raises ValueError right after numpy warned.
        warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
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

    names = [feature.name for feature in signature.features]
    frame = pd.DataFrame(list(rows), columns=names)
    # Without a missing value to show it, pandas would give a column of None the type object.
    numbers = {feature.name: "float64" for feature in signature.features if feature.type == "number"}
    return frame.astype(numbers)


def _label_table(estimator: Any, signature: Signature) -> dict[Any, Any] | None:
    if signature.labels is None:
        return None
    return dict(zip(estimator.classes_.tolist(), signature.labels, strict=True))
