"""What a model takes: its features with their types, and the container that gives the estimator's own answers.

Nothing is concluded from types alone. Each form in which rows may reach the estimator is tried, the lightest first, and
the first whose answers are the estimator's own is taken: on all rows that were given, and on rows mixed from their
values, as few examples agree by accident.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import numpy as np

from model_registry.publish.answers import (
    RELATIVE,
    OwnAnswers,
    Tolerance,
    compare,
    named_answers,
    own_answers,
    telling_column,
)
from model_registry.publish.outputs import Outputs
from model_registry.publish.steps import First, are_codes, first_steps, missing_of, takes_missing
from model_registry.publish.tables import Column, Table
from model_runtime.errors import OutputError, PublishError
from model_runtime.manifest import Container, Feature, FeatureType, Missing, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs, Row

MIXED_ROWS = 500
_FEW_ROWS = 20
_TOLERANCE_OF_MIXED = Tolerance(RELATIVE, RELATIVE)
_MARK_OF_DTYPE: dict[str, Missing] = {
    "Int64": "NA", "Int32": "NA", "Float64": "NA", "boolean": "NA", "string": "NA",
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """What the owner says of the features: which may be missing (True for all), and the types of some."""

    nullable: Collection[str] | bool = ()
    types: Mapping[str, FeatureType] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A signature, the estimator's own answers to each table, and what its reader should know of how it was found."""

    signature: Signature
    own: tuple[OwnAnswers, ...]
    notes: tuple[str, ...]


def signature_of(estimator: Any, tables: Sequence[Table], outputs: Outputs, declared: Declared | None = None) -> Found:
    """The signature that gives the estimator's own answers to the rows of all tables, the first being X_example.

    `outputs` says what comes out, and has what the estimator returned for X_example. Raises PublishError where no form
    of the rows gives them.
    """
    declared = declared or Declared()
    columns = [_merged([table.columns[index] for table in tables]) for index in range(len(tables[0].columns))]
    _check_declared(columns, declared)
    firsts = first_steps(estimator, [column.name for column in columns])
    features = tuple(_feature(column, firsts[column.name], declared) for column in columns)
    found = msgspec.structs.replace(outputs.signature, features=features)
    check_field_names(found)
    first, *more = tables
    own = (
        named_answers(estimator, outputs.raw, found, len(first.rows)),
        *(own_answers(estimator, table, found) for table in more),
    )
    codes = {name for name, each in firsts.items() if are_codes(each)} | set(declared.types)
    chosen = _chosen(estimator, tables, own, found, codes)
    chosen, refused = _without_untakeable(estimator, tables, chosen, declared)
    return Found(chosen, own, (*tables[0].notes, *_notes(tables, columns, chosen, refused)))


def check_field_names(signature: Signature) -> None:
    """PublishError for a feature whose name cannot be a field of a request."""
    if any(feature.name == "instances" for feature in signature.features):
        raise PublishError("a column of X_example is called 'instances', which means a batch in requests: rename it")
    try:
        Inputs(signature)
    except ValueError as error:  # msgspec has no fields with quotes, backslashes or control characters
        raise PublishError(f"a column of X_example cannot be the name of a request's field ({error})") from error


def check_types(table: Table) -> None:
    """PublishError for a column of several kinds of values, or of none."""
    for column in table.columns:
        _type(column, [value for value in column.values if value is not None])


def _check_declared(columns: Sequence[Column], declared: Declared) -> None:
    names = [column.name for column in columns]
    nullable = () if isinstance(declared.nullable, bool) else declared.nullable
    for name in (*nullable, *declared.types):
        if name not in names:
            raise PublishError(f"{name!r} is declared, and is not a feature: the model has {', '.join(names)}")
    for name, kind in declared.types.items():
        if kind not in get_args(FeatureType):
            raise PublishError(f"the type of {name!r} is declared as {kind!r}: take {', '.join(get_args(FeatureType))}")
        column = next(column for column in columns if column.name == name)
        odd = next((value for value in column.values if not _is_of(kind, value)), None)
        if odd is not None:
            raise PublishError(
                f"the type of {name!r} is declared as {kind}, and a row has {odd!r}: declare what they are"
            )


