"""From rows to answers.

The registry computes the golden examples with it and the function every answer, so that what was recorded and what
is served are made by the same code. Light: numpy is imported by the model anyway.
"""

import warnings
from collections.abc import Sequence
from typing import Any

from model_registry.manifest import Prediction, Signature
from model_registry.schema import Row, label_names


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
        with warnings.catch_warnings():
            # An estimator fitted on a DataFrame was proven at publish to give the same answers for an array.
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            # A number too large for float32: scikit-learn raises ValueError right after numpy warned.
            warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
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
