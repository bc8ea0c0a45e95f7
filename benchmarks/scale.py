"""How cost grows: with trees, features, rows in a request, the model's size, and functions that start at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

from benchmarks.alone import checked
from benchmarks.bench import BUCKET, Bench
from benchmarks.measured import Measured, interleaved
from benchmarks.page import Goal, Section, at_most
from benchmarks.plots import Panel, draw
from benchmarks.starts import interleaved_starts, peak, times
from benchmarks.warm import PREDICT, post_event, uniform_rows
from infra.function_code import variables
from model_runtime.manifest import MODEL_FILE
from training.train_iris import FEATURES

IMAGE = "scale.svg"
SEED = 6
MB = 1_000_000
_BYTES_OF_NODE = 72
"""A node of a scikit-learn tree, and its value of one output."""
_TREES = 100
LARGE = 200
"""Megabytes of the model that the goals are about."""
MOST_MEMORY, MOST_OF_DISK = 2.1, 1.3
_DISK = "from disk, joblib alone"
_FROM_DISK = """
import json, os, joblib, numpy
estimator = joblib.load(os.environ["MODEL_FILE"])
def handler(event, context):
    value = estimator.predict(numpy.array([list(json.loads(event["body"]).values())]))
    return {"statusCode": 200, "body": value.tolist()}