def _is_of(kind: FeatureType, value: Any) -> bool:
    if value is None:
        return True
    if kind == "integer":
        return not isinstance(value, bool) and isinstance(value, int | float) and value == int(value)
    return _kind(value) == kind or (kind == "number" and _kind(value) == "integer")


def _merged(columns: Sequence[Column]) -> Column:
    """One column of all tables; what a frame says of it, the training's before the examples', holds."""
    told = next((column for column in reversed(columns) if column.dtype is not None), columns[0])
    missing = dict.fromkeys(mark for column in reversed(columns) for mark in column.missing)
    values = [value for column in columns for value in column.values]
    return Column(told.name, values, tuple(missing), told.dtype, told.categories, told.ordered, told.number)


def _feature(column: Column, firsts: Sequence[First], declared: Declared) -> Feature:
    present = [value for value in column.values if value is not None]
    kind = declared.types.get(column.name) or _type(column, present)
    nullable = (
        len(present) < len(column.values)
        or takes_missing(firsts)
        or (declared.nullable if isinstance(declared.nullable, bool) else column.name in declared.nullable)
    )
    mark = column.missing[0] if column.missing else _mark(column, firsts)
    return Feature(
        name=column.name,
        type=kind,
        nullable=nullable,
        dtype=_with_gaps(column.dtype) if nullable else column.dtype,
        missing=mark if nullable else None,
        categories=column.categories,
        ordered=column.ordered,
        column=column.number,
    )


def _with_gaps(dtype: str | None) -> str | None:
    """The type of a column that misses some: numpy's whole numbers and booleans have no mark for that."""
    if dtype is None or not dtype.startswith(("int", "uint", "bool")) or dtype == "boolean":
        return dtype
    return "object" if dtype == "bool" else "float64"


def _type(column: Column, present: Sequence[Any]) -> FeatureType:
    kinds = {_kind(value) for value in (column.categories if column.categories is not None else present)}
    if kinds == {"integer", "number"}:
        return "number"
    if len(kinds) != 1:
        types = sorted({type(value).__name__ for value in present}) or ["nothing but missing values"]
        raise PublishError(
            f"column {column.name!r} of X_example holds {', '.join(types)}: "
            "give numbers, strings, booleans or times, one kind a column, with at least one present value"
        )
    return kinds.pop()


def _kind(value: Any) -> FeatureType:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "datetime"


def _mark(column: Column, firsts: Sequence[First]) -> Missing:
    """What marks a gap in a column in which none was seen: what its imputer looks for, else what its type has."""
    told = missing_of(firsts)
    if told is not None:
        return told
    dtype = column.dtype or ""
    return "NaT" if dtype.startswith("datetime64") else _MARK_OF_DTYPE.get(dtype, "nan")


def _chosen(
    estimator: Any, tables: Sequence[Table], own: Sequence[OwnAnswers], found: Signature, codes: Collection[str]
) -> Signature:
    """The lightest form of the rows with the estimator's own answers."""
    tried: list[str] = []
    reference = _reference(estimator, tables, found)
    for form in _forms(tables[0], found, codes):
        try:
            different = _first_difference(estimator, tables, own, form)
        except Exception as error:  # noqa: BLE001  # an estimator that does not take this form may raise anything
            tried.append(f"as {_container_name(form)} it raises {type(error).__name__}: {error}")
            continue
        if different is not None:
            tried.append(different)
        elif _agrees(estimator, form, reference) and _takes_fractions(estimator, tables[0], form, found):
            return form
    raise PublishError(
        f"the {type(estimator).__name__} gives other answers when its rows travel as JSON ({'; '.join(tried[-2:])}): "
        "give columns as numbers, strings, booleans, times or categories, as callers will send them"
    )


