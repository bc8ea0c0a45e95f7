"""Whose fault an error is: decided by asking the golden example again, and named as far as it can be found."""

import json
import time
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from handler.app import App
from model_runtime.feature_values import LARGEST
from model_runtime.manifest import Example, Feature, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs
from model_runtime.start import ServedModel
from tests.handler.conftest import gateway, model, strict

NUMBERS = Signature(
    features=tuple(Feature(name=name, type="number") for name in "abc"),
    labels=("low", "high"),
    probabilities=True,
)
X = np.arange(18.0).reshape(6, 3)
Y = [0, 0, 0, 1, 1, 1]
FRAME = Signature(
    features=(Feature(name="n", type="number"), Feature(name="town/x", type="string")),
    container="dataframe",
    output="value",
)


def served(estimator: Any, signature: Signature, first: dict[str, Any]) -> ServedModel:
    """A model with a golden example."""
    made = model(lambda _: None).manifest
    examples = (Example(input=first, output=Prediction()),)
    manifest = msgspec.structs.replace(made, signature=signature, examples=examples)
    return ServedModel(manifest, Inputs(signature), Predictor(estimator, signature), {})


@pytest.fixture
def frame() -> App:
    """It refuses every category that it was not fitted on."""
    rows = pd.DataFrame({"n": [1.0, 2.0, 3.0], "town/x": ["Ulm", "Bonn", "Trier"]})
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["town/x"]), remainder="passthrough"), LinearRegression()
    )
    return App(lambda: served(pipeline.fit(rows, [1, 2, 3]), FRAME, {"n": 1, "town/x": "Ulm"}))


