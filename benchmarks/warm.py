"""Warm requests: the whole handler, from event to response, against `predict` alone and the guide's handler."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_iris

from benchmarks import guide_function
from benchmarks.alone import checked
from benchmarks.bench import Bench
from benchmarks.cold import EVENT
from benchmarks.measured import Measured, interleaved
from benchmarks.page import Goal, Section, at_most
from model_runtime.manifest import MODEL_FILE
from training.train_iris import FEATURES, GUIDE_EVENT

ROUNDS, QUICK_ROUNDS = 25, 1
CALLS = 40
"""Calls of one row per side and round; the guide's handler, which takes ten times as long, gets fewer."""
FEW_CALLS = 4
BATCH = 1000
SEED = 6
PREDICT, GUIDE = "`predict` alone", "the guide's handler"
MOST_OF_GUIDE = 0.03
MOST_OF_PREDICT = {"joblib": 0.5, "onnx": 0.05}
MOST_OF_BATCH = 1.5

Call = Callable[[], object]


def measure(bench: Bench) -> Section:
    """One row, then a batch, all sides in turn."""
    rounds = QUICK_ROUNDS if bench.quick else ROUNDS
    apps = {model_format: bench.app(model_format) for model_format in bench.formats}
    row = [list(GUIDE_EVENT.values())]
    os.environ["MODEL_FILE"] = str(bench.folder / MODEL_FILE)
    joblib.dump(bench.estimator, os.environ["MODEL_FILE"])

    def sides(
        rows: Any, events: Mapping[str, Mapping[str, Any]], calls: int, *, guide: bool
    ) -> dict[str, tuple[int, Call]]:
        predict = partial(bench.estimator.predict, np.array(rows))
        made: dict[str, tuple[int, Call]] = {PREDICT: (calls, predict)}
        for method, event in events.items():
            if guide:
                made[f"{GUIDE}, {method}"] = (FEW_CALLS, partial(checked, guide_function.handler, event))
            for model_format, app in apps.items():
                made[f"ours, {model_format} format, {method}"] = (calls, partial(checked, app, event))
        return made

    one_events = {"GET": get_event(GUIDE_EVENT), "POST": EVENT}
    batch = uniform_rows(BATCH)
    batch_events = {"POST": post_event({"instances": [dict(zip(FEATURES, one, strict=True)) for one in batch]})}
    one = interleaved(sides(row, one_events, CALLS, guide=True), rounds)
    many = interleaved(sides(batch, batch_events, 1, guide=False), rounds)
    note = (
        f"In one process, {rounds} rounds of all sides in turn after one that is not counted, each with {CALLS} calls "
        f"of one row ({FEW_CALLS} of the guide's handler) or one call of {BATCH:,} rows (uniform within the range of "
        f"Iris, seed {SEED}). Median (first to third quartile)."
    )
    return Section("warm", [_table(one, many)], note, goals(one, many, bench.formats))


def goals(one: Mapping[str, Measured], many: Mapping[str, Measured], formats: Sequence[str]) -> list[Goal]:
    """What the figures say of the goals; of GET and POST the slower counts."""
    found = []
    for model_format in formats:
        slowest = max(one[f"ours, {model_format} format, {method}"].median for method in ("GET", "POST"))
        if model_format == "joblib":
            fastest_guide = min(one[f"{GUIDE}, {method}"].median for method in ("GET", "POST"))
            found.append(
                at_most("warm, one row, joblib format, of the recipe's handler", slowest / fastest_guide, MOST_OF_GUIDE)
            )
        limit = MOST_OF_PREDICT[model_format]
        found.append(
            at_most(f"warm, one row, {model_format} format, of `predict` alone", slowest / one[PREDICT].median, limit)
        )
    for model_format in formats:
        ratio = many[f"ours, {model_format} format, POST"].median / many[PREDICT].median
        found.append(at_most(f"warm, {BATCH:,} rows, {model_format} format, of `predict` alone", ratio, MOST_OF_BATCH))
    return found


def get_event(values: Mapping[str, Any]) -> dict[str, Any]:
    """GET with these values as query string, as API Gateway passes it on."""
    query = {name: str(value) for name, value in values.items()}
    several = {name: [value] for name, value in query.items()}
    return {
        **EVENT,
        "httpMethod": "GET",
        "queryStringParameters": query,
        "multiValueQueryStringParameters": several,
        "body": None,
    }


def post_event(content: object) -> dict[str, Any]:
    """POST with this as JSON body, as API Gateway passes it on."""
    return {**EVENT, "body": json.dumps(content)}


def uniform_rows(count: int) -> list[list[float]]:
    """Rows (count, 4), uniform within the range of each feature of Iris, in cm with one decimal."""
    X = load_iris().data
    random = np.random.default_rng(SEED)
    rows: list[list[float]] = random.uniform(X.min(axis=0), X.max(axis=0), (count, X.shape[1])).round(1).tolist()
    return rows


def _table(one: Mapping[str, Measured], many: Mapping[str, Measured]) -> list[list[str]]:
    table = [["side", "one row", "of `predict`", f"{BATCH:,} rows", "of `predict`"]]
    for name, measured in one.items():
        batch = many.get(name)
        share = measured.median / one[PREDICT].median
        batch_cells = [batch.quartiles(), f"{batch.median / many[PREDICT].median:.2f}"] if batch else ["-", "-"]
        table.append([name, measured.quartiles(), f"{share:.3f}", *batch_cells])
    return table
