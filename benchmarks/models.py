"""Warm requests to the models that people have: frames with texts and gaps, boosted trees, lines, many rows.

Each is asked through the whole handler, against its own `predict` on an array or frame that exists already.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.alone import Question, ask, own_process
from benchmarks.bench import BUCKET, Bench
from benchmarks.environments import packages
from benchmarks.measured import Measured
from benchmarks.page import Goal, Section, at_most
from benchmarks.warm import post_event
from infra.function_code import variables
from model_registry import Release
from model_runtime.errors import PublishError
from model_runtime.manifest import SLUG_MAX, FormatName

ROUNDS, QUICK_ROUNDS = 15, 1
CALLS = 20
"""Calls of one row per side and round; batches are called once."""
SEED = 6
TREES, QUICK_TREES = 100, 5
FRAME, FULL_TEXTS = "frame, random forest", "frame without gaps in texts, random forest"
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
    formats: tuple[FormatName, ...] = ("joblib",)
    """Those that are published; the last one is measured."""


def measure(bench: Bench) -> Section:
    """Ask each model, one row and more, in turn with its own `predict`."""
    rounds = QUICK_ROUNDS if bench.quick else ROUNDS
    found: dict[str, dict[int, tuple[Measured, Measured]]] = {}
    goals: list[Goal] = []
    for model, case in cases(quick=bench.quick):
        bench.say(f"models: {model}")
        name = model if case.formats == ("joblib",) else f"{model}, {case.formats[-1]} format"
        try:
            release = publish(bench, model, case)
        except PublishError as error:  # LightGBM has no wheel for Lambda's python3.11
            goals += [
                Goal(_what(name, count), f"at most {most:g}", str(error), None) for count, most in case.most.items()
            ]
            continue
        names = [feature.name for feature in release.manifest.signature.features]
        sizes = [_rows(case.X, count) for count in case.most]
        questions = [Question(rows, event_of(rows, names), CALLS if len(rows) == 1 else 1) for rows in sizes]
        asked = (variables(BUCKET, release, model_format=case.formats[-1]), case.estimator, questions, rounds)
        answers = ask(*asked) if bench.quick else own_process(ask, *asked)
        found[name] = dict(zip(case.most, answers, strict=True))
        goals += [
            at_most(_what(name, count), ours.median / own.median, case.most[count])
            for count, (own, ours) in found[name].items()
        ]
    note = (
        f"In a process for each model, {rounds} rounds of both sides in turn after one that is not counted, each with "
        f"{CALLS} calls of one row or one call of more; seed {SEED}. Median (first to third quartile). Frames have ten "
        "named columns, six of numbers and four of texts, with gaps in both: ONNX has no texts that may be missing, so "
        f"its frame has them in the numbers alone. LightGBM: {LIGHTGBM[0].replace('==', ' ')}."
    )
    return Section("models", [_table(found)], note, goals)


def publish(bench: Bench, name: str, case: Case) -> Release:
    """Publish a model under a name made of its own; PublishError where it has no such format, or no packages here."""
    slug = re.sub("[^a-z]+", "-", name.lower())[:SLUG_MAX].rstrip("-")
    return bench.publish(slug, case.estimator, case.X[:20], formats=case.formats)


def _what(name: str, count: int) -> str:
    return f"warm, {'one row' if count == 1 else f'{count:,} rows'}, {name}, of `predict` alone"


def cases(*, quick: bool) -> Iterator[tuple[str, Case]]:
    """The models; `quick` has few trees and does without LightGBM, which has to be fetched."""
    trees = QUICK_TREES if quick else TREES
    frame, y = _frame()
    X, species = load_iris(return_X_y=True)
    boosted, line = {1: 0.7}, {1: 0.7}
    yield from frames(trees).items()
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
    forest = RandomForestClassifier(trees, random_state=SEED)
    yield "Iris forest", Case(forest.fit(X, species), X, {10_000: 1.2})


def frames(trees: int) -> dict[str, Case]:
    """Forests on frames by name with gaps; the second has none in texts, nor an imputer for them, as ONNX needs it."""
    frame, y = _frame()
    full = frame.assign(text0=frame["text0"].fillna(_TEXTS[0]))
    forest = RandomForestClassifier(trees, random_state=SEED)
    gaps = make_pipeline(_prepared(), forest).fit(frame, y)
    no_gaps = make_pipeline(_prepared(impute_texts=False), clone(forest)).fit(full, y)
    return {
        FRAME: Case(gaps, frame, {1: 0.4, 1000: 1.2}),
        FULL_TEXTS: Case(no_gaps, full, {1: 0.02}, ("joblib", "onnx")),
    }


def _frame() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(SEED)
    columns: dict[str, Any] = {f"number{i}": random.normal(size=_TRAINED) for i in range(6)}
    texts = np.array(_TEXTS, dtype=object)
    columns |= {f"text{i}": random.choice(texts, _TRAINED) for i in range(4)}
    y = (columns["number1"] + random.normal(size=_TRAINED) > 0).astype(int)
    columns["number0"][random.random(_TRAINED) < 0.1] = np.nan  # noqa: PLR2004  # a tenth
    columns["text0"][random.random(_TRAINED) < 0.1] = np.nan  # noqa: PLR2004  # as above
    return pd.DataFrame(columns), y


def _prepared(*, impute_texts: bool = True) -> Any:
    numbers, texts = ([f"{kind}{i}" for i in range(count)] for kind, count in (("number", 6), ("text", 4)))
    encoder = OneHotEncoder(handle_unknown="ignore")
    if impute_texts:
        encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    return make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numbers), (encoder, texts))


def _rows(X: Any, count: int) -> Any:
    """The first rows, over and over again."""
    indices = np.arange(count) % len(X)
    return X.iloc[indices] if isinstance(X, pd.DataFrame) else X[indices]


def event_of(rows: Any, names: list[str]) -> dict[str, Any]:
    """The event of a POST with these rows: one instance, or several."""
    instances = by_name(rows, names)
    return post_event(instances[0] if len(instances) == 1 else {"instances": instances})


def by_name(rows: Any, names: list[str]) -> list[dict[str, Any]]:
    """Rows as mappings, None where a frame has a gap."""
    values = rows.astype(object).where(rows.notna(), None).to_numpy() if isinstance(rows, pd.DataFrame) else rows
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]


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
