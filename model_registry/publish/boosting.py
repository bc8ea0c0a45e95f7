"""LightGBM, XGBoost and CatBoost: what their trees compare, and how skl2onnx converts them.

None of the three is imported here: their estimators are known by where their classes come from.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from model_runtime.errors import PublishError
from model_runtime.feature_values import LARGEST

TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
"""ONNX's operators that walk trees."""

_LIGHTGBM_ZERO = float(np.float32(1e-35))  # kZeroThreshold in its include/LightGBM/meta.h
_LIBRARIES = ("lightgbm", "xgboost", "catboost")


def library_of(estimator: Any) -> str | None:
    """`lightgbm`, `xgboost` or `catboost`, also for a class derived from one of theirs; None for any other."""
    names = {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}
    return next((name for name in _LIBRARIES if name in names), None)


def rounds_inputs(estimator: Any) -> bool:
    """Whether it rounds its inputs to float32 before it compares them: LightGBM compares in float64."""
    return library_of(estimator) in {"xgboost", "catboost"}


def thresholds(estimator: Any) -> Iterator[tuple[int, float]]:
    """The number of a feature and a threshold, for each inner node of its trees that compares numbers."""
    library = library_of(estimator)
    found = _THRESHOLDS[library](estimator) if library and _is_fitted(estimator) else ()
    # What no request can have splits present from missing values.
    yield from ((feature, threshold) for feature, threshold in found if abs(threshold) <= LARGEST)


def _is_fitted(estimator: Any) -> bool:
    """What a stack or a search was given is not: it fits copies."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def register_converters(parts: Iterable[Any]) -> None:
    """Let skl2onnx convert those estimators that are of these libraries.

    PublishError where onnxmltools is needed and not installed, or for what a library has that is never converted.
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    for part in parts:
        library = library_of(part)
        if library is None:
            continue
        is_labelled = is_classifier(part)
        update_registered_converter(
            type(part),
            f"{library}_{type(part).__qualname__}",
            calculate_linear_classifier_output_shapes if is_labelled else calculate_linear_regressor_output_shapes,
            _converter(library, part),
            parser=_parsed_catboost if library == "catboost" and is_labelled else None,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if is_labelled else {"split": None},
        )


def _converter(library: str, part: Any) -> Callable[..., None]:
    refused = _REFUSALS[library](part)
    if refused:
        raise PublishError(f"the {type(part).__name__} cannot be converted to ONNX: {refused}, or leave out `--onnx`")
    if library == "catboost":
        return _convert_catboost
    try:
        import onnxmltools  # noqa: F401  # imported only to say how it is installed
    except ImportError as error:
        raise PublishError(
            f"converting a model of {library} to ONNX needs onnxmltools: `pip install onnxmltools`"
        ) from error
    return _convert_lightgbm if library == "lightgbm" else _convert_xgboost


def _why_not_xgboost(part: Any) -> str:
    booster = part.get_params().get("booster")
    if booster in {"dart", "gblinear"}:
        return f"there is no converter for booster={booster!r}: train with booster='gbtree'"
    return ""


def _why_not_catboost(part: Any) -> str:
    if not _is_fitted(part):
        return ""
    if part.get_cat_feature_indices():
        return "CatBoost does not write categories to ONNX: encode them in a step before it"
    classes = np.asarray(part.classes_)
    if classes.dtype.kind in "bf" and classes.size:
        return f"CatBoost writes no classes such as {classes.tolist()} to ONNX: train with whole numbers or texts"
    return ""


def _convert_lightgbm(scope: Any, operator: Any, container: Any) -> None:
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx.common.data_types import DoubleTensorType

    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    convert_lightgbm(scope, operator, _InFloat64(container) if is_double else container)


def _convert_xgboost(scope: Any, operator: Any, container: Any) -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    unnamed = copy.copy(operator)
    unnamed.raw_operator = copy.deepcopy(operator.raw_operator)
    unnamed.raw_operator.get_booster().feature_names = None  # the converter knows f0, f1 and no names of columns
    convert_xgboost(scope, unnamed, container)


def _parsed_catboost(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:  # noqa: ARG001  # as skl2onnx calls it
    """Declare label and probabilities: skl2onnx does so by itself for what derives from scikit-learn's classifiers."""
    from skl2onnx._supported_operators import _get_sklearn_operator_name
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type

    operator = scope.declare_local_operator(_get_sklearn_operator_name(type(model)), model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", guess_tensor_type(inputs[0].type)))
    return operator.outputs


def _convert_catboost(scope: Any, operator: Any, container: Any) -> None:
    from catboost.utils import convert_to_onnx_object
    from onnx import helper

    graph = convert_to_onnx_object(operator.raw_operator).graph
    (trees,) = (node for node in graph.node if node.op_type in TREES)
    attributes = {each.name: helper.get_attribute_value(each) for each in trees.attribute}
    container.add_node(
        trees.op_type,
        operator.input_full_names,
        operator.output_full_names,
        op_domain="ai.onnx.ml",
        name=scope.get_unique_operator_name(trees.op_type),
        **attributes,
    )


class _InFloat64:
    """A container of skl2onnx whose trees keep their numbers in float64."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, kind: str, inputs: Any, outputs: Any, **given: Any) -> None:
        if kind in TREES:
            given.pop("nodes_hitrates", None)  # it has to have the thresholds' type, and nothing reads it
            for name in ("nodes_values", "class_weights", "target_weights", "base_values"):
                if name in given:
                    given[f"{name}_as_tensor"] = _tensor(name, given.pop(name))
        self._container.add_node(kind, inputs, outputs, **given)


def _tensor(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    exact = np.array(values, dtype=np.float64)
    if name == "nodes_values":
        # LightGBM reads what is as near to zero as this as zero, before it compares.
        exact[(exact >= -_LIGHTGBM_ZERO) & (exact < 0)] = np.nextafter(-_LIGHTGBM_ZERO, -1)
        exact[(exact >= 0) & (exact <= _LIGHTGBM_ZERO)] = _LIGHTGBM_ZERO
    return numpy_helper.from_array(exact, f"{name}_as_tensor")


def _of_lightgbm(estimator: Any) -> Iterator[tuple[int, float]]:
    todo = [tree["tree_structure"] for tree in estimator.booster_.dump_model()["tree_info"]]
    while todo:
        node = todo.pop()
        if "split_feature" in node:
            todo += [node["left_child"], node["right_child"]]
            if node["decision_type"] == "<=":
                yield node["split_feature"], node["threshold"]


def _of_xgboost(estimator: Any) -> Iterator[tuple[int, float]]:
    booster = json.loads(estimator.get_booster().save_raw("json"))["learner"]["gradient_booster"]
    booster = booster.get("gbtree", booster)  # where trees are dropped, one is inside the other
    for tree in booster["model"].get("trees", ()):
        nodes = zip(
            tree["left_children"], tree["split_type"], tree["split_indices"], tree["split_conditions"], strict=True
        )
        yield from ((feature, value) for left, kind, feature, value in nodes if left >= 0 and kind == 0)


def _of_catboost(estimator: Any) -> Iterator[tuple[int, float]]:
    yield from ((feature, border) for feature, borders in estimator.get_borders().items() for border in borders)


_THRESHOLDS: dict[str, Callable[[Any], Iterator[tuple[int, float]]]] = {
    "lightgbm": _of_lightgbm,
    "xgboost": _of_xgboost,
    "catboost": _of_catboost,
}
_REFUSALS: dict[str, Callable[[Any], str]] = {
    "lightgbm": lambda _part: "",
    "xgboost": _why_not_xgboost,
    "catboost": _why_not_catboost,
}
