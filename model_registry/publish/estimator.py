"""What an estimator is, read off the object itself: signature, environment, parameters, golden examples.

Nothing here talks to the bucket. Only publishing needs this module, so it may import scikit-learn.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from model_registry.publish.environment import environment_of
from model_runtime.errors import PublishError
from model_runtime.manifest import Environment, Example, Feature, FeatureType, Label, Signature
from model_runtime.prediction import Predictor, harmless_warnings_ignored, same_value, to_container, unpickle
from model_runtime.schema import Inputs, Row, label_names

EXAMPLES = 3
"""How many rows of the example inputs become golden examples."""

_REPR_MAX = 200


@dataclass(frozen=True)
class Description:
    """Everything that a manifest says of an estimator."""

    estimator: str
    parameters: dict[str, Any]
    signature: Signature
    environment: Environment
    examples: tuple[Example, ...]


def describe(
    estimator: Any,
    X_example: Any,
    *,
    class_names: Sequence[Label] | None = None,
    feature_names: Sequence[str] | None = None,
    lock: Path | None = None,
) -> Description:
    """Describe a fitted estimator with the help of example inputs.

    X_example: a DataFrame, an array of shape (n, features), a list of n objects (`{"name": value}`) or rows, or
    a list of n texts. `class_names` rename the classes, in the order of `classes_`; `feature_names` name the
    columns of an array; `lock` is a file that pins the packages, instead of what is installed. Raises PublishError
    for what is no fitted estimator, or cannot be loaded elsewhere.
    """
    check_estimator(estimator)
    table = _Table.of(X_example, feature_names or _fitted_names(estimator))
    signature = _signature(estimator, table, class_names, own_answers=_own_answers(estimator, X_example))
    rows = table.rows[:EXAMPLES]
    names = [feature.name for feature in signature.features]
    examples = tuple(
        Example(input=dict(zip(names, row, strict=True)), output=output)
        for row, output in zip(rows, _predict(estimator, signature, rows), strict=True)
    )
    return Description(
        estimator=f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        parameters={name: _plain(value) for name, value in sorted(estimator.get_params(deep=False).items())},
        signature=signature,
        environment=environment_of(estimator, signature, lock=lock),
        examples=examples,
    )


def rows_of(estimator: Any, X: Any, signature: Signature, feature_names: Sequence[str] | None = None) -> list[Row]:
    """More rows, in a form that `describe` takes, as the signature orders them; PublishError where they do not fit."""
    table = _Table.of(X, feature_names or _fitted_names(estimator))
    places = {feature.name: index for index, feature in enumerate(table.features)}
    names = [feature.name for feature in signature.features]
    if set(places) != set(names):
        raise PublishError(f"X_train has the columns {list(places)}, X_example has {names}: give the same")
    return [tuple(row[places[name]] for name in names) for row in table.rows]


def check_estimator(estimator: Any) -> None:
    """Raise PublishError unless this is a fitted estimator with `predict`."""
    kind = type(estimator).__name__
    if isinstance(estimator, type) or not (hasattr(estimator, "get_params") and hasattr(estimator, "predict")):
        raise PublishError(
            f"a {kind} is no scikit-learn estimator that predicts: publish an object with get_params and predict"
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise PublishError(f"this {kind} is not fitted: call fit before publishing it") from error


def dump(estimator: Any) -> bytes:
    """Write the estimator as joblib does in a file."""
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def load_file(path: Path) -> tuple[Any, bytes]:
    """Load a joblib file of the caller's own, and return the estimator with the file's bytes.

    Unpickling runs code: only for files whose origin the caller vouches for. Raises PublishError where the file
    is no joblib file, or was written by another version of scikit-learn than the one installed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PublishError(f"cannot read {path}: {error.strerror}") from error
    try:
        return unpickle(data), data
    except InconsistentVersionWarning as error:
        raise PublishError(
            f"{path} was written with scikit-learn {error.original_sklearn_version}, installed is "
            f"{error.current_sklearn_version}: publish from the environment that trained it"
        ) from error
    except Exception as error:  # unpickling a foreign file can raise anything
        raise PublishError(f"{path} cannot be loaded by joblib ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class _Table:
    """Example inputs as plain values."""

    features: tuple[Feature, ...]
    rows: list[Row]
    is_frame: bool = False
    is_list: bool = False

    @classmethod
    def of(cls, X: Any, names: Sequence[str] | None) -> "_Table":
        if hasattr(X, "columns") and hasattr(X, "to_dict"):
            names = _distinct([str(name) for name in X.columns])
            columns = (X.iloc[:, index].tolist() for index in range(len(names)))
            return cls._of_columns(dict(zip(names, columns, strict=True)), is_frame=True)
        if hasattr(X, "toarray"):
            raise PublishError("X_example is a sparse matrix: give a few rows of it as X[:5].toarray()")
        values = X.tolist() if hasattr(X, "tolist") else list(X)
        if not values:
            raise PublishError("X_example has no rows: give at least one, better three")
        if all(isinstance(value, str) for value in values):
            name = names[0] if names else "text"
            return cls((Feature(name=name, type="string"),), [(value,) for value in values], is_list=True)
        if all(isinstance(value, Mapping) for value in values):
            return cls._of_columns(_columns(values))
        array = np.asarray(X)
        if array.ndim != 2:  # noqa: PLR2004  # rows and columns
            raise PublishError(
                f"X_example has shape {array.shape}: give rows and columns, (n, features), "
                "for one instance X[:1] instead of X[0]"
            )
        names = list(names) if names is not None else [f"x{index}" for index in range(array.shape[1])]
        if len(names) != array.shape[1]:
            raise PublishError(f"{len(names)} feature names for {array.shape[1]} columns: give one a column")
        return cls._of_columns({name: array[:, index].tolist() for index, name in enumerate(_distinct(names))})

    @classmethod
    def _of_columns(cls, columns: dict[str, list[Any]], *, is_frame: bool = False) -> "_Table":
        if not columns or not next(iter(columns.values())):
            raise PublishError("X_example has no rows or no columns: give at least one of each, better three rows")
        cleaned = {name: [_none_if_missing(value) for value in values] for name, values in columns.items()}
        features = tuple(_feature(name, values) for name, values in cleaned.items())
        return cls(features, list(zip(*cleaned.values(), strict=True)), is_frame=is_frame)


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) == len(names):
        return names
    raise PublishError(f"column names {names} are not distinct: give each column its own")


