"""The forms of a model beside its joblib file, made and tried when it is published.

What is stored was loaded again and asked the golden examples, by the code that the function answers with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from model_registry.publish.environment import with_packages
from model_registry.publish.estimator import Description
from model_runtime.errors import PublishError
from model_runtime.formats import skops as skops_format
from model_runtime.manifest import (
    ONNX_FILE,
    SKOPS_FILE,
    Artifact,
    FormatName,
    ModelFormat,
    Prediction,
    Signature,
    digest,
)
from model_runtime.prediction import Predictor, same_prediction
from model_runtime.schema import Row

_ONNX_PACKAGES = ("numpy", "onnxruntime")
"""All that answering needs: what else onnxruntime requires is for its tools (a test starts the function with these)."""
_ONNX_PYTHON = "3.12"


@dataclass(frozen=True)
class Form:
    """A format's file, and what the manifest says of it."""

    name: FormatName
    model_format: ModelFormat
    data: bytes


def further_forms(
    estimator: Any, described: Description, formats: Sequence[str], given: Callable[[], list[Row]], *, lock: Path | None
) -> list[Form]:
    """Make the forms asked for beside the joblib file; PublishError where one cannot be made, or gives other answers.

    `given` gives rows that the estimator can be asked, for the comparison with what it is converted to.
    """
    forms = []
    if "skops" in formats:
        forms.append(_skops(estimator, described, lock))
    if "onnx" in formats:
        forms.append(_onnx(estimator, described, given(), lock))
    return forms


def _onnx(estimator: Any, described: Description, given: Sequence[Row], lock: Path | None) -> Form:
    from model_registry.publish.onnx import convert

    _check_convertible(estimator, described.signature)
    converted = convert(estimator, described.signature, given)
    # Nothing is unpickled: neither the packages nor the Python of the training are needed.
    bare = msgspec.structs.replace(
        described.environment, python=_onnx_python(described.environment.python), packages={}
    )
    model_format = ModelFormat(
        artifact=_artifact(ONNX_FILE, converted.data),
        environment=with_packages(bare, _ONNX_PACKAGES, lock=lock),
        replay=converted.replay,
    )
    return Form("onnx", model_format, converted.data)


def _check_convertible(estimator: Any, signature: Signature) -> None:
    """PublishError for what the ONNX format cannot serve, whatever the estimator."""
    unserved = [f"the output {method}" for method in signature.methods]
    unserved += ["a model without predict"] if signature.output is None else []
    unserved += ["answers that are not finite"] if signature.null_outputs else []
    unserved += [f"the time {feature.name}" for feature in signature.features if feature.type == "datetime"]
    unserved += [f"the category {feature.name}" for feature in signature.features if feature.categories is not None]
    if unserved:
        raise PublishError(
            f"this {type(estimator).__name__} cannot be served as ONNX ({', '.join(unserved)}): leave out `--onnx`"
        )


def _onnx_python(python: str) -> str:
    """The Python that serves it: that of the training, but never one before 3.12.

    Lambda's python3.11 runs on Amazon Linux 2 with glibc 2.26, which onnxruntime's wheels (manylinux_2_27) do not.
    """
    return max(python, _ONNX_PYTHON, key=lambda text: tuple(map(int, text.split("."))))


def _skops(estimator: Any, described: Description, lock: Path | None) -> Form:
    data = skops_format.dump(estimator)
    types = skops_format.untrusted_types(data)
    for example, answer in zip(described.examples, _answers_again(data, types, estimator, described), strict=True):
        if not same_prediction(answer, example.output):
            raise PublishError(
                f"the {type(estimator).__name__} that skops has read again answers {example.input} with {answer}, "
                f"not with {example.output}: leave out `--skops`"
            )
    model_format = ModelFormat(
        artifact=_artifact(SKOPS_FILE, data),
        environment=with_packages(described.environment, skops_format.PACKAGES, lock=lock),
        untrusted_types=types,
    )
    return Form("skops", model_format, data)


def _answers_again(data: bytes, types: Sequence[str], estimator: Any, described: Description) -> list[Prediction]:
    names = [feature.name for feature in described.signature.features]
    rows = [tuple(example.input[name] for name in names) for example in described.examples]
    try:
        # It was made just now from the caller's own object: its types are trusted as far as the object is.
        return Predictor(skops_format.load(data, types, what=SKOPS_FILE), described.signature).predict(rows)
    except Exception as error:  # skops rebuilds objects by their own code, which can raise anything
        raise PublishError(
            f"skops cannot read this {type(estimator).__name__} again ({type(error).__name__}: {error}): "
            "leave out `--skops`"
        ) from error


def _artifact(file: str, data: bytes) -> Artifact:
    return Artifact(file=file, sha256=digest(data), size=len(data))
