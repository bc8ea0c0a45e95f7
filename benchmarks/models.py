"""Warm requests to the models that people have: frames with texts and gaps, boosted trees, lines, many rows.

Each is asked through the whole handler, against its own `predict` on an array or frame that exists already.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.bench import Bench
from benchmarks.environments import packages
from benchmarks.measured import Measured, interleaved
from benchmarks.page import Goal, Section, at_most
from benchmarks.warm import checked, post_event
from model_runtime.errors import PublishError

ROUNDS, QUICK_ROUNDS = 15, 1
CALLS = 20
"""Calls of one row per side and round; batches are called once."""
SEED = 6
LIGHTGBM = ("lightgbm==4.7.0", "narwhals==2.29.0")
"""Into a folder beside this environment, which has neither."""
_TRAINED = 400
_TEXTS = ("red", "green", "blue", "black", "white")

Sides = Mapping[str, Mapping[int, tuple[Measured, Measured]]]
"""By model and number of rows: `predict` alone, and ours."""


@dataclass(frozen=True)
class Case:
    """A fitted model, what it was fitted on, and at most how many times its `predict` ours may take, by rows."""

    estimator: Any
    X: Any
    most: Mapping[int, float]


def measure(bench: Bench) -> Section:
    """Ask each model, one row and more, in turn with its own `predict`."""
    rounds = QUICK_ROUNDS if bench.quick else ROUNDS
    found: dict[str, dict[int, tuple[Measured, Measured]]] = {}
    goals: list[Goal] = []
    for name, case in cases(quick=bench.quick):
        bench.say(f"models: {name}")
        try:
            release = bench.publish(f"warm-{len(found)}", case.estimator, case.X[:20], formats=["joblib"])
        except PublishError as error:  # LightGBM has no wheel for Lambda's python3.11
            goals += [
                Goal(_what(name, count), f"at most {most:g}", str(error), None) for count, most in case.most.items()
            ]
            continue
        found[name] = {}
        app = bench.app("joblib", release)
        names = [feature.name for feature in release.manifest.signature.features]
        for count, most in case.most.items():
            rows = _rows(case.X, count)
            own, ours = _measured(case.estimator, rows, partial(checked, app, event_of(rows, names)), rounds)
            found[name][count] = own, ours
            goals.append(at_most(_what(name, count), ours.median / own.median, most))
    note = (
        f"In one process, {rounds} rounds of both sides in turn after one that is not counted, each with {CALLS} calls "
        f"of one row or one call of more; seed {SEED}. Median (first to third quartile). Frames have ten named "
        f"columns, six of numbers and four of texts, with gaps in both. LightGBM: {LIGHTGBM[0].replace('==', ' ')}."
    )
    return Section("models", [_table(found)], note, goals)


def _what(name: str, count: int) -> str:
    return f"warm, {'one row' if count == 1 else f'{count:,} rows'}, {name}, of `predict` alone"


def cases(*, quick: bool) -> Iterator[tuple[str, Case]]:
    """The models; `quick` has few trees and does without LightGBM, which has to be fetched."""
    trees = 5 if quick else 100
    frame, y = _frame()
    X, species = load_iris(return_X_y=True)
    forest = RandomForestClassifier(trees, random_state=SEED)
    in_frame, boosted, line = {1: 0.4, 1000: 1.2}, {1: 0.7}, {1: 0.7}
    yield "frame, random forest", Case(make_pipeline(_prepared(), forest).fit(frame, y), frame, in_frame)
    regression = make_pipeline(_prepared(), LogisticRegression())
    yield "frame, logistic regression", Case(regression.fit(frame, y), frame, {1: 0.7})
    gradient = GradientBoostingClassifier(n_estimators=trees, random_state=SEED).fit(X, species)
    yield "GradientBoostingClassifier", Case(gradient, X, boosted)
    histogram = HistGradientBoostingClassifier(max_iter=trees, random_state=SEED).fit(X, species)
    yield "HistGradientBoostingClassifier", Case(histogram, X, boosted)
    if not quick:
        with importable(*LIGHTGBM):
            model = import_module("lightgbm").LGBMClassifier(n_estimators=trees, verbose=-1, random_state=SEED)
            yield "LightGBM", Case(model.fit(X, species), X, boosted)
    yield "LogisticRegression", Case(LogisticRegression(max_iter=1000).fit(X, species), X, line)
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, species)
    yield "StandardScaler, LogisticRegression", Case(scaled, X, line)
    yield "Ridge", Case(Ridge().fit(X, species.astype(float)), X, line)
    yield "Iris forest", Case(forest.fit(X, species), X, {10_000: 1.2})


def _frame() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(SEED)
    columns: dict[str, Any] = {f"number{i}": random.normal(size=_TRAINED) for i in range(6)}
    texts = np.array(_TEXTS, dtype=object)
    columns |= {f"text{i}": random.choice(texts, _TRAINED) for i in range(4)}
    y = (columns["number1"] + random.normal(size=_TRAINED) > 0).astype(int)
    columns["number0"][random.random(_TRAINED) < 0.1] = np.nan  # noqa: PLR2004  # a tenth
    columns["text0"][random.random(_TRAINED) < 0.1] = np.nan  # noqa: PLR2004  # as above
    return pd.DataFrame(columns), y


def _prepared() -> Any:
    numbers, texts = ([f"{kind}{i}" for i in range(count)] for kind, count in (("number", 6), ("text", 4)))
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numbers), (encoder, texts))


def _rows(X: Any, count: int) -> Any:
    """The first rows, over and over again."""
    indices = np.arange(count) % len(X)
    return X.iloc[indices] if isinstance(X, pd.DataFrame) else X[indices]


def event_of(rows: Any, names: list[str]) -> dict[str, Any]:
    """The event of a POST with these rows: one instance, or several."""
    values = rows.astype(object).where(rows.notna(), None).to_numpy() if isinstance(rows, pd.DataFrame) else rows
    instances = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    return post_event(instances[0] if len(instances) == 1 else {"instances": instances})


def _measured(estimator: Any, rows: Any, ours: Callable[[], object], rounds: int) -> tuple[Measured, Measured]:
    calls = CALLS if len(rows) == 1 else 1
    found = interleaved({"own": (calls, partial(estimator.predict, rows)), "ours": (calls, ours)}, rounds)
    return found["own"], found["ours"]


def _table(found: Sides) -> list[list[str]]:
    table = [["model", "rows", "`predict` alone", "ours", "of `predict`"]]
    for name, by_count in found.items():
        for count, (own, ours) in by_count.items():
            ratio = f"{ours.median / own.median:.2f}"
            table.append([name, f"{count:,}", own.quartiles(), ours.quartiles(), ratio])
    return table


@contextmanager
def importable(*requirements: str) -> Iterator[None]:
    """Packages that this environment lacks, for the length of the block."""
    folder = str(packages(*requirements))
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
