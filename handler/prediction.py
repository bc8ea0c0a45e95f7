"""From rows to answers that keep to the served schema; what fails is the caller's or the model's, and logged."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from handler import log
from handler.metrics import LABELS, Tally
from handler.reporting import ValuesRefused
from handler.requests import Place
from model_runtime.errors import RegistryError
from model_runtime.manifest import Prediction
from model_runtime.schema import Row
from model_runtime.start import ServedModel

if TYPE_CHECKING:
    from handler.blame import Culprit

MAY_BE_VALUES = (ValueError, OverflowError, RegistryError)
"""What values can be the cause of: an estimator's refusals, numbers too large, an answer that is not a finite number.

Anything else that a model raises is a bug.
"""

_NO_ANSWER = "the model has no answer to"


class Answering:
    """Asks one model, for as long as the environment lives."""

    def __init__(self, model: ServedModel, tally: Tally, *, label_counts: bool = False) -> None:
        self._predict: Callable[[Sequence[Row]], list[Prediction]] = model.predictor.predict
        self._model = model
        self._tally = tally
        self._whole_lines = log.WholeLines()
        signature = model.manifest.signature
        labels = signature.labels
        self._counts_labels = label_counts and labels is not None and len(labels) <= LABELS

    def __call__(self, rows: Sequence[Row], place: Place) -> list[Prediction]:
        """Answer n rows with n predictions; Problem where the model has no answer to the caller's values.

        Whatever else goes wrong is raised. `place` gives the place of a value in the request.
        """
        began = time.perf_counter()
        try:
            predictions = self.predict(rows)
        except MAY_BE_VALUES as error:
            from handler.blame import culprits  # here, as most environments never need it

            found = culprits(self.predict, rows, self._golden(), MAY_BE_VALUES)
            if found is None:
                raise
            raise self._refused(found, place) from error
        self._tally.prediction(len(rows), log.milliseconds_since(began))
        if self._counts_labels:
            self._tally.labels(prediction.label for prediction in predictions)
        return predictions

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions; OutputError where the model does not give them."""
        with self._whole_lines:
            return self._predict(rows)

    def _golden(self) -> Row | None:
        for example in self._model.manifest.examples[:1]:
            rows, _ = self._model.inputs.read_document(example.input)
            return rows[0]
        return None

    def _refused(self, found: "Sequence[Culprit]", place: Place) -> ValuesRefused:
        names = [feature.name for feature in self._model.manifest.signature.features]
        errors = []
        for row, feature in found:
            what = "this value" if feature is not None else "these values together"
            at = place(row, None if feature is None else names[feature])
            where = {("pointer" if at.startswith("#") else "parameter"): at} if at else {}
            errors.append({**where, "detail": f"{_NO_ANSWER} {what}"})
        features = sorted({names[feature] for _, feature in found if feature is not None})
        return ValuesRefused(f"The request fits the model's signature, but {_NO_ANSWER} it.", errors, features)
