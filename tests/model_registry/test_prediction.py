from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from model_registry.manifest import Feature, FeatureType, Prediction, Signature
from model_registry.prediction import Predictor, to_container

X = np.arange(12.0).reshape(6, 2)
y = np.array([0, 0, 0, 1, 1, 1])


def signature(*types: FeatureType, **more: Any) -> Signature:
    return Signature(features=tuple(Feature(name=f"f{i}", type=kind) for i, kind in enumerate(types)), **more)


def test_numbers_become_a_float_array_with_nan_for_what_is_missing() -> None:
    made = to_container([(1, None, True), (2.5, 3, False)], signature("number", "integer", "boolean"))
    assert made.dtype == np.float64
    np.testing.assert_array_equal(made, [[1.0, np.nan, 1.0], [2.5, 3.0, 0.0]])


def test_an_array_with_texts_keeps_each_value_as_it_is() -> None:
    made = to_container([("x", 1.5), (None, 2)], signature("string", "number"))
    assert made.dtype == object
    assert made.tolist() == [["x", 1.5], [None, 2]]


def test_a_dataframe_has_the_features_as_columns_and_numbers_as_floats() -> None:
    made = to_container(
        [("x", None, 1), ("y", None, 2)], signature("string", "number", "integer", container="dataframe")
    )
    expected = pd.DataFrame({"f0": ["x", "y"], "f1": [np.nan, np.nan], "f2": [1, 2]})
    pd.testing.assert_frame_equal(made, expected)


def test_a_list_holds_the_one_feature_s_values() -> None:
    assert to_container([("one",), ("two",)], signature("string", container="list")) == ["one", "two"]


def test_rows_are_answered_in_order() -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(X, y)
    predictor = Predictor(estimator, signature("number", "number", labels=("low", "high"), probabilities=True))
    rows = [tuple(row) for row in X[::-1].tolist()]
    one_by_one = [predictor.predict([row])[0] for row in rows]
    assert predictor.predict(rows) == one_by_one
    assert [each.label for each in one_by_one] == ["high"] * 3 + ["low"] * 3


def test_an_estimator_fitted_on_a_dataframe_takes_arrays_without_a_warning() -> None:
    """Warnings are errors in these tests."""
    estimator = LinearRegression().fit(pd.DataFrame(X, columns=["f0", "f1"]), y)
    assert Predictor(estimator, signature("number", "number", output="value")).predict([(0.0, 1.0)])


@pytest.mark.parametrize(("value", "error"), [(1e300, ValueError), (10**400, OverflowError)])
def test_a_number_that_is_too_large_for_the_model_is_an_error(value: float, error: type[Exception]) -> None:
    predictor = Predictor(RandomForestClassifier(2).fit(X, y), signature("number", "integer", labels=(0, 1)))
    with pytest.raises(error):
        predictor.predict([(1.0, value)])


def test_answers_hold_plain_python_values() -> None:
    predictor = Predictor(
        RandomForestClassifier(2, random_state=0).fit(X, y),
        signature("number", "number", labels=(0, 1), probabilities=True),
    )
    (found,) = predictor.predict([(0.0, 1.0)])
    assert found == Prediction(label=0, probabilities={"0": 1.0, "1": 0.0})
    assert type(found.label) is int
    assert isinstance(found.probabilities, dict)
    assert {type(each) for each in found.probabilities.values()} == {float}