def _columns(objects: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(objects[0])
    for index, item in enumerate(objects):
        if set(item) != set(names):
            raise PublishError(
                f"example {index} has fields {sorted(item)}, the first has {sorted(names)}: give all the same"
            )
    return {name: [item[name] for item in objects] for name in names}


def _none_if_missing(value: Any) -> Any:
    missing = value is None or value != value or type(value).__name__ in {"NAType", "NaTType"}  # noqa: PLR0124  # NaN
    return None if missing else value


def _feature(name: str, values: list[Any]) -> Feature:
    present = [value for value in values if value is not None]
    kinds = {_kind(value) for value in present}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1 or None in kinds:
        types = sorted({type(value).__name__ for value in present}) or ["nothing but missing values"]
        raise PublishError(
            f"column {name!r} of X_example holds {', '.join(types)}: "
            "give numbers, strings or booleans, one kind a column, with at least one present value"
        )
    # A column of whole floats stays "number": 5.0 says that 5.1 is as good.
    return Feature(name=name, type=kinds.pop(), nullable=len(present) < len(values))  # type: ignore[arg-type]  # not None: checked above


def _kind(value: Any) -> FeatureType | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else None


def _fitted_names(estimator: Any) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _own_answers(estimator: Any, X_example: Any) -> list[Any]:
    """What the estimator answers to the example inputs as they were given."""
    if isinstance(X_example, list) and isinstance(X_example[0], Mapping):
        return []  # objects are our form of inputs, estimators do not take them
    try:
        with harmless_warnings_ignored():
            answers: list[Any] = np.asarray(estimator.predict(X_example)).tolist()
    except Exception as error:
        raise _unpredictable(estimator, error) from error
    return answers


def _signature(
    estimator: Any, table: _Table, class_names: Sequence[Label] | None, *, own_answers: list[Any]
) -> Signature:
    array = Signature(
        features=table.features,
        container="list" if table.is_list else "array",
        output="value" if is_regressor(estimator) else "label",
    )
    _check_field_names(array)
    # pandas costs a layer about 60 MB: it is asked for only where an array does not give the same answers.
    forms = [array, msgspec.structs.replace(array, container="dataframe")] if table.is_frame else [array]
    for form in forms[:-1]:
        with suppress(PublishError):
            answers = _answers(estimator, form, table.rows)
            if same_value(answers, own_answers):
                break
    else:
        form = forms[-1]
        answers = _answers(estimator, form, table.rows)
        if own_answers and not same_value(answers, own_answers):
            raise PublishError(
                f"the {type(estimator).__name__} answers {answers} when X_example travels as JSON, {own_answers} as it "
                "was given: give columns as numbers, strings or booleans, as callers will send them"
            )
    is_several = isinstance(answers[0], list)
    labels = _labels(estimator, class_names, is_several=is_several)
    output_labels = _output_labels(estimator, form, table.rows) if is_several else None
    has_probabilities = labels is not None and hasattr(estimator, "predict_proba")
    return msgspec.structs.replace(
        form,
        labels=labels,
        probabilities=has_probabilities or output_labels is not None,
        output_labels=output_labels,
    )


def _answers(estimator: Any, signature: Signature, rows: Sequence[Row]) -> list[Any]:
    """The estimator's own answers, not its class names, to rows in the form that the signature says."""
    answers = _predict(estimator, signature, rows)
    return [answer.value if answer.label is None else answer.label for answer in answers]


def _check_field_names(signature: Signature) -> None:
    if any(feature.name == "instances" for feature in signature.features):
        raise PublishError("a column of X_example is called 'instances', which means a batch in requests: rename it")
    try:
        Inputs(signature)
    except ValueError as error:  # msgspec has no fields with quotes, backslashes or control characters
        raise PublishError(f"a column of X_example cannot be the name of a request's field ({error})") from error


def _labels(estimator: Any, class_names: Sequence[Label] | None, *, is_several: bool) -> tuple[Label, ...] | None:
    classes = getattr(estimator, "classes_", None)
    if is_several or not isinstance(classes, np.ndarray) or classes.ndim != 1:
        if class_names is not None:
            raise PublishError(
                f"class names were given, but this {type(estimator).__name__} has no single list of classes: "
                "leave them out"
            )
        return None
    labels = tuple(classes.tolist()) if class_names is None else tuple(class_names)
    if len(labels) != len(classes):
        raise PublishError(
            f"{len(labels)} class names for the {len(classes)} classes {classes.tolist()}: give one each"
        )
    if len(set(labels)) != len(labels) or len(set(label_names(labels))) != len(labels):
        raise PublishError(f"class names {list(labels)} are not distinct: give each class its own")
    return labels


def _output_labels(estimator: Any, signature: Signature, rows: Sequence[Row]) -> tuple[tuple[Label, ...], ...] | None:
    """The classes of each output, where the estimator has a table of probabilities for each.

    None where it has one table for all (a chain, a classifier of label indicators), whose columns no rule names.
    """
    classes = getattr(estimator, "classes_", None)
    if not (isinstance(classes, list) and hasattr(estimator, "predict_proba")):
        return None
    try:
        with harmless_warnings_ignored():
            tables = estimator.predict_proba(to_container(rows, signature))
    except Exception as error:
        raise _unpredictable(estimator, error) from error
    if not isinstance(tables, list) or [table.shape[1] for table in tables] != [len(each) for each in classes]:
        return None
    return tuple(tuple(each.tolist()) for each in classes)


def _predict(estimator: Any, signature: Signature, rows: Sequence[Row]) -> list[Any]:
    try:
        return Predictor(estimator, signature).predict(rows)
    except Exception as error:
        raise _unpredictable(estimator, error) from error


def _unpredictable(estimator: Any, error: Exception) -> PublishError:
    return PublishError(
        f"the {type(estimator).__name__} does not predict the rows of X_example ({type(error).__name__}: {error}): "
        "give rows as it was fitted on"
    )


def _plain(value: Any) -> Any:
    """A parameter as JSON: numbers, strings and such as they are, anything else as its shortened repr."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and value == value):  # noqa: PLR0124  # NaN
        return value
    text = repr(value)
    return text if len(text) <= _REPR_MAX else text[: _REPR_MAX - 3] + "..."
