"""A joblib file as a BentoML service, in BentoML's environment: `bentoml serve bentoml_service:Rows`, or `:Frame`."""

import math
import os
from typing import Any

import bentoml  # type: ignore[import-not-found]  # only there
import joblib


@bentoml.service(workers=1)
class Rows:
    """Answers a batch of rows with the numbers of their classes, as BentoML's own example for scikit-learn does."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL_FILE"])

    @bentoml.api  # type: ignore[untyped-decorator]  # as above
    def predict(self, rows: list[list[float]]) -> list[int]:
        """Answer rows (n, 4) with n class numbers."""
        numbers: list[int] = self.model.predict(rows).tolist()
        return numbers


@bentoml.service(workers=1)
class Frame:
    """The same for a model of frames: rows by name, null for a gap."""

    def __init__(self) -> None:
        import pandas as pd

        self.model, self.frame = joblib.load(os.environ["MODEL_FILE"]), pd.DataFrame

    @bentoml.api  # type: ignore[untyped-decorator]  # as above
    def predict(self, rows: list[dict[str, Any]]) -> list[int]:
        """Answer n rows with n class numbers."""
        # None in texts is no gap to scikit-learn's imputers.
        filled = [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]
        numbers: list[int] = self.model.predict(self.frame(filled)).tolist()
        return numbers
