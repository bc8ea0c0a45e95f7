"""Boosted models converted to ONNX, and published for it, in an environment that has their libraries."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import StackingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_registry import Registry
from model_registry.publish.estimator import describe, rows_of
from model_registry.publish.onnx import convert
from model_runtime.errors import PublishError
from model_runtime.manifest import ProofKind
from tests.model_registry.fleet.outcomes import Conversion, OwnAnswers

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
IS_ONE = (Y == 1).astype(int)
GAPS = X.copy()
GAPS[::7, 1] = np.nan
XD, YD = load_diabetes(return_X_y=True)
_RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {
        "colour": _RNG.choice(["red", "green", "blue"], 300),
        "the age": _RNG.integers(18, 90, 300),
        "income": _RNG.normal(3e4, 1e4, 300),
    }
)
RICH = (PEOPLE["income"] / 1e4 + (PEOPLE["colour"] == "red") + PEOPLE["the age"] / 50 > 4.5).astype(int)
NUMBERS = PEOPLE[["the age", "income"]]
MANY = pd.DataFrame(_RNG.normal(size=(3000, 20)), columns=[f"column {number}" for number in range(20)])
MANY_CLASSES = (MANY.iloc[:, :5].sum(axis=1) > 0).astype(int) + (MANY.iloc[:, 4] > 1)

_Make = Callable[..., Any]
_Rows = tuple[Any, Any, Any]


def tried(*, everything: bool) -> list[Conversion]:
    """Fit and convert what a test run tries, or everything."""
    return [_tried(name, *case) for name, case in (_all() if everything else _usual())]


def publish(registry: Registry, library: str, *, proof: ProofKind) -> OwnAnswers:
    """Publish a pipeline of a library for ONNX, under the library's name."""
    classifier, _ = _LIBRARIES[library]
    model = _behind_columns(classifier()).fit(PEOPLE, RICH)
    registry.publish(
        model, name=library, X_example=PEOPLE[:20], X_train=PEOPLE, formats=["joblib", "onnx"], proof=proof
    )
    asked = PEOPLE[:5]
    return OwnAnswers(
        rows=asked.to_dict("records"),
        labels=np.ravel(model.predict(asked)).tolist(),
        probabilities=model.predict_proba(asked)[:, 1].tolist(),
    )


def _tried(name: str, estimator: Any, rows: Any, classes: Any) -> Conversion:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows, classes)
        signature = describe(estimator, rows).signature
        try:
            replay = convert(estimator, signature, rows_of(estimator, rows, signature)).replay
        except PublishError as error:
            return Conversion(name, said=str(error))
    assert replay.difference <= replay.tolerance
    return Conversion(name, replay.rows)


def _usual() -> Iterator[tuple[str, _Rows]]:
    for library, (classifier, regressor) in _LIBRARIES.items():
        names = Y if library == "xgboost" else NAMES  # XGBoost wants classes from 0
        yield f"{library}, three classes", (classifier(), X, names)
        yield f"{library}, two classes with gaps", (classifier(), GAPS, IS_ONE)
        yield f"{library}, regressor", (regressor(), XD, YD)
        yield f"{library}, behind columns", (_behind_columns(classifier()), PEOPLE, RICH)
    yield from _refused()


def _all() -> Iterator[tuple[str, _Rows]]:
    yield from _usual()
    for library, (classifier, regressor) in _LIBRARIES.items():
        yield f"{library}, frame", (classifier(), NUMBERS, RICH)
        yield f"{library}, many trees", (classifier(100), MANY, MANY_CLASSES)
        yield f"{library}, many trees behind a scaler", (
            make_pipeline(StandardScaler(), classifier(100)), MANY, MANY_CLASSES
        )  # fmt: skip
        yield f"{library}, regressor behind a scaler", (make_pipeline(StandardScaler(), regressor()), XD, YD)
    light, extreme, cat = (classifier for classifier, _ in _LIBRARIES.values())
    stack = StackingClassifier([("a", light()), ("b", extreme()), ("c", cat())], cv=2)
    yield "a stack of all", (stack, X, Y)
    yield "a search", (GridSearchCV(light(), {"num_leaves": [4, 8]}, cv=2), X, Y)
    positive = np.abs(YD) / 100
    for objective in ("poisson", "gamma", "quantile", "mae"):
        yield f"lightgbm, {objective}", (_lightgbm("Regressor", objective=objective), XD, positive)
    for objective in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:absoluteerror"):
        yield f"xgboost, {objective}", (_xgboost("Regressor", objective=objective), XD, positive)
    yield "catboost, MAE", (_catboost("Regressor", loss_function="MAE"), XD, positive)


def _refused() -> Iterator[tuple[str, _Rows]]:
    yield "refused: CatBoost of booleans", (_catboost(), X, Y == 1)
    yield "refused: CatBoost of categories", (_catboost(cat_features=["colour"]), PEOPLE, RICH)
    yield "refused: CatBoost of trees with leaves", (_catboost(grow_policy="Lossguide"), X, Y)
    yield "refused: LightGBM of one against all", (_lightgbm(objective="multiclassova"), X, Y)
    yield "refused: XGBoost without trees", (_xgboost(booster="gblinear"), X, Y)


def _lightgbm(kind: str = "Classifier", trees: int = 10, **more: Any) -> Any:
    settings = {"n_estimators": trees, "min_child_samples": 3, "verbose": -1, "num_threads": 1}
    return getattr(lightgbm, f"LGBM{kind}")(**settings, **more)


def _xgboost(kind: str = "Classifier", trees: int = 10, **more: Any) -> Any:
    return getattr(xgboost, f"XGB{kind}")(n_estimators=trees, n_jobs=1, **more)


def _catboost(kind: str = "Classifier", trees: int = 10, **more: Any) -> Any:
    settings = {"iterations": trees, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    return getattr(catboost, f"CatBoost{kind}")(**settings, **more)


def _behind_columns(last: Any) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["colour"]), (StandardScaler(), ["the age", "income"])
    )
    return make_pipeline(columns, last)


def _pair(make: _Make) -> tuple[_Make, _Make]:
    return lambda trees=10: make("Classifier", trees), lambda trees=10: make("Regressor", trees)


_LIBRARIES = {"lightgbm": _pair(_lightgbm), "xgboost": _pair(_xgboost), "catboost": _pair(_catboost)}
