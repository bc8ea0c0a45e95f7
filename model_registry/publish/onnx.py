"""Convert an estimator to ONNX, and prove on many rows that it answers the same, before anything is stored.

ONNX computes in float32 where scikit-learn computes in float64, or in both: forests round their inputs to float32 and
then compare them with float64 thresholds, linear models never round. Which types fit is not guessed from the
estimator's name: a few are tried, and the first that gives the same answer for every row is used.
"""

import copy
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from sklearn.base import is_classifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline

from model_registry.publish.boosting import register_converters, rounds_inputs
from model_registry.publish.onnx_comparison import Differences, ManyRefusalsError, answers, compare
from model_registry.publish.rows import UNIFORM_ROWS, replay_rows, splits, walk
from model_runtime.errors import PublishError
from model_runtime.formats import Predicts
from model_runtime.formats.onnx import Contract, OnnxPredictor
from model_runtime.manifest import Prediction, Replay, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Row

NO_SKL2ONNX = "converting a model needs skl2onnx and onnxruntime: `pip install 'sklearn-on-lambda[onnx]'`"

# Operators that onnxruntime has had since 1.14; of the second domain the last version that it has all converters for.
_OPSETS = {"": 18, "ai.onnx.ml": 3}
# What scikit-learn's default token pattern means, for RE2, whose \w and \b know ASCII only.
_DEFAULT_PATTERN, _SAME_IN_RE2 = r"(?u)\b\w\w+\b", r"[\p{L}\p{N}_][\p{L}\p{N}_]+"
_CLASS = re.compile(r"<class '([\w.]+)'>")

Number = Literal["float", "double"]


@dataclass(frozen=True)
class Converted:
    """A model that answered every row as its estimator did."""

    data: bytes
    replay: Replay


def convert(estimator: Any, signature: Signature, given: Sequence[Row]) -> Converted:
    """Convert a fitted estimator, and compare the two.

    Args:
        estimator: what is converted; of a search, what it found.
        signature: the estimator's.
        given: rows that it can be asked; others are added (`replay_rows`).

    Raises:
        PublishError: it cannot be converted, or gives other answers; the error then shows some of the rows with both.

    """
    _require_converter()
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    _check(estimator, signature)
    register_converters(walk(estimator))
    rows = replay_rows(estimator, signature, given)
    original = Predictor(estimator, signature)
    try:
        expected = answers(original, rows)
    except ManyRefusalsError as error:
        raise PublishError(
            f"the {_name(estimator)} refuses too many rows in the range of X_example ({error}), and at least "
            f"{UNIFORM_ROWS} are compared: give more rows as X_train, or leave out `--onnx`"
        ) from error
    contract = _contract(estimator, signature, expected, largest=_largest(original, signature, given[0]))
    failures: list[str] = []
    closest: Differences | None = None
    for data in _candidates(estimator, signature, contract, failures):
        try:
            found = compare(rows, expected, answers(OnnxPredictor(data, signature), rows))
        except Exception as error:  # noqa: BLE001  # onnxruntime has its own exceptions for a graph that does not fit
            failures.append(_reason(error))
            continue
        if isinstance(found, Replay):
            return Converted(data, found)
        if closest is None or len(found.rows) < len(closest.rows):
            closest = found
    if closest is None:
        raise PublishError(f"the {_name(estimator)} cannot be converted to ONNX ({failures[0]}): leave out `--onnx`")
    names = [feature.name for feature in signature.features]
    raise PublishError(
        f"the {_name(estimator)} answers {len(closest.rows)} of {closest.of} rows differently once converted to "
        f"ONNX: {closest.shown(names)}. Nothing was published: leave out `--onnx`"
    )


def _require_converter() -> None:
    try:
        import onnxruntime  # noqa: F401  # imported only to say how it is installed
        import skl2onnx  # noqa: F401  # as above
    except ImportError as error:
        raise PublishError(NO_SKL2ONNX) from error


def _check(estimator: Any, signature: Signature) -> None:
    if not all(math.isfinite(threshold) for _, threshold in splits(estimator)):
        # skl2onnx searches for a float32 next to infinity, without end.
        raise PublishError(
            f"a tree of the {_name(estimator)} splits only between present and missing values, which ONNX cannot "
            "express: fill in missing values first, for example with SimpleImputer, or leave out `--onnx`"
        )
    if signature.output_labels is not None:
        raise PublishError(
            f"the {_name(estimator)} has several outputs with probabilities, which are not converted to ONNX: "
            "publish a model for each output, or leave out `--onnx`"
        )
    for feature in signature.features:
        if feature.nullable and feature.type in {"string", "boolean"}:
            raise PublishError(
                f"feature {feature.name!r} is a {feature.type} that may be null, which ONNX cannot express: give "
                "X_example without missing values there, or leave out `--onnx`"
            )


