"""The container that gives the estimator's own answers, and whether whole numbers are numbers.

Nothing is concluded from types alone. Each form in which rows may reach the estimator is tried, the lightest first, and
the first whose answers are the estimator's own is taken: on all rows that were given, and on rows mixed from their
values, as few examples agree by accident.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from model_registry.publish.answers import RELATIVE, OwnAnswers, Tolerance, compare, one_line, telling_column
from model_registry.publish.tables import Table
from model_runtime.errors import OutputError, PublishError
from model_runtime.manifest import Container, Feature, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Row

_MIXED_ROWS = 500
_TOLERANCE_OF_MIXED = Tolerance(RELATIVE, RELATIVE)


def choose(
    estimator: Any, tables: Sequence[Table], own: Sequence[OwnAnswers], found: Signature, codes: Collection[str]
) -> Signature:
    """The lightest form of the rows with the estimator's own answers.

    Args:
        estimator: what is published.
        tables: the rows that were given, X_example first.
        own: the estimator's own answers to each table.
        found: the signature but for the container, whole numbers being integers.
        codes: names of the features whose whole numbers are codes, which 3.5 is not.

    Raises:
        PublishError: no form gives them.

    """
    tried: list[str] = []
    reference = _reference(estimator, tables, found)
    for form in _forms(tables[0], found, codes):
        try:
            different = _first_difference(estimator, tables, own, form)
        except Exception as error:  # noqa: BLE001  # an estimator that does not take this form may raise anything
            tried.append(f"as {_container_name(form)} it raises {one_line(error)}")
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
        differences = compare(answers, predictor.predict(_as_sent(form, table.rows))).differences
        if differences:
            names = [feature.name for feature in form.features]
            rows = [dict(zip(names, row, strict=True)) for row in table.rows]
            one = differences[0]
            column = telling_column(rows, {each.row for each in differences})
            said = f"row {one.row}, {rows[one.row]}, as {_container_name(form)}: {one.other} and not {one.own}"
            return f"{said}; {column}" if column else said
    return None


def _as_sent(form: Signature, rows: Sequence[Row]) -> list[Row]:
    """Rows as a request brings them: a whole number is a float where the feature is a number."""
    numbers = [feature.type == "number" for feature in form.features]
    return [
        tuple(
            float(value) if number and isinstance(value, int) else value
            for number, value in zip(numbers, row, strict=True)
        )
        for row in rows
    ]


def _container_name(form: Signature) -> str:
    return f"{form.container} of {form.array_dtype}" if form.array_dtype else form.container


def _reference(estimator: Any, tables: Sequence[Table], found: Signature) -> tuple[list[Row], list[Prediction]] | None:
    """Mixed rows with the answers to them in a frame of the types that the owner has; None where there is no frame."""
    if not hasattr(tables[0].own, "iloc"):
        return None
    rows = list(_mixed_rows([row for table in tables for row in table.rows], found.features))
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


def _mixed_rows(rows: Sequence[Row], features: Sequence[Feature]) -> Iterator[Row]:
    """Rows whose values come from different rows, from the categories and, for numbers, from between those given.

    A feature that may be missing is so in a tenth of them. The same rows give the same mix.
    """
    rng = np.random.default_rng(0)
    columns = [
        _mixed([row[index] for row in rows if row[index] is not None], feature, rng)
        for index, feature in enumerate(features)
    ]
    return zip(*columns, strict=True)


def _mixed(values: Sequence[Any], feature: Feature, rng: np.random.Generator) -> list[Any]:
    pool = list(feature.categories or dict.fromkeys(values))
    if not pool:
        return [None] * _MIXED_ROWS
    mixed = [pool[index] for index in rng.integers(len(pool), size=_MIXED_ROWS)]
    if feature.type == "number" and feature.categories is None:
        between = rng.uniform(float(min(pool)), float(max(pool)), size=_MIXED_ROWS).tolist()
        mixed = [one if index % 2 else other for index, (one, other) in enumerate(zip(mixed, between, strict=True))]
    if not feature.nullable:
        return mixed
    return [None if gone else value for gone, value in zip(rng.random(_MIXED_ROWS) < 0.1, mixed, strict=True)]  # noqa: PLR2004  # a tenth


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
    return is_answered(estimator, form, tuple(row))


def is_answered(estimator: Any, form: Signature, row: Row) -> bool:
    """Whether the estimator answers a row that it gets in this form."""
    try:
        Predictor(estimator, form).predict([row])
    except OutputError:
        return False
    except Exception:  # noqa: BLE001  # an estimator that refuses a value may raise anything
        return False
    return True
