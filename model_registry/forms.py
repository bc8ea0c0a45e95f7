"""The forms of a model beside its joblib file, made and tried when it is published.

What is stored was loaded again and asked the golden examples, by the code that the function answers with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from model_registry import skops_model
from model_registry.environment import with_packages
from model_registry.errors import PublishError
from model_registry.estimator import Description
from model_registry.manifest import ONNX_FILE, SKOPS_FILE, Artifact, Engine, EngineName, Prediction, digest
from model_registry.prediction import Predictor, same_prediction
from model_registry.schema import Row

_ONNX_PACKAGES = ("numpy", "onnxruntime")
"""All that answering needs: what else onnxruntime requires is for its tools (a test starts the function with these)."""
_ONNX_PYTHON = "3.12"


@dataclass(frozen=True)
class Form:
    """An engine's file, and what the manifest says of it."""

    name: EngineName
    engine: Engine
    data: bytes


def further_forms(
    estimator: Any, described: Description, engines: Sequence[str], given: Callable[[], list[Row]], *, lock: Path | None
) -> list[Form]:
    """Make the forms asked for beside the joblib file; PublishError where one cannot be made, or answers otherwise.

    `given` gives rows that the estimator can be asked, for the comparison with what it is converted to.
    """
    forms = []
    if "skops" in engines:
        forms.append(_skops(estimator, described, lock))
    if "onnx" in engines:
        forms.append(_onnx(estimator, described, given(), lock))
    return forms


def _onnx(estimator: Any, described: Description, given: Sequence[Row], lock: Path | None) -> Form:
    from model_registry.onnx_conversion import convert

    converted = convert(estimator, described.signature, given)
    # Nothing is unpickled: neither the packages nor the Python of the training are needed.
    bare = msgspec.structs.replace(
        described.environment, python=_onnx_python(described.environment.python), packages={}
    )
    engine = Engine(
        artifact=_artifact(ONNX_FILE, converted.data),
        environment=with_packages(bare, _ONNX_PACKAGES, lock=lock),
        replay=converted.replay,
    )
    return Form("onnx", engine, converted.data)


def _onnx_python(python: str) -> str:
    """The Python that serves it: that of the training, but never one before 3.12.

    Lambda's python3.11 runs on Amazon Linux 2 with glibc 2.26, which onnxruntime's wheels (manylinux_2_27) do not.
    """
    return max(python, _ONNX_PYTHON, key=lambda text: tuple(map(int, text.split("."))))


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
