"""What a model takes: its features with their types, and which of them may be missing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from model_registry.publish.answers import OwnAnswers, named_answers, own_answers
from model_registry.publish.containers import choose, is_answered
from model_registry.publish.outputs import Outputs
from model_registry.publish.steps import First, are_codes, first_steps, missing_of, takes_missing
from model_registry.publish.tables import Column, Table
from model_runtime.errors import PublishError
from model_runtime.manifest import Feature, FeatureType, Missing, Signature
from model_runtime.schema import Inputs

_FEW_ROWS = 20
_MARK_OF_DTYPE: dict[str, Missing] = {
    "Int64": "NA", "Int32": "NA", "Float64": "NA", "boolean": "NA", "string": "NA",
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """What the owner says of the features: which may be missing (True for all), and the types of some."""

    nullable: Collection[str] | bool = ()
    types: Mapping[str, FeatureType] = field(default_factory=dict)


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
    chosen = choose(estimator, tables, own, found, codes)
    chosen, refused = _without_untakeable(estimator, tables, chosen, declared)
    return Found(chosen, own, (*tables[0].notes, *_notes(tables, columns, chosen, refused)))


def check_field_names(signature: Signature) -> None:
    """PublishError for a feature whose name cannot be a field of a request."""
    if any(feature.name == "instances" for feature in signature.features):
        raise PublishError("a column of X_example is called 'instances', which means a batch in requests: rename it")
    try:
        Inputs(signature)
    except ValueError as error:  # msgspec has no fields with quotes, backslashes or control characters
        raise PublishError(
            f"a column of X_example cannot be the name of a request's field ({error}): rename it"
        ) from error


def check_types(table: Table) -> None:
    """PublishError for a column of several kinds of values, or of none."""
    for column in table.columns:
        _type(column, [value for value in column.values if value is not None])


def _check_declared(columns: Sequence[Column], declared: Declared) -> None:
    names = [column.name for column in columns]
    if isinstance(declared.nullable, str):
        raise PublishError(f"nullable is {declared.nullable!r}: give a list of features, or True for all")
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
            if not is_answered(estimator, form, gap):
                if not isinstance(declared.nullable, bool) and feature.name in declared.nullable:
                    raise PublishError(
                        f"{feature.name!r} is declared to be nullable, and the model refuses a gap: impute first"
                    )
                refused.append(feature.name)
                feature = msgspec.structs.replace(feature, nullable=False, missing=None)  # noqa: PLW2901  # the one that is kept
        features.append(feature)
    return msgspec.structs.replace(form, features=tuple(features)), refused


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
