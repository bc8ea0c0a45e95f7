"""A joblib file as a BentoML service, in BentoML's environment: `bentoml serve bentoml_service:Model`."""

import os

import bentoml  # type: ignore[import-not-found]  # only there
import joblib


@bentoml.service(workers=1)
class Model:
    """Answers a batch of rows with the numbers of their classes, as BentoML's own example for scikit-learn does."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL_FILE"])

    @bentoml.api  # type: ignore[untyped-decorator]  # as above
    def predict(self, rows: list[list[float]]) -> list[int]:
        """Answer rows (n, 4) with n class numbers."""
        numbers: list[int] = self.model.predict(rows).tolist()
        return numbers
