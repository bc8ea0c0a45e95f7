"""What a manifest records of an estimator's parameters, and that one that changed is one line wherever that is read."""

from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import bsr_matrix, csc_matrix, csr_matrix, eye
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from model_registry import Registry, open_storage
from model_registry.cli import app
from model_registry.comparison import compare
from model_registry.publish.parameters import LONGEST, MOST, parameters_of
from model_registry.report.card import card_of
from model_registry.site import files
from model_registry.site.writes import Writer
from tests.model_registry.made import made, put

NAME = "randomforestclassifier__max_depth"


class Custom(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass
class Person:
    name: str
    age: float
    password: str = "hunter2"  # noqa: S105  # what is looked for


def pipeline(depth: int = 8, columns: tuple[str, ...] = ("age", "income")) -> Pipeline:
    """As a fresh user has it: the whole is far longer than what is kept of one parameter."""
    steps = [
        ("num", make_pipeline(StandardScaler()), list(columns)),
        ("cat", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
    ]
    return make_pipeline(
        FunctionTransformer(np.log1p), ColumnTransformer(steps), RandomForestClassifier(max_depth=depth)
    )


def recorded(value: Any) -> Any:
    return parameters_of(Custom(value))["value"]


def changed(one: Any, other: Any) -> dict[str, Any]:
    manifests = (made(number, parameters=parameters_of(each)) for number, each in enumerate((one, other), 1))
    return dict(compare(*manifests).parameters)


def test_a_parameter_deep_in_a_pipeline_that_changed_is_one_line_wherever_versions_are_compared(tmp_path: Path) -> None:
    folder = str(tmp_path / "models")
    storage = open_storage(folder)
    one, other = (made(number, parameters=parameters_of(pipeline(depth))) for number, depth in ((1, 8), (2, 3)))
    put(storage, one, other)
    registry = Registry(storage, actor="ada")
    registry.tag("iris/1", "prod")
    said = CliRunner().invoke(app, ["compare", "iris/1", "iris/2", "--bucket", folder]).stdout
    assert [line.split()[1:-1] for line in said.splitlines() if "parameter" in line] == [
        ["parameter", NAME, "│", "8", "│", "3"]
    ]
    line = f"<td>{NAME}</td><td>8</td><td>3</td>"
    _, page = Writer(registry, "token").look("iris/promote.html", {"tag": "prod", "version": "2"}) or (None, "")
    pages = {path: str(text) for path, text in files(registry)}
    assert line in page
    assert line in pages["iris/1-2.html"]
    assert page.count("randomforestclassifier") == 1
    assert f"<dt>{NAME}</dt><dd>3</dd>" in pages["iris/2.html"]
    assert NAME.replace("_", r"\_") in card_of(other, None)


def test_steps_columns_and_estimators_that_change_are_told_by_name() -> None:
    assert changed(pipeline(), pipeline(columns=("age",))) == {
        "columntransformer__transformers__num": ("['age', 'income']", "['age']")
    }
    scaled, unscaled = (Pipeline([("a", step), ("b", LogisticRegression())]) for step in (StandardScaler(), "drop"))
    assert changed(scaled, unscaled)["a"] == ("StandardScaler", "drop")
    assert changed(scaled, Pipeline(scaled.steps[::-1])) == {"steps": ("a, b", "b, a")}


def test_manifests_stay_small() -> None:
    assert len(msgspec.json.encode(parameters_of(make_pipeline(StandardScaler(), LogisticRegression())))) < 1_000
    assert len(msgspec.json.encode(parameters_of(pipeline()))) < 4_000
    forests = [(f"forest{number}", RandomForestClassifier()) for number in range(20)]
    found, other = (parameters_of(VotingClassifier(each)) for each in (forests, [*forests[:-1], ("forest19", "drop")]))
    assert len(found) == MOST + 1
    assert found["..."].startswith("106 more, sha256 ")
    assert found["..."] != other["..."]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dict.fromkeys(range(100), 1), {**dict.fromkeys(range(100), 1), 99: 2}),
        ("word " * 100, "word " * 101),
        ([RandomForestClassifier(max_depth=8)], [RandomForestClassifier(max_depth=3)]),
        (np.eye(40), np.eye(40) * 2),
    ],
    ids=["a long dict", "a long text", "estimators without names", "an array"],
)
def test_a_value_that_is_cut_says_so_and_one_that_changed_shows(one: Any, other: Any) -> None:
    for value in (one, other):
        assert len(recorded(value)) <= LONGEST
        assert "sha256" in recorded(value)
    assert recorded(one) != recorded(other)


@pytest.mark.parametrize(
    "value",
    [
        np.array([[41.5, 7.25]]),
        [[41.5, 7.25]],
        pd.DataFrame({"age": [41.5]}),
        pd.Series([41.5]),
        {"table": pd.DataFrame({"age": [41.5]})},
        partial(print, np.array([[41.5]])),
        [Custom([(41.5, "x")])],
        eye(3, format="csr") * 41.5,
        [{"name": "Alice", "age": 41.5}],
        {"name": ["Alice"], "age": [41.5]},
        {"Alice": {"age": 41.5}},
        [["Alice", "alice@example.com"]],
        [(pd.Timestamp("2024-05-17"), "Alice")],
        [np.array(["Alice"]), np.array([41.5])],
        np.array([("Alice", 41.5)], dtype=[("name", "U9"), ("age", float)]),
        {("Alice", 41.5)},
        deque([("Alice", 41.5)]),
        {"Alice": (41.5, 7)}.values(),
        [Person("Alice", 41.5)],
        partial(print, rows=[["Alice"]]),
    ],
    ids=str,
)
def test_no_row_of_a_table_is_recorded(value: Any) -> None:
    for text in ("41.5", "Alice", "2024"):
        assert text not in recorded(value)
    assert " of " in recorded(value)


