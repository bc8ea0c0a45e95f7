import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from model_runtime.containers import container_of
from model_runtime.manifest import Feature, FeatureType, Prediction, Signature
from model_runtime.prediction import Mappings, Predictor, unpickle

X = np.arange(12.0).reshape(6, 2)
y = np.array([0, 0, 0, 1, 1, 1])


def signature(*types: FeatureType, **more: Any) -> Signature:
    return Signature(features=tuple(Feature(name=f"f{i}", type=kind) for i, kind in enumerate(types)), **more)


def contained(rows: list[tuple[Any, ...]], form: Signature) -> Any:
    return container_of(form)(rows)


def test_numbers_become_a_float_array_with_nan_for_what_is_missing() -> None:
    made = contained([(1, None, True), (2.5, 3, False)], signature("number", "integer", "boolean"))
    assert made.dtype == np.float64
    np.testing.assert_array_equal(made, [[1.0, np.nan, 1.0], [2.5, 3.0, 0.0]])


@pytest.mark.parametrize(
    "row", [(1.5, 2, True), (-0.0, 2**53 + 1, False), (5e-324, -(2**63), True), (1e300, 10**300, 1)]
)
def test_numbers_without_gaps_become_what_numpy_makes_of_them(row: tuple[Any, ...]) -> None:
    made = contained([row, (1.0, 1, True)], signature("number", "integer", "boolean"))
    expected = np.array([row, (1.0, 1, True)], dtype="float64")
    assert (made.dtype, made.shape, made.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    assert made.flags.c_contiguous
    assert made.flags.writeable


def test_an_array_with_texts_keeps_each_value_as_it_is() -> None:
    made = contained([("x", 1.5), (None, 2)], signature("string", "number"))
    assert made.dtype == object
    assert made.tolist() == [["x", 1.5], [None, 2]]


def test_a_dataframe_has_the_features_as_columns_and_numbers_as_floats() -> None:
    made = contained([("x", None, 1), ("y", None, 2)], signature("string", "number", "integer", container="dataframe"))
    expected = pd.DataFrame({"f0": ["x", "y"], "f1": [np.nan, np.nan], "f2": [1, 2]})
    pd.testing.assert_frame_equal(made, expected)


@pytest.mark.parametrize("kind", ["number", "integer", "string", "boolean"])
def test_a_column_of_a_dataframe_is_of_one_type_whatever_a_request_leaves_out(kind: FeatureType) -> None:
    """An encoder or imputer that was fitted on one type answers another differently, or not at all."""
    value = {"number": 1.5, "integer": 1, "string": "x", "boolean": True}[kind]
    nullable = Signature(features=(Feature(name="f", type=kind, nullable=True),), container="dataframe")
    requests: list[list[tuple[Any, ...]]] = [[(value,)], [(None,)], [(value,), (None,)]]
    made = [contained(rows, nullable)["f"] for rows in requests]
    assert len({column.dtype for column in made}) == 1
    assert [column.isna().tolist() for column in made] == [[False], [True], [False, True]]


def test_a_missing_text_is_the_category_that_was_fitted_also_when_it_comes_alone() -> None:
    frame = pd.DataFrame({"f": ["x", None, "y", None]})
    estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 0, 1])
    form = Signature(features=(Feature(name="f", type="string", nullable=True),), container="dataframe", labels=(0, 1))
    predictor = Predictor(estimator, form)
    assert [predictor.predict([row])[0].label for row in [("x",), (None,)]] == [0, 1]


def test_several_outputs_have_a_list_of_labels_and_the_probabilities_of_each() -> None:
    targets = np.c_[np.array(["a", "b"])[y], np.array(["p", "q"])[1 - y]]
    estimator = RandomForestClassifier(5, random_state=0).fit(X, targets)
    several = signature("number", "number", probabilities=True, output_labels=(("a", "b"), ("p", "q")))
    first, last = Predictor(estimator, several).predict([(0.0, 1.0), (10.0, 11.0)])
    assert first == Prediction(label=["a", "q"], probabilities=[{"a": 1.0, "b": 0.0}, {"p": 0.0, "q": 1.0}])
    assert last == Prediction(label=["b", "p"], probabilities=[{"a": 0.0, "b": 1.0}, {"p": 1.0, "q": 0.0}])


def test_a_list_holds_the_one_feature_s_values() -> None:
    assert contained([("one",), ("two",)], signature("string", container="list")) == ["one", "two"]


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


@pytest.mark.parametrize("labels", [("low", "high"), (0, 1), (False, True), ('"', "\\"), ("\n", ""), ("é", "\u2028")])
def test_mappings_for_json_are_the_same_json(labels: tuple[Any, ...]) -> None:
    """Also of labels that cannot be a struct's names."""
    for table in (np.array([[0.25, 0.75], [1.0, 0.0], [np.nan, np.inf]]), np.array([[0.5, 0.5]], dtype="float32")):
        expected = Mappings(labels)(table)
        assert msgspec.json.encode(Mappings(labels, for_json=True)(table)) == msgspec.json.encode(expected)
        assert all(isinstance(each, dict) for each in expected)


def test_a_model_in_pieces_is_in_memory_once_while_it_is_loaded() -> None:
    """Neither its bytes nor the arrays that its trees were copied from stay until all is loaded."""
    inputs = np.random.default_rng(0).random((4000, 4))
    forest = ExtraTreesRegressor(20, random_state=0).fit(inputs, inputs[:, 0])
    file = io.BytesIO()
    joblib.dump(forest, file)
    data = file.getvalue()

    def peak(load: Callable[[], Any]) -> float:
        tracemalloc.start()
        try:
            assert load().predict(inputs[:9]).tolist() == forest.predict(inputs[:9]).tolist()
            return tracemalloc.get_traced_memory()[1] / len(data)  # of arrays; trees have memory of their own
        finally:
            tracemalloc.stop()

    pieces = [data[start : start + 100_000] for start in range(0, len(data), 100_000)]
    assert peak(lambda: unpickle(pieces)) < 0.6 < peak(lambda: unpickle(data))
    assert pieces == []


def test_a_compressed_model_is_loaded_from_pieces_too() -> None:
    file = io.BytesIO()
    joblib.dump(LinearRegression().fit(X, y), file, compress=3)
    data = file.getvalue()
    assert unpickle([data[:10], b"", data[10:50], data[50:]]).predict(X).shape == (6,)
