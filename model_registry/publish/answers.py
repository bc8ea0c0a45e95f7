"""What the estimator answers to its owner, and how other answers are compared with it."""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from model_registry.publish.tables import Table
from model_runtime.errors import PublishError
from model_runtime.manifest import Method, Prediction, Signature
from model_runtime.prediction import Predictor, further_output, harmless_warnings_ignored

RELATIVE = 1e-9
"""How far a float64 may be off in proportion to its size: BLAS sums one row in another order than a batch."""
RELATIVE_FLOAT32 = 1e-5
"""The same for estimators that answer in float32, which has 7 digits."""
RELATIVE_CONVERTED = 1e-6
"""The same for a converted model, whose own comparison says what may be off besides."""

_ABOUT_GAPS = re.compile(r"(?i)\bnans?\b|\bmissing\b|\bnull\b")


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may differ: by `relative` times their size, or by `absolute` where that is more."""

    relative: float
    absolute: float


@dataclass(frozen=True)
class Difference:
    """A row, counted from 0, that was answered differently: the output, the estimator's answer and the other one."""

    row: int
    output: str
    own: Any
    other: Any


@dataclass(frozen=True)
class Comparison:
    """What comparing found: differences, the largest one between numbers that pass, and ties (see `Proof`)."""

    differences: tuple[Difference, ...]
    largest: float
    ties: int


@dataclass(frozen=True)
class OwnAnswers:
    """The estimator's answers to its owner, named as they will be served, and how closely they must be met."""

    predictions: list[Prediction]
    tolerance: Tolerance


@dataclass(frozen=True)
class RawOutputs:
    """What the estimator's methods return for the owner's rows, as they return it."""

    predicted: Any
    probabilities: Any
    further: dict[Method, Any]

    @property
    def arrays(self) -> Iterator[Any]:
        """All of them as arrays."""
        for each in (self.predicted, self.probabilities, *self.further.values()):
            if each is not None:
                yield from map(
                    np.asarray,
                    each if isinstance(each, list | tuple) and len(each) and hasattr(each[0], "shape") else [each],
                )


def ask(estimator: Any, table: Table, signature: Signature) -> RawOutputs:
    """Call each method that the signature serves on the owner's own rows; PublishError where one raises."""
    X = table.own
    try:
        with harmless_warnings_ignored():
            return RawOutputs(
                predicted=estimator.predict(X) if signature.output else None,
                probabilities=estimator.predict_proba(X) if signature.probabilities else None,
                further={name: further_output(estimator, name, X, signature.quantiles) for name in signature.methods},
            )
    except Exception as error:
        raise _unpredictable(estimator, table, error) from error


def own_answers(estimator: Any, table: Table, signature: Signature) -> OwnAnswers:
    """The estimator's own answers to the rows of a table, on the object that its owner gave."""
    return named_answers(estimator, ask(estimator, table, signature), signature, len(table.rows))


def named_answers(estimator: Any, raw: RawOutputs, signature: Signature, count: int) -> OwnAnswers:
    """What the estimator returned for `count` rows, named as it will be served."""
    # Nothing is refused here: what is not finite is compared too.
    lenient = msgspec.structs.replace(signature, null_outputs=True)
    named = Predictor(estimator, lenient).named(raw.predicted, raw.probabilities, raw.further, count)
    return OwnAnswers(named, tolerance_of(raw))


def tolerance_of(raw: RawOutputs) -> Tolerance:
    """1e-9 of a number's size, 1e-5 where the estimator answers in float32; absolute, of the largest that it gave.

    A sum of large terms may be near zero, and is then no more exact than they are.
    """
    arrays = [array for array in raw.arrays if array.dtype.kind == "f" and array.size]
    relative = RELATIVE_FLOAT32 if any(array.dtype.itemsize < 8 for array in arrays) else RELATIVE  # noqa: PLR2004  # bytes of a float64
    finite = (array[np.isfinite(array)] for array in arrays)
    largest = max((float(np.abs(array).max()) for array in finite if array.size), default=0.0)
    return Tolerance(relative, relative * largest)