def test_what_people_compare_is_told_in_full() -> None:
    for value in ((1, 2), (100, 50), {0: 1.0, "a": 2}, ["age", "plan"]):
        assert recorded(value) == str(value)
    grid = {"estimator__C": [0.1, 1.0], "estimator__max_iter": (10, 20)}
    told = {"C": [0.1, 1.0], "class_weight": ["balanced", {0: 2}], "solver": ["lbfgs"]}
    grids: list[Any] = [told, [told], {"C": [(1, 1), (1, 2)]}]
    for candidates in grids:
        assert parameters_of(GridSearchCV(LogisticRegression(), candidates))["param_grid"] == str(candidates)
    assert "sha256" in parameters_of(GridSearchCV(LogisticRegression(), grid))["param_grid"], "no parameters of its own"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (csr_matrix(np.eye(3)), csr_matrix(2 * np.eye(3))),
        (csr_matrix(np.eye(3)), csr_matrix(np.eye(3)[::-1])),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=[7])),
        ([["a"]], [["b"]]),
        ({"a": csr_matrix(np.eye(3))}, {"a": csr_matrix(2 * np.eye(3))}),
        (deque([csr_matrix(np.eye(3))]), deque([csr_matrix(2 * np.eye(3))])),
    ],
    ids=["numbers", "places", "columns", "rows", "index", "lists", "nested", "a deque"],
)
def test_the_digest_of_a_table_is_of_all_that_is_in_it(one: Any, other: Any) -> None:
    assert recorded(one) != recorded(other)
    assert recorded(one) == recorded(one.copy())


def test_a_sparse_table_has_one_digest_however_it_is_stored() -> None:
    dense = np.array([[0, 1], [2, 3]])
    stored = [csr_matrix(dense), csc_matrix(dense), bsr_matrix(dense)]  # the last one has zeros in its blocks
    assert len({recorded(each).split("sha256")[1] for each in stored}) == 1


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://user:hunter2@db/x",
        "postgresql://user:hun/hunter2@db/x",
        "https://hunter2@example.com/x.git",
        "https://example.com/x?sv=1&sig=hunter2&se=2",
        "https://example.com/x?X-Amz-Signature=hunter2&X-Amz-Date=1",
        "Server=db;Pwd=hunter2;UID=x",
        ["postgresql://user:hunter2@db/x"],
        b"postgresql://user:hunter2@db/x",
        {"password": "hunter2"},
        {"apiKey": "hunter2"},
        partial(print, api_key="hunter2"),
        Person("Alice", 41.5),
        [Custom("postgresql://user:hunter2@db/x")],
    ],
    ids=str,
)
def test_no_secret_is_recorded(value: Any) -> None:
    assert "hunter2" not in recorded(value)
    assert "***" in recorded(value)


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *[(name, True) for name in ("password", "db_passwd", "secret_key", "hf_token", "apikey", "apiKey")],
        *[(name, True) for name in ("api_key", "credentials", "aws_credential")],
        *[(name, False) for name in ("tokenizer", "token_pattern", "stop_tokens", "secretary", "monkey")],
    ],
)
def test_a_parameter_is_a_secret_by_whole_words_of_its_name(name: str, *, is_secret: bool) -> None:
    custom = Custom(None)
    custom.get_params = lambda **_: {f"secret__{name}": "hunter2"}
    expected = "***" if is_secret else "hunter2"
    assert parameters_of(custom) == {f"secret__{name}": expected}


def test_a_number_is_no_token_and_what_is_off_is_no_secret() -> None:
    for value in ({"d_token": 192}, {"token": True}, {"password": None}, {"secret": 0.5}):
        assert recorded(value) == str(value)


def test_the_same_values_have_the_same_text_in_each_process() -> None:
    assert recorded({"b", "a"}) == "{'a', 'b'}"
    assert recorded([np.float64(0.5), lambda: 1]) == (
        "[0.5, <function test_the_same_values_have_the_same_text_in_each_process.<locals>.<lambda>>]"
    )
    assert (recorded(np.array([1, 2])), recorded((1,)), recorded(["a", "b"])) == ("[1, 2]", "(1,)", "['a', 'b']")
    assert recorded([{"b", "a"}]) == "<list of 1 rows, sha256 85fa9fb2712f>"
    assert " at 0x" not in str(parameters_of(Custom([np.random.RandomState(1), object()])))


def test_a_version_of_an_older_release_is_compared_by_what_it_recorded() -> None:
    """Its pipeline is one text: that the other has sixty parameters more is no difference of the models."""
    text = f"{pipeline().steps!r}"[:200]
    old = made(1, parameters={"memory": None, "steps": text, "transform_input": None, "verbose": True})
    new = made(2, parameters=parameters_of(pipeline()))
    steps = "functiontransformer, columntransformer, randomforestclassifier"
    assert compare(old, new).parameters == {"steps": (text, steps), "verbose": (True, False)}
    assert compare(new, old).parameters == {"steps": (steps, text), "verbose": (False, True)}
