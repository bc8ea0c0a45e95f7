"""What a model gives: which of its methods are served, its labels, how many outputs it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import msgspec
import numpy as np
from sklearn.base import is_regressor

from model_registry.publish.answers import RawOutputs, ask
from model_registry.publish.tables import Table
from model_runtime.errors import PublishError
from model_runtime.manifest import Label, Method, Signature
from model_runtime.schema import label_names

METHODS: tuple[Method, ...] = get_args(Method)
_ALIASES = {"return_std": "std"}
_WITHOUT_PREDICT: tuple[Method, ...] = ("transform", "kneighbors", "score_samples", "decision_function")
"""What is served of an estimator that has no `predict`: the first of these that it has."""
_QUANTILES = "quantiles="


@dataclass(frozen=True)
class Outputs:
    """What comes out: a signature without features, and what the estimator returned for the rows of X_example."""

    signature: Signature
    raw: RawOutputs


def outputs_of(
    estimator: Any,
    table: Table,
    *,
    class_names: Sequence[Label] | None = None,
    outputs: Sequence[str] | None = None,
) -> Outputs:
    """What comes out of an estimator, which is asked once; PublishError for outputs that it lacks.

    `outputs` names methods: `predict`, `predict_proba`, `decision_function`, `score_samples`, `transform`, `std` (which
    is `predict(return_std=True)`), `kneighbors`, `quantiles=0.1,0.5,0.9`. By default `predict`, and `predict_proba`
    where its columns have names.
    """
    wanted = _wanted(estimator, outputs)
    predicts, tells = "predict" in wanted, "predict_proba" in wanted or outputs is None
    quantiles = _quantiles(wanted)
    methods = tuple(name for name in METHODS if name in wanted or (name == "quantiles" and quantiles))
    output: Any = ("value" if is_regressor(estimator) else "label") if predicts else None
    bare = Signature(features=(), output=output, methods=methods, quantiles=quantiles)
    raw = ask(estimator, table, bare)
    targets = _targets(estimator, raw.predicted, table) if predicts else None
    is_several = targets is not None and targets > 1
    labels = _labels(estimator, class_names, is_several=is_several or output != "label")
    lists = getattr(estimator, "classes_", None) if is_several and output == "label" else None
    named = (labels is not None or isinstance(lists, list)) and hasattr(estimator, "predict_proba")
    tables = _tables(estimator, table) if tells and named else None
    output_labels = _output_labels(lists, tables)
    has_tables = tables is not None and (labels is not None or output_labels is not None)
    if "predict_proba" in wanted and not has_tables:
        raise PublishError(
            f"the probabilities of this {type(estimator).__name__} have no single list of classes: "
            "leave out predict_proba"
        )
    raw = replace(raw, probabilities=tables if has_tables else None)
    _check_width(estimator, raw, labels)
    signature = msgspec.structs.replace(
        bare,
        targets=targets,
        labels=labels,
        probabilities=has_tables,
        output_labels=output_labels,
        null_outputs=_gives_null(raw),
    )
    return Outputs(signature, raw)


def _check_width(estimator: Any, raw: RawOutputs, labels: Sequence[Label] | None) -> None:
    """PublishError where there are more probabilities than classes, as LightGBM gives after one class only."""
    if labels is None or raw.probabilities is None:
        return
    columns = np.asarray(raw.probabilities).shape[1]
    if columns != len(labels):
        raise PublishError(
            f"predict_proba of this {type(estimator).__name__} gives {columns} columns for the classes {list(labels)}: "
            "train it on rows of at least two classes, or serve `--output predict` alone"
        )


def check_has_output(estimator: Any) -> None:
    """PublishError unless the estimator has something to serve."""
    if not any(hasattr(_last(estimator), name) for name in ("predict", *_WITHOUT_PREDICT)):
        raise PublishError(
            f"a {type(estimator).__name__} has neither predict nor any of {', '.join(_WITHOUT_PREDICT)}: "
            "publish an estimator that answers for new rows"
        )


def _wanted(estimator: Any, outputs: Sequence[str] | None) -> set[str]:
    if outputs is None:
        if hasattr(estimator, "predict"):
            return {"predict"}
        return {next(name for name in _WITHOUT_PREDICT if hasattr(_last(estimator), name))}
    names = [_ALIASES.get(name, name) for name in outputs]
    for name in names:
        known = isinstance(name, str) and (
            name in {"predict", "predict_proba", *METHODS} or name.startswith(_QUANTILES)
        )
        if not known or isinstance(outputs, str):
            raise PublishError(
                f"outputs are {outputs!r}: give a list of predict, predict_proba, {', '.join(METHODS[:-1])}, "
                f"{_QUANTILES}0.1,0.5,0.9"
            )
        method = "predict" if name == "std" or name.startswith("quantiles") else name
        if not hasattr(estimator, method) and not hasattr(_last(estimator), method):
            raise PublishError(f"this {type(estimator).__name__} has no {method}: leave it out of outputs")
    if not names:
        raise PublishError("outputs is empty: name at least one method, or leave it out")
    return set(names)


def _last(estimator: Any) -> Any:
    """The last step of a pipeline, whose methods Pipeline does not pass on all."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _quantiles(wanted: set[str]) -> tuple[float, ...]:
    for name in wanted:
        if name.startswith(_QUANTILES):
            try:
                levels = tuple(float(text) for text in name.removeprefix(_QUANTILES).split(","))
            except ValueError:
                levels = ()
            if not levels or not all(0 < level < 1 for level in levels):
                raise PublishError(f"{name} has no levels between 0 and 1: write {_QUANTILES}0.1,0.5,0.9")
            return levels
    return ()