def compare(own: OwnAnswers, others: Sequence[Prediction], rows: Sequence[int] | None = None) -> Comparison:
    """Hold answers against the estimator's own; `rows` says which of its rows they answer, all in order by default."""
    numbers = range(len(own.predictions)) if rows is None else rows
    differences: list[Difference] = []
    largest, ties = 0.0, 0
    for number, other in zip(numbers, others, strict=True):
        mine = own.predictions[number]
        for output in Prediction.__struct_fields__:
            one, two = getattr(mine, output), getattr(other, output)
            if output == "label" and one != two and _is_tie(mine, one, two, own.tolerance):
                ties += 1
                continue
            off = _distance(one, two, own.tolerance)
            if off is None:
                differences.append(Difference(number, output, one, two))
            else:
                largest = max(largest, off)
    return Comparison(tuple(differences), largest, ties)


def telling_column(rows: Sequence[Mapping[str, Any]], wrong: Collection[int]) -> str | None:
    """What all rows of these numbers have in a column and no other row has; None unless one column alone tells that."""
    others = [row for number, row in enumerate(rows) if number not in wrong]
    first, *more = (rows[number] for number in sorted(wrong))
    found = [
        name
        for name, value in first.items()
        if others and all(row[name] == value for row in more) and all(row[name] != value for row in others)
    ]
    found = [name for name in found if first[name] is None] or found  # numbers of one row are often in no other
    if len(found) != 1:
        return None
    value = json.dumps(first[found[0]], default=str)
    return f"every row that differs, and no other, has {value} in {found[0]!r}"


def _is_tie(mine: Prediction, one: Any, two: Any, tolerance: Tolerance) -> bool:
    """Whether two labels have the same probability but for what numbers may differ by."""
    table = mine.probabilities
    if not isinstance(table, dict) or str(one) not in table or str(two) not in table:
        return False
    return _distance(table[str(one)], table[str(two)], tolerance) is not None


def _distance(one: Any, two: Any, tolerance: Tolerance) -> float | None:
    """How far apart two answers are, at most; None where that is more than may be."""
    if isinstance(one, dict) and isinstance(two, dict):
        return _most(_distance(one[key], two[key], tolerance) for key in one) if one.keys() == two.keys() else None
    if isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            return None
        return _most(_distance(first, second, tolerance) for first, second in zip(one, two, strict=True))
    if isinstance(one, float) and not math.isfinite(one):
        # JSON has no NaN and no infinity: they arrive as null.
        return 0.0 if two is None or str(one) == str(two) else None
    if isinstance(one, float) and isinstance(two, int | float) and not isinstance(two, bool):
        off = abs(one - two)
        return off if off <= max(tolerance.relative * abs(one), tolerance.absolute) else None
    return 0.0 if one == two and isinstance(one, bool) == isinstance(two, bool) else None


def _most(distances: Iterator[float | None]) -> float | None:
    largest = 0.0
    for each in distances:
        if each is None:
            return None
        largest = max(largest, each)
    return largest


def _unpredictable(estimator: Any, table: Table, error: Exception) -> PublishError:
    """The error for rows that the estimator itself does not take."""
    kind = type(estimator).__name__
    gaps = {column.name: column.values.index(None) for column in table.columns if None in column.values}
    if gaps and _ABOUT_GAPS.search(str(error)):
        where = ", ".join(f"{name!r} (row {row})" for name, row in gaps.items())
        return PublishError(
            f"the {kind} does not take missing values, and the rows have some in {where}: give rows without, or train "
            "it behind a SimpleImputer"
        )
    return PublishError(
        f"the {kind} does not predict the rows of X_example ({one_line(error)}): give rows as it was fitted on"
    )


def one_line(error: Exception) -> str:
    """The type and the message of what an estimator raised: scikit-learn's go over several lines."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
