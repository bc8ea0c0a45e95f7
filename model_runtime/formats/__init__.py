"""Load a version in one of its forms, and answer with it: the one place that knows which format does how.

Light, as the function imports it: what a format needs is imported when that format is asked for. Whoever calls `load`
has checked the digest of the bytes.
"""

from collections.abc import Sequence
from typing import Protocol

from model_runtime.manifest import Manifest, ModelFormat, Prediction
from model_runtime.prediction import Predictor, same_prediction, unpickle
from model_runtime.schema import Row


class Predicts(Protocol):
    """A loaded model, whatever the format."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order; ValueError or OverflowError for values that it refuses."""


def import_libraries(model_format: str) -> None:
    """Import what loading will need, so that this can happen while the model is still being fetched."""
    if model_format == "onnx":
        import numpy as np  # noqa: F401  # imported early, used later: so are those below
        import onnxruntime  # noqa: F401  # as above

        return
    import joblib  # noqa: F401  # as above
    import sklearn.base  # noqa: F401  # as above

    if model_format == "skops":
        import skops.io  # noqa: F401  # as above


def load(
    manifest: Manifest, model_format: str, data: bytes | list[bytes], *, trusted_types: Sequence[str] = ()
) -> Predicts:
    """Load the bytes of a format's file; ModelFormatError where they hold types that are not trusted.

    Where they come in a list of pieces, that may be empty afterwards: memory holds the model once.
    """
    if model_format == "onnx":
        from model_runtime.formats.onnx import OnnxPredictor

        return OnnxPredictor(_whole(data), manifest.signature, for_json=True)
    if model_format == "skops":
        from model_runtime.formats import skops as skops_format

        what = f"{manifest.model_format(model_format).artifact.file} of {manifest.reference}"
        return Predictor(skops_format.load(_whole(data), trusted_types, what=what), manifest.signature, for_json=True)
    return Predictor(unpickle(data), manifest.signature, for_json=True)


def _whole(data: bytes | list[bytes]) -> bytes:
    return b"".join(data) if isinstance(data, list) else data


def same_answer(model_format: ModelFormat, answer: Prediction, recorded: Prediction) -> bool:
    """Whether an answer is the recorded one, within what the format was allowed to differ when it was published."""
    if model_format.replay is None:
        return same_prediction(answer, recorded)
    return same_prediction(answer, recorded, absolute_tolerance=model_format.replay.tolerance)