def _targets(estimator: Any, predicted: Any, table: Table) -> int:
    shape = np.asarray(predicted).shape
    if not shape or shape[0] != len(table.rows) or len(shape) > 2:  # noqa: PLR2004  # rows and outputs
        raise PublishError(
            f"predict of this {type(estimator).__name__} gives the shape {shape} for {len(table.rows)} rows: "
            "publish an estimator with one answer, or one list of answers, a row"
        )
    return 1 if len(shape) == 1 else int(shape[1])


def _labels(estimator: Any, class_names: Sequence[Label] | None, *, is_several: bool) -> tuple[Label, ...] | None:
    classes = getattr(estimator, "classes_", None)
    if is_several or not isinstance(classes, np.ndarray) or classes.ndim != 1:
        if class_names is not None:
            raise PublishError(
                f"class names were given, but this {type(estimator).__name__} has no single list of classes: "
                "leave them out"
            )
        return None
    if isinstance(class_names, str | Mapping):
        raise PublishError(
            f"class_names is a {type(class_names).__name__}: give a list in the order of the classes {classes.tolist()}"
        )
    if class_names is None and classes.dtype.kind == "M":
        raise PublishError(f"the classes {classes.astype(str).tolist()} are times: give class names that are texts")
    given = classes if class_names is None else class_names
    labels = tuple(value.item() if isinstance(value, np.generic) else value for value in given)
    for label in labels:
        if not isinstance(label, bool | int | float | str):
            raise PublishError(f"the class {label!r} is a {type(label).__name__}: give class names that are texts")
    if len(labels) != len(classes):
        raise PublishError(
            f"{len(labels)} class names for the {len(classes)} classes {classes.tolist()}: give one each"
        )
    if len(set(labels)) != len(labels) or len(set(label_names(labels))) != len(labels):
        raise PublishError(f"class names {list(labels)} are not distinct: give each class its own")
    return labels


def _tables(estimator: Any, table: Table) -> Any:
    """What `predict_proba` returns."""
    return ask(estimator, table, Signature(features=(), output=None, probabilities=True)).probabilities


def _output_labels(classes: Any, tables: Any) -> tuple[tuple[Label, ...], ...] | None:
    """The classes of each output, where the estimator has a table of probabilities for each.

    None where it has one table for all (a chain, a classifier of label indicators), whose columns no rule names.
    """
    if not (isinstance(classes, list) and isinstance(tables, list)):
        return None
    if [each.shape[1] for each in tables] != [len(each) for each in classes]:
        return None
    return tuple(tuple(each.tolist()) for each in classes)


def _gives_null(raw: RawOutputs) -> bool:
    return any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in raw.arrays)
