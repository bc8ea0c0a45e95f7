"""Cold starts of the models that people have, each against the recipe with the packages of that model in its layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pandas as pd
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import guide
from benchmarks.bench import BUCKET, Bench
from benchmarks.cold import ARCHITECTURE, ColdStart, prepare
from benchmarks.models import LIGHTGBM, SEED, TREES, Case, event_of, frames, importable, publish
from model_registry import Release
from model_registry.lambda_packages.spec import LayerSpec

RECIPE = "the recipe"


@dataclass(frozen=True)
class Model:
    """A fitted model, and the recipe's handler for it."""

    name: str
    case: Case
    handler: str


def models(*, quick: bool) -> Iterator[Model]:
    """The models; `quick` does without those that have to be fetched."""
    if quick:
        return
    for name, case in frames(TREES).items():
        yield Model(name, case, "frame_from_bucket")
    X, y = load_iris(return_X_y=True)
    with importable(*LIGHTGBM):
        boosted = import_module("lightgbm").LGBMClassifier(verbose=-1, random_state=SEED)
        model = make_pipeline(StandardScaler(), boosted).fit(X, y)
        yield Model("scaler, LightGBM", Case(model, X, {}), "rows_from_bucket")


def starts(bench: Bench, model: Model, number: int) -> dict[str, ColdStart]:
    """The recipe's start and ours in each format; PublishError for what is not published here."""
    release = publish(bench, model.name, model.case)
    names = [feature.name for feature in release.manifest.signature.features]
    X = model.case.X
    event = event_of((X.dropna() if isinstance(X, pd.DataFrame) else X)[:1], names)  # the recipe knows of no null
    folder = bench.folder / f"cold-{number}"
    ours: dict[str, ColdStart] = {
        model_format: prepare(bench.aws, folder / model_format, BUCKET, release, model_format=model_format, event=event)
        for model_format in model.case.formats
    }
    return {RECIPE: _recipe(bench, model, release, ours["joblib"], event), **ours}


def _recipe(bench: Bench, model: Model, release: Release, ours: ColdStart, event: Any) -> ColdStart:
    environment = release.manifest.environment
    spec = LayerSpec(environment.python, ARCHITECTURE, tuple(environment.packages.items()))
    folder = bench.folder / f"recipe-{release.manifest.name}"
    opt = guide.unpack(folder / "layer", spec)
    more = {"bucket": BUCKET, "release": release, "handler": model.handler, "event": event}
    return guide.cold_start(folder / "function", opt, ours, bench.aws, **more)
