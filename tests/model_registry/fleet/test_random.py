"""Random frames behind random pipelines are served as the estimator answers, also rows it was not published with."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from model_runtime.errors import PublishError
from tests.model_registry.fleet.rows import Rows
from tests.model_registry.fleet.trial import try_publishing, wrong_answers

_ROWS = 24
_LATER = 6
_SOUNDS = ("", "a", "B", "07", "ä ö", "true", "nan")
_DAYS = tuple(pd.date_range("2024-03-30", periods=6, freq="7h").to_list())


@dataclass(frozen=True)
class Made:
    """A fitted estimator, its frame, and how many of the first rows are its examples."""

    estimator: Any
    X: pd.DataFrame
    examples: int
    has_training: bool

    @property
    def rows(self) -> Rows:
        return _Rows(self.X, None, None, self.examples, self.has_training)


@dataclass(frozen=True)
class _Rows(Rows):
    count: int
    has_training: bool

    @property
    def examples(self) -> Any:
        return self.X[: self.count]

    @property
    def training(self) -> Any:
        return self.X[:-_LATER] if self.has_training else None

    @property
    def later(self) -> Any:
        return self.X[-_LATER:]


# By name: the values of a column, its type, and whether that has gaps.
_KINDS: dict[str, tuple[st.SearchStrategy[Any], str, bool]] = {
    "int64": (st.integers(-3, 9), "int64", False),
    "large int64": (st.integers(2**53, 2**62), "int64", False),
    "int8": (st.integers(-3, 9), "int8", False),
    "float64": (st.floats(-5, 5, allow_nan=False), "float64", True),
    "float32": (st.floats(-5, 5, allow_nan=False, width=32), "float32", True),
    "bool": (st.booleans(), "bool", False),
    "object": (st.sampled_from(_SOUNDS), "object", True),
    "object with None": (st.sampled_from(_SOUNDS), "object", True),
    "booleans in object": (st.booleans(), "object", True),
    "string": (st.sampled_from(_SOUNDS), "string", True),
    "category": (st.sampled_from(_SOUNDS), "category", True),
    "category of int": (st.integers(5, 9), "category", True),
    "ordered": (st.sampled_from(_SOUNDS), "ordered", True),
    "Int64": (st.integers(-3, 9), "Int64", True),
    "Float64": (st.floats(-5, 5, allow_nan=False), "Float64", True),
    "boolean": (st.booleans(), "boolean", True),
    "datetime": (st.sampled_from(_DAYS), "datetime64[ns]", True),
    "datetime in seconds": (st.sampled_from(_DAYS), "datetime64[s]", True),
    "datetime with zone": (st.sampled_from(_DAYS), "datetime64[ns, Europe/Berlin]", True),
}
_NUMBERS = {"int64", "large int64", "int8", "float64", "float32", "Int64", "Float64", "bool"}


def _series(draw: st.DrawFn, kind: str) -> pd.Series:
    values, dtype, has_gaps = _KINDS[kind]
    cells: list[Any] = draw(st.lists(values, min_size=_ROWS, max_size=_ROWS))
    if has_gaps:
        gaps = draw(st.sets(st.integers(0, _ROWS - 1), max_size=8))
        mark = None if kind == "object with None" else np.nan if dtype == "object" else None
        cells = [mark if index in gaps else cell for index, cell in enumerate(cells)]
    if dtype == "ordered":
        return pd.Series(pd.Categorical(cells, categories=list(reversed(_SOUNDS)), ordered=True))
    if dtype == "category":
        return pd.Series(pd.Categorical(cells))
    if dtype.startswith("datetime64"):
        series = pd.Series(pd.to_datetime(pd.Series(cells, dtype="object"), utc="," in dtype))
        return series.astype(dtype)
    return pd.Series(cells, dtype=dtype)


def _encoders() -> list[Callable[[], Any]]:
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -2}
    return [
        lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        lambda: OrdinalEncoder(**unknown),
        lambda: make_pipeline(
            SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        ),
    ]


def _scalers() -> list[Callable[[], Any]]:
    return [
        lambda: make_pipeline(SimpleImputer(), StandardScaler()),
        lambda: make_pipeline(StandardScaler(), SimpleImputer(strategy="median", add_indicator=True)),
        *_encoders(),
    ]


_MODELS: list[Callable[[], Any]] = [
    lambda: LogisticRegression(max_iter=20),
    lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
    Ridge,
    lambda: KNeighborsRegressor(3),
    lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=2),
]


@st.composite
def made(draw: st.DrawFn) -> Made | None:
    """A fitted pipeline with its frame; None where the estimators refuse to fit or to answer such columns."""
    kinds = draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=4))
    X = pd.DataFrame({f"{kind} {index}": _series(draw, kind) for index, kind in enumerate(kinds)})
    y = np.array(draw(st.lists(st.integers(0, 2), min_size=_ROWS, max_size=_ROWS)))
    y[:3] = 0, 1, 2
    if draw(st.integers(0, 5)) == 0 and {*kinds} <= _NUMBERS | {"category", "category of int", "ordered"}:
        estimator: Any = HistGradientBoostingClassifier(
            max_iter=3, min_samples_leaf=2, categorical_features="from_dtype"
        )
    else:
        steps = [
            (name, draw(st.sampled_from(_scalers() if kind in _NUMBERS else _encoders()))(), [name])
            for name, kind in zip(X.columns, kinds, strict=True)
        ]
        columns = ColumnTransformer(draw(st.permutations(steps)))
        estimator = Pipeline([("columns", columns), ("model", draw(st.sampled_from(_MODELS))())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(X, y).predict(X)
        except (TypeError, ValueError):  # such as pandas.NA in an OneHotEncoder
            return None
    return Made(estimator, X, draw(st.integers(1, 6)), draw(st.booleans()))


def _check(made: Made | None) -> None:
    """Each later row is answered as the estimator answers it, or refused; never otherwise."""
    if made is None:
        event("the estimator refuses it")
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = try_publishing(made.estimator, made.rows)
    except PublishError as error:
        if "nothing but missing values" not in str(error):
            raise
        event("a column of gaps")
        return
    wrong = wrong_answers(trial, made.rows.later)
    if not (wrong and _is_refusal(wrong[0])):
        assert wrong == [], trial.described.signature
        event("all rows answered")
        return
    event("some rows refused")
    for index in range(len(made.X) - _LATER, len(made.X)):
        wrong = wrong_answers(trial, made.X[index : index + 1])
        if not (wrong and _is_refusal(wrong[0])):
            assert wrong == [], (trial.described.signature, made.X.iloc[index].to_dict())


def _is_refusal(said: str) -> bool:
    return said.startswith("400")


_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=25, suppress_health_check=_SLOW)
@given(made())
def test_random_frames_are_served_as_the_estimator_answers_them(one: Made | None) -> None:
    _check(one)


@pytest.mark.soak
@settings(max_examples=1000, suppress_health_check=_SLOW)
@given(made())
def test_many_random_frames_are_served_as_the_estimator_answers_them(one: Made | None) -> None:
    _check(one)