def _forms(table: Table, found: Signature, codes: Collection[str]) -> Iterator[Signature]:
    """The forms in which rows may reach the estimator, the lightest first; whole numbers as numbers before integers."""
    variants = list(dict.fromkeys([_with_numbers(found, codes), found]))
    for container, dtype in _containers(table, found):
        for variant in variants:
            yield msgspec.structs.replace(
                variant, container=container, array_dtype=dtype, features=_fitting(variant.features, container)
            )


def _containers(table: Table, found: Signature) -> Iterator[tuple[Container, str | None]]:
    if table.kind == "texts":
        yield "list", None
        return
    if table.natively:
        yield "objects", None
        return
    types = {feature.type for feature in found.features}
    # A value that is not a category is a gap in the frame, and itself in an array.
    has_open_categories = any(feature.categories is not None and feature.nullable for feature in found.features)
    if "datetime" not in types and not has_open_categories:
        own = str(table.own.dtype) if isinstance(table.own, np.ndarray) else ""
        yield "array", "float64" if "string" not in types else "object"
        if own not in {"", "float64", "object"} and not any(feature.nullable for feature in found.features):
            yield "array", own
        if "string" not in types:
            yield "array", "object"
        yield "rows", None
    if hasattr(table.own, "iloc"):
        yield "dataframe", None


def _fitting(features: Sequence[Feature], container: Container) -> tuple[Feature, ...]:
    """Features without what only a frame needs, where the container is another."""
    if container == "dataframe":
        return tuple(features)
    return tuple(msgspec.structs.replace(feature, dtype=None, ordered=False, column=None) for feature in features)


def _with_numbers(found: Signature, codes: Collection[str]) -> Signature:
    """Whole numbers that are not codes as numbers: a model that was fitted on 30 takes 30.5 too."""
    features = tuple(
        msgspec.structs.replace(feature, type="number", dtype=feature.dtype and "float64")
        if feature.type == "integer" and feature.categories is None and feature.name not in codes
        else feature
        for feature in found.features
    )
    return msgspec.structs.replace(found, features=features)


def _first_difference(
    estimator: Any, tables: Sequence[Table], own: Sequence[OwnAnswers], form: Signature
) -> str | None:
    predictor = Predictor(estimator, msgspec.structs.replace(form, null_outputs=True))
    for table, answers in zip(tables, own, strict=True):
        differences = compare(answers, predictor.predict(table.rows)).differences
        if differences:
            names = [feature.name for feature in form.features]
            rows = [dict(zip(names, row, strict=True)) for row in table.rows]
            one = differences[0]
            column = telling_column(rows, {each.row for each in differences})
            said = f"row {one.row}, {rows[one.row]}, as {_container_name(form)}: {one.other} and not {one.own}"
            return f"{said}; {column}" if column else said
    return None


def _container_name(form: Signature) -> str:
    return f"{form.container} of {form.array_dtype}" if form.array_dtype else form.container


def _reference(estimator: Any, tables: Sequence[Table], found: Signature) -> tuple[list[Row], list[Prediction]] | None:
    """Mixed rows with the answers to them in a frame of the types that the owner has; None where there is no frame."""
    if not hasattr(tables[0].own, "iloc"):
        return None
    rows = list(mixed_rows([row for table in tables for row in table.rows], found.features))
    framed = msgspec.structs.replace(found, container="dataframe", null_outputs=True)
    try:
        return rows, Predictor(estimator, framed).predict(rows)
    except Exception:  # noqa: BLE001  # it does not take each mix of values: the given rows decide alone
        return None


def _agrees(estimator: Any, form: Signature, reference: tuple[list[Row], list[Prediction]] | None) -> bool:
    if reference is None or form.container == "dataframe":
        return True
    rows, answers = reference
    try:
        others = Predictor(estimator, msgspec.structs.replace(form, null_outputs=True)).predict(rows)
    except Exception:  # noqa: BLE001  # as above
        return False
    loose = OwnAnswers(answers, _TOLERANCE_OF_MIXED)
    return not compare(loose, others).differences


