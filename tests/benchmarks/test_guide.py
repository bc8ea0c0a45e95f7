"""The guide's recipe, which is the baseline: it must do what the guide's does."""

from pathlib import Path

import joblib
import pytest

from benchmarks import guide_function
from benchmarks.cold import EVENT
from benchmarks.warm import get_event
from training.train_iris import GUIDE_EVENT, Trained


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # as in the guide, rows are bare lists
@pytest.mark.parametrize("event", [GUIDE_EVENT, get_event(GUIDE_EVENT), EVENT], ids=["bare", "GET", "POST"])
def test_the_guide_s_function_answers_as_in_the_guide(
    event: dict[str, object], trained_iris: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(trained_iris.estimator, tmp_path / "model.joblib")
    monkeypatch.setenv("MODEL_FILE", str(tmp_path / "model.joblib"))
    assert guide_function.handler(event, None) == {"statusCode": 200, "body": "virginica"}
