"""What a manifest records of an estimator's parameters, and that one that changed is one line wherever that is read."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import eye
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
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
    ],
    ids=str,
)
def test_no_row_of_a_table_is_recorded(value: Any) -> None:
    assert "41.5" not in recorded(value)
    assert " of " in recorded(value)


def test_the_same_values_have_the_same_text_in_each_process() -> None:
    assert recorded({"b", "a"}) == "{'a', 'b'}"
    assert recorded([np.float64(0.5), lambda: 1]) == (
        "[0.5, <function test_the_same_values_have_the_same_text_in_each_process.<locals>.<lambda>>]"
    )
    assert (recorded(np.array([1, 2])), recorded((1,)), recorded([["a", "b"]])) == ("[1, 2]", "(1,)", "[['a', 'b']]")
    assert " at 0x" not in str(parameters_of(Custom([np.random.RandomState(1), object()])))


def test_a_version_of_an_older_release_is_compared_by_what_it_recorded() -> None:
    """Its pipeline is one text: that the other has sixty parameters more is no difference of the models."""
    text = f"{pipeline().steps!r}"[:200]
    old = made(1, parameters={"memory": None, "steps": text, "transform_input": None, "verbose": True})
    new = made(2, parameters=parameters_of(pipeline()))
    steps = "functiontransformer, columntransformer, randomforestclassifier"
    assert compare(old, new).parameters == {"steps": (text, steps), "verbose": (True, False)}
    assert compare(new, old).parameters == {"steps": (steps, text), "verbose": (False, True)}