def _contract(
    estimator: Any, signature: Signature, expected: Sequence[Prediction | None], *, largest: float | None
) -> Contract:
    types = {feature.type for feature in signature.features}
    is_array = signature.container != "dataframe" and ("string" not in types or len(types) == 1)
    classes = getattr(estimator, "classes_", None)
    first = next(answer for answer in expected if answer is not None)
    return Contract(
        inputs="array" if is_array else "columns",
        classes=None if signature.labels is None or classes is None else tuple(classes.tolist()),
        flat=not isinstance(first.label if first.value is None else first.value, list),
        largest=largest,
    )


def _largest(original: Predicts, signature: Signature, row: Row) -> float | None:
    """The largest float32, if the estimator refuses larger numbers."""
    largest = float(np.finfo(np.float32).max)
    for index, feature in enumerate(signature.features):
        if feature.type == "number":
            try:
                original.predict([(*row[:index], 2 * largest, *row[index + 1 :])])
            except ValueError:
                return largest
    return None


def _candidates(estimator: Any, signature: Signature, contract: Contract, failures: list[str]) -> Iterator[bytes]:
    """Conversions of an estimator, the likeliest first; adds to `failures` why others failed."""
    from model_registry.publish.onnx_graph import finish  # it imports onnx, which is an extra

    options: dict[int, dict[str, Any]] = {}
    if signature.container == "list":
        estimator, contract, options = _of_texts(estimator, contract)
    for number, integer in _types(estimator, signature):
        try:
            model = _converted(estimator, _initial_types(signature, contract, number, integer), options)
            yield finish(model, estimator, contract, is_double=number == "double")
        except Exception as error:  # noqa: BLE001  # a converter can raise anything for what it does not know
            failures.append(_reason(error))


def _of_texts(estimator: Any, contract: Contract) -> tuple[Any, Contract, dict[int, dict[str, Any]]]:
    """Let Python lowercase the texts, and not the graph: that needs the locale `en_US.UTF-8`, which Lambda lacks."""
    estimator = copy.deepcopy(estimator)
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(first, CountVectorizer):
        return estimator, contract, {}
    contract = msgspec.structs.replace(contract, lower=bool(first.lowercase))
    first.lowercase = False
    is_default = first.token_pattern == _DEFAULT_PATTERN and first.analyzer == "word"
    return estimator, contract, {id(first): {"tokenexp": _SAME_IN_RE2}} if is_default else {}


def _types(estimator: Any, signature: Signature) -> Iterator[tuple[Number, Literal["number", "int64"]]]:
    """Which types stand for numbers and integers; trees alone take float32, everything else computes in float64."""
    is_tree = any(hasattr(each, "tree_") for each in (estimator, *_flat(estimator))) or rounds_inputs(estimator)
    numbers: tuple[Number, ...] = ("float", "double") if is_tree else ("double", "float")
    has_integers = signature.container == "dataframe" and any(each.type == "integer" for each in signature.features)
    for number in numbers:
        if has_integers:
            yield number, "int64"
        yield number, "number"


def _flat(estimator: Any) -> list[Any]:
    parts = getattr(estimator, "estimators_", ())
    return list(parts.ravel()) if isinstance(parts, np.ndarray) else list(parts)


def _initial_types(
    signature: Signature, contract: Contract, number: Number, integer: Literal["number", "int64"]
) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

    numbers = {"float": FloatTensorType, "double": DoubleTensorType}[number]
    if contract.inputs == "array":
        kind = StringTensorType if signature.features[0].type == "string" else numbers
        return [("rows", kind([None, len(signature.features)]))]
    kinds = {"string": StringTensorType, "integer": Int64TensorType if integer == "int64" else numbers}
    return [
        (feature.name, (numbers if feature.nullable else kinds.get(feature.type, numbers))([None, 1]))
        for feature in signature.features
    ]


def _converted(estimator: Any, types: list[tuple[str, Any]], options: dict[int, dict[str, Any]]) -> Any:
    from skl2onnx import convert_sklearn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skl2onnx uses deprecated parts of numpy, onnx and scikit-learn
        if not is_classifier(estimator):
            return convert_sklearn(estimator, initial_types=types, options=options or None, target_opset=_OPSETS)
        try:
            plain = {**options, id(estimator): {**options.get(id(estimator), {}), "zipmap": False}}
            return convert_sklearn(estimator, initial_types=types, options=plain, target_opset=_OPSETS)
        except NameError:  # what it says of an option that an estimator does not have
            last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
            plain = {**options, id(last): {"raw_scores": False}}  # else it sets zipmap itself, and fails on that again
            return convert_sklearn(estimator, initial_types=types, options=plain, target_opset=_OPSETS)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    lacking = _CLASS.search(str(error))
    if lacking and ("shape calculator" in lines[0] or "converter" in lines[0]):
        return f"skl2onnx has no converter for {lacking[1]}"
    return f"{type(error).__name__}: {lines[0]}"


def _name(estimator: Any) -> str:
    return type(estimator).__name__
