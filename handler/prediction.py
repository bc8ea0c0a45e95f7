"""From rows to answers that keep to the served schema; what fails is the caller's or the model's, and logged."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from handler import log
from handler.metrics import LABELS, Tally
from handler.reporting import ValuesRefused
from handler.requests import Place
from handler.responses import to_json
from model_runtime.errors import OutputError, RegistryError
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
        # A regressor of format 1 promises nothing about its values: null is one of them.
        self._may_be_null = signature.null_outputs or (signature.output == "value" and signature.targets is None)
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
            predictions = self._predict(rows)
        if len(predictions) != len(rows):
            raise OutputError(f"the model gave {len(predictions)} answers to {len(rows)} rows")
        # NaN and infinity would be written as null. A label may have that word in it.
        if not self._may_be_null and b"null" in (written := to_json(predictions)) and _has_null(written):
            raise OutputError("the model gave a number that is not finite")
        return predictions

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


def _has_null(written: bytes) -> bool:
    found = [msgspec.json.decode(written)]
    while found:
        value = found.pop()
        if value is None:
            return True
        if isinstance(value, dict):
            found += value.values()
        elif isinstance(value, list):
            found += value
    return False