"""
"""A function that reads and unpickles its model from disk, and checks nothing."""


@dataclass(frozen=True)
class Amounts:
    """Over what is measured, and how often."""

    trees: Sequence[int]
    features: Sequence[int]
    rows: Sequence[int]
    megabytes: Sequence[int]
    functions: Sequence[int]
    rounds: int
    starts: int


FULL = Amounts(
    (10, 30, 100, 300, 1000), (4, 16, 64, 256, 1000), (1, 10, 100, 1000, 10_000), (1, 10, 50, 200), (1, 2, 4, 8), 30, 3
)
QUICK = Amounts((2, 4), (2, 3), (1, 2), (1,), (1, 2), 1, 1)


def measure(bench: Bench) -> Section:
    """Measure and draw each of them."""
    amounts = QUICK if bench.quick else FULL
    panels = []
    goals: list[Goal] = []
    parts: dict[str, Callable[[Bench, Amounts], list[Panel]]] = {
        "trees": _trees,
        "features": _features,
        "rows": _rows,
        "model sizes": partial(_sizes, goals=goals),
        "concurrent starts": _functions,
    }
    for name, part in parts.items():
        bench.say(f"scale: {name}")
        panels += part(bench, amounts)
    if not bench.quick:
        draw(panels, IMAGE)
    note = (
        f"Medians of {amounts.rounds} warm calls (POST, the whole handler) and of {amounts.starts} starts; forests "
        f"have {_TREES} trees unless trees are counted, seed {SEED}."
    )
    image = (
        IMAGE,
        "Cost over trees, features, rows, model size and concurrent starts; the same numbers are in the tables above",
    )
    return Section("scale", [panel.table() for panel in panels], note, goals, images=[image])


def _trees(bench: Bench, amounts: Amounts) -> list[Panel]:
    X, y = load_iris(return_X_y=True)
    curves = []
    for trees in amounts.trees:
        estimator = RandomForestClassifier(trees, random_state=SEED).fit(X, y)
        curves.append(_warm(bench, f"trees-{trees}", estimator, X, amounts.rounds))
    return [Panel("One row, by trees", "trees", "ms", amounts.trees, _joined(curves))]


def _features(bench: Bench, amounts: Amounts) -> list[Panel]:
    curves = []
    for features in amounts.features:
        X, y = make_classification(300, features, n_informative=2, n_redundant=0, random_state=SEED)
        estimator = RandomForestClassifier(random_state=SEED).fit(X, y)
        curves.append(_warm(bench, f"features-{features}", estimator, X, amounts.rounds))
    return [Panel("One row, by features", "features", "ms", amounts.features, _joined(curves))]


def _warm(bench: Bench, name: str, estimator: Any, X: Any, rounds: int) -> dict[str, float]:
    """Milliseconds of one row, of each side."""
    release = bench.publish(name, estimator, X[:3])
    names = [feature.name for feature in release.manifest.signature.features]
    event = post_event(dict(zip(names, X[0].tolist(), strict=True)))
    sides: dict[str, tuple[int, Callable[[], object]]] = {PREDICT: (1, partial(estimator.predict, X[:1]))}
    for model_format in bench.formats:
        sides[f"{model_format} format"] = (1, partial(checked, bench.app(model_format, release), event))
    return _milliseconds(interleaved(sides, rounds))


def _rows(bench: Bench, amounts: Amounts) -> list[Panel]:
    apps = {model_format: bench.app(model_format) for model_format in bench.formats}
    curves = []
    for count in amounts.rows:
        rows = uniform_rows(count)
        event = post_event({"instances": [dict(zip(FEATURES, row, strict=True)) for row in rows]})
        sides: dict[str, tuple[int, Callable[[], object]]] = {
            PREDICT: (1, partial(bench.estimator.predict, np.array(rows)))
        }
        for model_format, app in apps.items():
            sides[f"{model_format} format"] = (1, partial(checked, app, event))
        curves.append(_milliseconds(interleaved(sides, amounts.rounds)))
    return [Panel("Batches, by rows", "rows", "ms", amounts.rows, _joined(curves))]


def _sizes(bench: Bench, amounts: Amounts, *, goals: list[Goal]) -> list[Panel]:
    """Starts of forests that are as large as wanted. ONNX is left out: its conversion of the largest takes minutes."""
    random = np.random.default_rng(SEED)
    start = bench.cold_start("joblib")
    (start.folder / "task" / "from_disk.py").write_text(_FROM_DISK)
    megabytes: list[float] = []
    seconds: dict[str, list[float]] = {"joblib format": [], _DISK: []}
    memory: dict[str, list[float]] = {"joblib format": [], _DISK: []}
    for wanted in amounts.megabytes:
        # A tree whose leaves hold one sample each has two nodes per sample, but one.
        samples = max(2, wanted * MB // (2 * _BYTES_OF_NODE * _TREES))
        X, y = random.random((samples, 4)), random.random(samples)
        estimator = ExtraTreesRegressor(_TREES, max_features=1, random_state=SEED).fit(X, y)
        release = bench.publish(f"size-{wanted}", estimator, X[:3], formats=["joblib"])
        names = [feature.name for feature in release.manifest.signature.features]
        event = post_event(dict(zip(names, X[0].tolist(), strict=True)))
        sized = replace(
            start.with_variables(**variables(BUCKET, release)), command=(*start.command[:-1], json.dumps(event))
        )
        model = bench.folder / MODEL_FILE
        joblib.dump(estimator, model)
        from_disk = replace(sized, command=(*sized.command[:-2], "from_disk.handler", sized.command[-1]))
        sides = {"joblib format": sized, _DISK: from_disk.with_variables(MODEL_FILE=str(model))}
        megabytes.append(round(release.manifest.artifact.size / MB, 1))
        for name, firsts in interleaved_starts(sides, amounts.starts).items():
            seconds[name].append(1000 * times(firsts).median)
            memory[name].append(peak(firsts) / MB)
        if wanted == LARGE:
            goals += _goals_of_large(megabytes[-1], {name: each[-1] for name, each in seconds.items()}, memory)
    return [
        Panel("Cold start, by size of the model", "MB", "ms", megabytes, seconds),
        Panel("Peak memory, by size of the model", "MB", "MB", megabytes, memory),
    ]


def _goals_of_large(
    megabytes: float, seconds: Mapping[str, float], memory: Mapping[str, Sequence[float]]
) -> list[Goal]:
    return [
        at_most(f"peak memory, model of {LARGE} MB, of its size", memory["joblib format"][-1] / megabytes, MOST_MEMORY),
        at_most(
            f"start, model of {LARGE} MB, of joblib from disk", seconds["joblib format"] / seconds[_DISK], MOST_OF_DISK
        ),
    ]


def _functions(bench: Bench, amounts: Amounts) -> list[Panel]:
    """Starts of several functions at the same moment: the slowest of them counts."""
    curves = []
    for count in amounts.functions:
        curve = {}
        for model_format in bench.formats:
            start = bench.cold_start(model_format)
            slowest = []
            for _ in range(amounts.starts):
                with ThreadPoolExecutor(count) as pool:
                    slowest.append(max(first.seconds for first in pool.map(lambda s: s.run(), [start] * count)))
            curve[f"{model_format} format"] = 1000 * Measured(slowest).median
        curves.append(curve)
    return [Panel("Cold starts at the same moment, the slowest", "functions", "ms", amounts.functions, _joined(curves))]


def _milliseconds(found: Mapping[str, Measured]) -> dict[str, float]:
    return {name: 1000 * measured.median for name, measured in found.items()}


def _joined(curves: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [curve[name] for curve in curves] for name in curves[0]}