def mixed_rows(rows: Sequence[Row], features: Sequence[Feature], *, count: int = MIXED_ROWS) -> Iterator[Row]:
    """Rows whose values come from different rows, from the categories and, for numbers, from between those given.

    A feature that may be missing is so in a tenth of them. The same rows give the same mix.
    """
    rng = np.random.default_rng(0)
    columns = [
        _mixed([row[index] for row in rows if row[index] is not None], feature, count, rng)
        for index, feature in enumerate(features)
    ]
    return zip(*columns, strict=True)


def _mixed(values: Sequence[Any], feature: Feature, count: int, rng: np.random.Generator) -> list[Any]:
    pool = list(feature.categories or dict.fromkeys(values))
    if not pool:
        return [None] * count
    mixed = [pool[index] for index in rng.integers(len(pool), size=count)]
    if feature.type == "number" and feature.categories is None:
        between = rng.uniform(float(min(pool)), float(max(pool)), size=count).tolist()
        mixed = [one if index % 2 else other for index, (one, other) in enumerate(zip(mixed, between, strict=True))]
    if not feature.nullable:
        return mixed
    return [None if gone else value for gone, value in zip(rng.random(count) < 0.1, mixed, strict=True)]  # noqa: PLR2004  # a tenth


def _takes_fractions(estimator: Any, table: Table, form: Signature, found: Signature) -> bool:
    """Whether the model answers fractions where whole numbers were given and numbers are to be taken."""
    changed = [
        index
        for index, (one, other) in enumerate(zip(form.features, found.features, strict=True))
        if one.type != other.type
    ]
    if not changed:
        return True
    row = list(table.rows[0])
    for index in changed:
        row[index] = 0.5 if row[index] is None else row[index] + 0.5
    return _is_answered(estimator, form, tuple(row))


def _without_untakeable(
    estimator: Any, tables: Sequence[Table], form: Signature, declared: Declared
) -> tuple[Signature, list[str]]:
    """The signature in which no feature may be missing that the model refuses to miss; names those, where declared."""
    seen = {
        feature.name
        for table in tables
        for feature, column in zip(form.features, table.columns, strict=True)
        if None in column.values
    }
    row, features, refused = tables[0].rows[0], [], []
    for index, feature in enumerate(form.features):
        if feature.nullable and feature.name not in seen:
            gap = (*row[:index], None, *row[index + 1 :])
            if not _is_answered(estimator, form, gap):
                if not isinstance(declared.nullable, bool) and feature.name in declared.nullable:
                    raise PublishError(
                        f"{feature.name!r} is declared to be nullable, and the model refuses a gap: impute first"
                    )
                refused.append(feature.name)
                feature = msgspec.structs.replace(feature, nullable=False, missing=None)  # noqa: PLW2901  # the one that is kept
        features.append(feature)
    return msgspec.structs.replace(form, features=tuple(features)), refused


def _is_answered(estimator: Any, form: Signature, row: Row) -> bool:
    try:
        Predictor(estimator, form).predict([row])
    except OutputError:
        return False
    except Exception:  # noqa: BLE001  # an estimator that refuses a value may raise anything
        return False
    return True


def _notes(
    tables: Sequence[Table], columns: Sequence[Column], chosen: Signature, refused: Sequence[str]
) -> Iterator[str]:
    count = sum(len(table.rows) for table in tables)
    if count < _FEW_ROWS:
        yield f"types and what may be missing were learnt from {count} rows: give more as X_train"
    inferred = [
        feature.name
        for feature, column in zip(chosen.features, columns, strict=True)
        if feature.nullable and None not in column.values
    ]
    if inferred:
        yield f"{', '.join(inferred)} may be missing, as the model was made for gaps there; no given row has one"
    if refused:
        yield f"{', '.join(refused)} may not be missing, as the model refuses it"
    if chosen.null_outputs:
        yield "some answers are not finite numbers: they are served as null"
