"""The forms of a model beside its joblib file, made and tried when it is published.

What is stored was loaded again and asked the golden examples, by the code that the function answers with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_registry import skops_model
from model_registry.environment import with_packages
from model_registry.errors import PublishError
from model_registry.estimator import Description
from model_registry.manifest import SKOPS_FILE, Artifact, Engine, EngineName, Prediction, digest
from model_registry.prediction import Predictor, same_prediction


@dataclass(frozen=True)
class Form:
    """An engine's file, and what the manifest says of it."""

    name: EngineName
    engine: Engine
    data: bytes


def further_forms(
    estimator: Any, described: Description, engines: Sequence[str], *, lock: Path | None = None
) -> list[Form]:
    """Make the forms asked for beside the joblib file; PublishError where one cannot be made, or answers otherwise."""
    forms = []
    if "skops" in engines:
        forms.append(_skops(estimator, described, lock))
    return forms


def _skops(estimator: Any, described: Description, lock: Path | None) -> Form:
    data = skops_model.dump(estimator)
    types = skops_model.untrusted_types(data)
    for example, answer in zip(described.examples, _answers_again(data, types, estimator, described), strict=True):
        if not same_prediction(answer, example.output):
            raise PublishError(
                f"the {type(estimator).__name__} that skops has read again answers {example.input} with {answer}, "
                f"not with {example.output}: leave out `--skops`"
            )
    engine = Engine(
        artifact=_artifact(SKOPS_FILE, data),
        environment=with_packages(described.environment, skops_model.PACKAGES, lock=lock),
        untrusted_types=types,
    )
    return Form("skops", engine, data)


def _answers_again(data: bytes, types: Sequence[str], estimator: Any, described: Description) -> list[Prediction]:
    names = [feature.name for feature in described.signature.features]
    rows = [tuple(example.input[name] for name in names) for example in described.examples]
    try:
        # It was made just now from the caller's own object: its types are trusted as far as the object is.
        return Predictor(skops_model.load(data, types, what=SKOPS_FILE), described.signature).predict(rows)
    except Exception as error:  # skops rebuilds objects by their own code, which can raise anything
        raise PublishError(
            f"skops cannot read this {type(estimator).__name__} again ({type(error).__name__}: {error}): "
            "leave out `--skops`"
        ) from error


def _artifact(file: str, data: bytes) -> Artifact:
    return Artifact(file=file, sha256=digest(data), size=len(data))
