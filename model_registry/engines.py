"""Load a version in one of its forms, and answer with it: the one place that knows which engine does how.

Light, as the function imports it: what an engine needs is imported when that engine is asked for. Whoever calls `load`
has checked the digest of the bytes.
"""

from collections.abc import Sequence
from typing import Protocol

from model_registry import skops_model
from model_registry.manifest import Engine, Manifest, Prediction
from model_registry.onnx_prediction import OnnxPredictor
from model_registry.prediction import Predictor, same_prediction, unpickle
from model_registry.schema import Row


class Predicts(Protocol):
    """A loaded model, whatever the engine."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order; ValueError or OverflowError for values that it refuses."""


def import_libraries(engine: str) -> None:
    """Import what loading will need, so that this can happen while the model is still being fetched."""
    if engine == "onnx":
        import numpy as np  # noqa: F401
        import onnxruntime  # noqa: F401

        return
    import joblib  # noqa: F401
    import sklearn.base  # noqa: F401

    if engine == "skops":
        import skops.io  # noqa: F401


def load(manifest: Manifest, engine: str, data: bytes, *, trusted_types: Sequence[str] = ()) -> Predicts:
    """Load the bytes of an engine's file; EngineError where they hold types that are not trusted."""
    if engine == "onnx":
        return OnnxPredictor(data, manifest.signature)
    if engine == "skops":
        what = f"{manifest.engine(engine).artifact.file} of {manifest.reference}"
        return Predictor(skops_model.load(data, trusted_types, what=what), manifest.signature)
    return Predictor(unpickle(data), manifest.signature)


def same_answer(engine: Engine, answer: Prediction, recorded: Prediction) -> bool:
    """Whether an answer is the recorded one, within what the engine was allowed to differ when it was published."""
    if engine.replay is None:
        return same_prediction(answer, recorded)
    return same_prediction(answer, recorded, absolute_tolerance=engine.replay.tolerance)
