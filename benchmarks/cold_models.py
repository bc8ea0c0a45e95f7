"""Cold starts of the models that people have, each against the recipe with the packages of that model in its layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import guide
from benchmarks.bench import BUCKET, Bench
from benchmarks.cold import ARCHITECTURE, ColdStart, prepare
from benchmarks.models import LIGHTGBM, SEED, cases, event_of, importable
from model_registry import Release
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import FormatName

RECIPE = "the recipe"


@dataclass(frozen=True)
class Model:
    """A fitted model, what it was fitted on, the recipe's handler for it, and the formats that are measured."""

    name: str
    estimator: Any
    X: Any
    handler: str
    formats: Sequence[FormatName] = ("joblib",)


def models(*, quick: bool) -> Iterator[Model]:
    """The models; `quick` does without those that have to be fetched."""
    if quick:
        return
    name, case = next(cases(quick=False))
    yield Model(name, case.estimator, case.X.dropna(), "frame_from_bucket")
    yield Model(f"{name}, in ONNX", case.estimator, case.X.dropna(), "frame_from_bucket", ("joblib", "onnx"))
    X, y = load_iris(return_X_y=True)
    with importable(*LIGHTGBM):
        boosted = import_module("lightgbm").LGBMClassifier(verbose=-1, random_state=SEED)
        model = make_pipeline(StandardScaler(), boosted).fit(X, y)
        yield Model("scaler, LightGBM", model, X, "rows_from_bucket")


def starts(bench: Bench, model: Model, number: int) -> dict[str, ColdStart]:
    """The recipe's start and ours in each format; PublishError for what is not published here."""
    release = bench.publish(f"cold-{number}", model.estimator, model.X[:20], formats=model.formats)
    names = [feature.name for feature in release.manifest.signature.features]
    event = event_of(model.X[:1], names)
    folder = bench.folder / f"cold-{number}"
    ours: dict[str, ColdStart] = {
        model_format: prepare(bench.aws, folder / model_format, BUCKET, release, model_format=model_format, event=event)
        for model_format in model.formats
    }
    return {RECIPE: _recipe(bench, model, release, ours["joblib"], event), **ours}


def _recipe(bench: Bench, model: Model, release: Release, ours: ColdStart, event: Any) -> ColdStart:
    environment = release.manifest.environment
    spec = LayerSpec(environment.python, ARCHITECTURE, tuple(environment.packages.items()))
    folder = bench.folder / f"recipe-{release.manifest.name}"
    opt = guide.unpack(folder / "layer", spec)
    more = {"bucket": BUCKET, "release": release, "handler": model.handler, "event": event}
    return guide.cold_start(folder / "function", opt, ours, bench.aws, **more)