def test_a_category_that_the_model_never_saw_is_named_by_its_field(
    frame: App, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = frame(gateway("POST", "/predict", {"n": 1, "town/x": "Entenhausen"}), None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (422, "application/problem+json")
    problem = strict(answer["body"])
    assert problem["errors"] == [{"pointer": "#/town~1x", "detail": "the model has no answer to this value"}]
    logged = capsys.readouterr().out
    assert "Entenhausen" not in logged + json.dumps(answer)
    line = strict(logged.splitlines()[-1])
    assert (line["event"], line["features"], line["status"]) == ("values_refused", ["town/x"], 422)
    assert line["traceback"][0] == "builtins.ValueError"


def test_in_a_batch_each_row_is_found_in_whatever_form_it_came(frame: App) -> None:
    towns = ["Ulm"] * 50
    towns[7] = towns[31] = "Entenhausen"
    own = frame(gateway("POST", "/predict", {"instances": [{"n": 1, "town/x": town} for town in towns]}), None)
    assert [error["pointer"] for error in strict(own["body"])["errors"]] == [
        "#/instances/7/town~1x",
        "#/instances/31/town~1x",
    ]
    split = {"dataframe_split": {"columns": ["town/x", "n"], "data": [[town, 1] for town in towns]}}
    mlflow = frame(gateway("POST", "/invocations", split), None)
    assert [error["pointer"] for error in strict(mlflow["body"])["errors"]] == [
        "#/dataframe_split/data/7/0",
        "#/dataframe_split/data/31/0",
    ]
    text = "n,town/x\n" + "\n".join(f"1,{town}" for town in towns)
    table = frame(gateway("POST", "/invocations", text, headers={"Content-Type": "text/csv"}), None)
    assert [error["pointer"] for error in strict(table["body"])["errors"]] == ["#cell=9,2", "#cell=33,2"]
    query = {"n": ["1"], "town/x": ["Entenhausen"]}
    event = {**gateway("GET", "/predict", query=query)}
    assert frame(event, None)["statusCode"] == 405, "API Gateway has no such parameter"


def test_a_query_string_s_parameter_is_named() -> None:
    def answer(rows: Any) -> Any:
        if (rows > 5).any():
            raise OverflowError
        return rows.sum(axis=1)

    example = Example(input={"a": 1.0, "b": 1}, output=Prediction(value=2.0))
    app = App(lambda: model(answer, examples=(example,)))
    found = app(gateway("GET", "/predict", query={"a": ["6"], "b": ["7"]}), None)
    assert found["statusCode"] == 422
    assert [error["parameter"] for error in strict(found["body"])["errors"]] == ["a", "b"]


@pytest.mark.parametrize("estimator", [RandomForestClassifier(3), GaussianNB()])
@pytest.mark.parametrize("number", [LARGEST, -LARGEST, 5e-324])
def test_what_the_schema_says_is_valid_is_answered(estimator: Any, number: float) -> None:
    app = App(lambda: served(estimator.fit(X, Y), NUMBERS, {"a": 1, "b": 1, "c": 1}))
    assert app(gateway("POST", "/predict", dict.fromkeys("abc", number)), None)["statusCode"] == 200
    refused = app(gateway("POST", "/predict", {"a": 1, "b": 1e39, "c": 1}), None)
    assert (refused["statusCode"], strict(refused["body"])["errors"][0]["pointer"]) == (400, "#/b")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, which are no errors in the function
def test_no_answer_is_sent_that_is_not_a_finite_number() -> None:
    """A sum that overflows, and from there on NaN for probabilities and an arbitrary label."""

    class Cubes(GaussianNB):  # type: ignore[misc]  # scikit-learn has no types
        """It has no answer to a large number."""

        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba((X**3) ** 3)

    app = App(lambda: served(Cubes().fit(X, Y), NUMBERS, {"a": 1, "b": 1, "c": 1}))
    answer = app(gateway("POST", "/predict", {"a": 1e38, "b": 1, "c": 1}), None)
    assert (answer["statusCode"], strict(answer["body"])["errors"][0]["pointer"]) == (422, "#/a")
    assert app({"a": 1e38, "b": 1, "c": 1}, None)["statusCode"] == 422
    assert app(gateway("POST", "/predict", {"a": 1, "b": 1, "c": 1}), None)["statusCode"] == 200


def test_a_label_may_be_called_null() -> None:
    signature = Signature(features=NUMBERS.features, labels=("null", "high"), probabilities=True)
    app = App(lambda: served(GaussianNB().fit(X, Y), signature, {"a": 1, "b": 1, "c": 1}))
    assert app({"a": 1, "b": 1, "c": 1}, None) == {"statusCode": 200, "body": "null"}


def test_a_model_that_begins_to_answer_one_row_too_few_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(GaussianNB):  # type: ignore[misc]  # scikit-learn has no types
        """One answer is lost."""

        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba(X)[:-1]

    app = App(lambda: served(Broken().fit(X, Y), NUMBERS, {"a": 1, "b": 1, "c": 1}))
    answer = app(gateway("POST", "/predict", {"a": 1, "b": 1, "c": 1}), None)
    assert answer["statusCode"] == 500
    line = strict(capsys.readouterr().out.splitlines()[-1])
    assert (line["event"], line["traceback"][0].partition(".")[0]) == ("request_failed", "model_runtime")


def test_what_fails_only_in_company_is_not_the_values_fault() -> None:
    """The batch fails, each of its rows does not."""

    def answer(rows: Any) -> Any:
        if len(rows) > 1:
            raise ValueError
        return rows[:, 0]

    example = Example(input={"a": 1.0, "b": 1}, output=Prediction(value=1.0))
    app = App(lambda: model(answer, examples=(example,)))
    body = {"instances": [{"a": 1, "b": 1}] * 3}
    assert app(gateway("POST", "/predict", body), None)["statusCode"] == 500


def test_two_values_that_do_not_go_together_are_named_as_a_row() -> None:
    def answer(rows: Any) -> Any:
        if ((rows[:, 0] > 5) & (rows[:, 1] > 5)).any():
            raise ValueError
        return rows[:, 0]

    example = Example(input={"a": 1.0, "b": 1}, output=Prediction(value=1.0))
    app = App(lambda: model(answer, examples=(example,)))
    found = strict(app(gateway("POST", "/predict", {"instances": [{"a": 1, "b": 1}, {"a": 9, "b": 9}]}), None)["body"])
    assert found["errors"] == [
        {"pointer": "#/instances/1", "detail": "the model has no answer to these values together"}
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([{"a": 1, "b": 1}, {"a": 9, "b": 1}], "#/1/a"),
        ([[1, 1], [9, 1]], "#/1/0"),
        ({"instances": [{"a": 1, "b": 1}, [9, 1]]}, "#/instances/1/0"),
        ({"instances": [[9, 1], {"a": 1, "b": 1}]}, "#/instances/0/0"),
    ],
)
def test_in_every_form_of_a_batch_the_place_is_the_one_that_was_sent(body: Any, pointer: str) -> None:
    def answer(rows: Any) -> Any:
        if (rows[:, 0] > 5).any():
            raise ValueError
        return rows[:, 0]

    example = Example(input={"a": 1.0, "b": 1}, output=Prediction(value=1.0))
    app = App(lambda: model(answer, examples=(example,)))
    for event in (body, gateway("POST", "/predict", body)):
        assert [error["pointer"] for error in strict(app(event, None)["body"])["errors"]] == [pointer]


def test_a_slow_model_is_not_asked_for_long() -> None:
    calls: list[int] = []

    def answer(rows: Any) -> Any:
        calls.append(len(rows))
        if len(calls) > 2:
            time.sleep(0.4)
        if (rows[:, 0] > 5).any():
            raise ValueError
        return rows[:, 0]

    example = Example(input={"a": 1.0, "b": 1}, output=Prediction(value=1.0))
    app = App(lambda: model(answer, examples=(example,)))
    body = {"instances": [{"a": 9, "b": 9}] * 1000}
    assert app(gateway("POST", "/predict", body), None)["statusCode"] == 422
    assert len(calls) < 12
