"""Bodies of MLflow's and SageMaker's clients, written by hand; `test_clients` sends what these clients make."""

import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from handler.app import App
from model_runtime.manifest import Feature, Signature
from tests.handler.conftest import gateway, model, strict

ROWS = [{"a": 1.5, "b": 2}, {"a": -3.0, "b": None}]
LISTS = [[1.5, 2], [-3.0, None]]
SUMS = [3.5, -3.0]


def ask(app: App, body: Any, content_type: str = "application/json", accept: str = "*/*") -> Any:
    headers = {"Content-Type": content_type, "Accept": accept}
    return app(gateway("POST", "/invocations", body, headers=headers), None)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1.5], [None, -3.0]], "index": [0, 1]}},
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"instances": LISTS},
        {"inputs": ROWS},
        {"inputs": LISTS, "params": {}},
        {"inputs": {"a": [1.5, -3.0], "b": [2, None]}},
        ROWS,
        LISTS,
    ],
)
def test_every_form_is_read(app: App, body: Any) -> None:
    answer = ask(app, body)
    assert (answer["statusCode"], answer["headers"]["X-Model-Version"]) == (200, "7")
    assert strict(answer["body"]) == {"predictions": SUMS}


@pytest.mark.parametrize("body", [ROWS[0], {"inputs": {"a": 1.5, "b": 2}}, [ROWS[0]], {"inputs": [LISTS[0]]}])
def test_one_instance_is_a_list_of_one(app: App, body: Any) -> None:
    assert strict(ask(app, body)["body"]) == {"predictions": [3.5]}


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1.5,2\n-3.0,\n",
        "b,a\r\n2,1.5\r\n,-3.0\r\n",
        "1.5,2\n-3.0,",
        '\ufeff"a","b"\n1.5,"2"\n\n-3,\n',
        "01.5,+2\n-3.,\n",
        " .15e1 ,2.0\n-3e0,\n",
    ],
)
def test_csv_is_read_with_and_without_a_header(app: App, text: str) -> None:
    assert strict(ask(app, text, "text/csv")["body"]) == {"predictions": SUMS}
    assert strict(ask(app, text, "text/csv; charset=utf-8; header=present")["body"]) == {"predictions": SUMS}
    answer = ask(app, text, "text/csv", "text/csv, */*;q=0.1")
    assert (answer["headers"]["Content-Type"], answer["body"]) == ("text/csv; charset=utf-8", "3.5\n-3.0\n")


def test_csv_of_texts_and_truth_values() -> None:
    features = (
        Feature(name="a", type="string"),
        Feature(name="b", type="boolean"),
        Feature(name="c", type="string", nullable=True),
    )
    seen: list[Any] = []

    def answer(rows: Any) -> Any:
        seen.append(rows.tolist())
        return np.array([["x,y", True]] * len(rows), dtype=object)

    app = App(lambda: model(answer, Signature(features=features, output="value")))
    file = io.StringIO()
    csv.writer(file).writerows([["a", "b", "c"], ['say "x, y"\nz', "True", ""], ["", "false", "q"]])
    answered = ask(app, file.getvalue(), "text/csv", "text/csv")
    assert seen[-1] == [['say "x, y"\nz', True, None], ["", False, "q"]]
    assert answered["body"] == '"x,y",true\n"x,y",true\n'


def test_what_pandas_writes_is_read(app: App) -> None:
    frame = pd.DataFrame({"a": [1.5, -3.0], "b": [2.0, np.nan]})
    assert strict(ask(app, frame.to_csv(index=False), "text/csv")["body"])["predictions"] == SUMS
    assert strict(ask(app, frame.to_json(orient="records"))["body"])["predictions"] == SUMS
    split = json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split"))})
    assert strict(ask(app, split)["body"])["predictions"] == SUMS


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2], [3, "x"]]}}, "#/dataframe_split/data/1/1"),
        ({"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2], [3]]}}, "#/dataframe_split/data/1"),
        ({"dataframe_split": {"columns": ["b"], "data": [[1]]}}, "#/dataframe_split/data/0"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "#/dataframe_split/columns"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": []}}, "#/dataframe_split/data"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "more": 1}}, "#/dataframe_split"),
        ({"dataframe_split": []}, "#/dataframe_split"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "index": {}}}, "#/dataframe_split/index"),
        ({"dataframe_records": [{"a": 1, "b": 1}, {"a": "x", "b": 1}]}, "#/dataframe_records/1/a"),
        ({"dataframe_records": {"a": [1]}}, "#/dataframe_records"),
        ({"instances": [[1, 1], [1, "x"]]}, "#/instances/1/1"),
        ({"instances": [[1, 1], [1]]}, "#/instances/1"),
        ({"instances": []}, "#/instances"),
        ({"inputs": {"a": [1, "x"], "b": [1, 1]}}, "#/inputs/a/1"),
        ({"inputs": {"a": "x", "b": 1}}, "#/inputs/a"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "#/inputs"),
        ({"inputs": {"a": [1], "b": [1], "c/d": [1]}}, "#/inputs/c~1d/0"),
        ({"inputs": 5}, "#/inputs"),
        ([[1, "x"]], "#/0/1"),
        ([{"a": 1}, 5], "#/1"),
        ([], "#"),
        ({"a": "x", "b": 1}, "#/a"),
        ("{", "#"),
    ],
)
def test_what_is_wrong_is_named_by_its_place_in_the_body(app: App, body: Any, pointer: str) -> None:
    answer = ask(app, body)
    assert answer["statusCode"] == 400
    assert pointer in [error["pointer"] for error in strict(answer["body"])["errors"]]


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("a,b\n1,2\n1,x\n", "#cell=3,2"),
        ("1,2\n1,x\n", "#cell=2,2"),
        ("b,a\n1,2\n1,x\n", "#cell=3,2"),
        ("1,2\n1\n", "#row=2"),
        ("a,b\n", "#"),
        ("", "#"),
        ('1,"2', "#"),
        ("1,2.5", "#cell=1,2"),
        (",2", "#cell=1,1"),
        ("nan,2", "#cell=1,1"),
        ("1_0,2", "#cell=1,1"),
        ("1" * 500 + ",2", "#cell=1,1"),
        ("1e39,2", "#cell=1,1"),
        ("x" * 200_000 + ",2", "#"),
    ],
)
def test_what_is_wrong_in_csv_is_named_by_its_cell(app: App, text: str, pointer: str) -> None:
    """RFC 7111: the first row is 1, also where it is a header."""
    answer = ask(app, text, "text/csv")
    assert answer["statusCode"] == 400
    assert pointer in [error["pointer"] for error in strict(answer["body"])["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        5,
        "text",
        None,
        {"columns": ["a", "b"], "data": [[1, 2]]},
        {"data": {"ndarray": [[1, 2]]}},
        {"instances": [[1, 2]], "signature_name": "serving_default"},
        {"inputs": [[1, 2]], "params": {"temperature": 1}},
        {"inputs": [[1, 2]], "instances": [[1, 2]]},
    ],
)
def test_what_is_not_spoken_is_refused_with_what_is(app: App, body: Any) -> None:
    answer = ask(app, json.dumps(body))
    assert answer["statusCode"] == 400
    assert strict(answer["body"])["detail"].startswith(
        "Send one instance as an object with the model's features, a list"
    )


def test_a_model_whose_feature_is_called_as_a_form_is_asked_by_its_features() -> None:
    signature = Signature(features=(Feature(name="inputs", type="number"),), output="value")
    app = App(lambda: model(lambda rows: rows[:, 0], signature))
    assert strict(ask(app, {"inputs": 3})["body"]) == {"predictions": [3.0]}
    assert strict(ask(app, {"dataframe_records": [{"inputs": 3}]})["body"]) == {"predictions": [3.0]}


def test_texts_of_a_text_model_may_stand_alone() -> None:
    signature = Signature(features=(Feature(name="text", type="string"),), container="list", output="value")
    app = App(lambda: model(lambda texts: np.array([len(text) for text in texts]), signature))
    for body in ({"instances": ["one", "three"]}, ["one", "three"], [["one"], ["three"]], {"inputs": ["one", "three"]}):
        assert strict(ask(app, body)["body"]) == {"predictions": [3, 5]}


def test_labels_are_answered_alone() -> None:
    signature = Signature(features=(Feature(name="a", type="number"),))
    labels = App(lambda: model(lambda rows: np.array(["ü"] * len(rows)), signature))
    assert strict(ask(labels, {"instances": [{"a": 1}]})["body"]) == {"predictions": ["ü"]}
    assert ask(labels, "1\n2", "text/csv", "text/csv")["body"] == "ü\nü\n"


TENSORS = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1.5]}]}


def test_kserve_s_protocols_are_refused_by_a_sentence_that_says_what_is_spoken(app: App) -> None:
    v1 = app(gateway("POST", "/v1/models/made:predict", {"instances": ROWS}), None)
    v2 = app(gateway("POST", "/v2/models/made/infer", TENSORS), None)
    assert (v1["statusCode"], v2["statusCode"], ask(app, TENSORS)["statusCode"]) == (404, 404, 400)
    for answer in (v1, v2, ask(app, TENSORS)):
        detail = strict(answer["body"])["detail"]
        assert "KServe's protocols are not spoken here: POST /predict takes" in detail
        assert "POST /invocations" in detail


def test_a_model_whose_features_are_called_as_a_tensor_s_members_is_no_tensor() -> None:
    features = tuple(Feature(name=name, type="number") for name in ("data", "datatype", "name", "shape"))
    app = App(lambda: model(lambda rows: rows[:, 0], Signature(features=features, output="value")))
    assert strict(ask(app, {"inputs": [{"name": 1, "shape": 2, "datatype": 3, "data": 4}]})["body"]) == {
        "predictions": [4.0]
    }
