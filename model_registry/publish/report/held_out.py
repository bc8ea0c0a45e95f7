"""Test rows of a model, with what is true of them, in the model's own terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_registry.publish.report.overlap import Overlap, overlap
from model_registry.publish.tables import Table, count_of, read_table, rows_at, spread
from model_registry.report.figures import Kind
from model_runtime.errors import PublishError
from model_runtime.manifest import Signature

ROWS = 100_000
"""So many rows are looked at, spread over all; of models with very many features so many that they stay small."""
_CELLS, _ALWAYS = 5_000_000, 1_000
FEWEST = 10
"""Of fewer rows numbers would say little of the model, and much of the rows."""


@dataclass(frozen=True)
class HeldOut:
    """Test rows of a model that is measured as a `kind`.

    `table` has what the estimator is asked with, and plain values. `y` are, for a classifier, places in `classes_`, for
    a regressor numbers; of shape (n,), or (n, outputs) with a name for each output. None where nothing is measured.
    `overlap` is the one with the training rows, where these were given and could be compared.
    """

    kind: Kind
    table: Table
    y: Any
    outputs: tuple[str, ...]
    given: int
    overlap: Overlap | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.table.columns[0].values)


def held_out(
    estimator: Any, signature: Signature, X: Any, y: Any, *, X_train: Any, feature_names: Sequence[str] | None
) -> HeldOut:
    """Read test rows and their targets; PublishError where they do not fit the model or each other.

    So it is where most of them are among the training rows beyond doubt.
    """
    kind = kind_of(estimator, signature)
    if kind != "none" and y is None:
        raise PublishError("X_test is given without y_test: give what is true of its rows, too")
    _check_order(X, y)
    given = count_of(X)
    targets, names = (None, ()) if kind == "none" else _targets(y, signature)
    if given is not None and targets is not None and len(targets) != given:
        raise PublishError(f"X_test has {given:,} rows, y_test has {len(targets):,}: give one target for each row")
    if given is not None and given < FEWEST:
        raise PublishError(f"X_test has {given} rows: give at least {FEWEST}, better some hundred, or leave it out")
    chosen = spread(given or 0, min(ROWS, max(_CELLS // len(signature.features), _ALWAYS)))
    if chosen is not None:
        X, targets = rows_at(X, chosen), None if targets is None else targets[chosen]
    table = read_table(estimator, X, feature_names, what="X_test")
    _check_columns(table, signature)
    found = None if targets is None else _in_terms_of(estimator, signature, kind, targets)
    return HeldOut(kind, table, found, names, given or 0, None if X_train is None else _checked(signature, X, X_train))


def kind_of(estimator: Any, signature: Signature) -> Kind:
    """As what a model is measured; `none` for what has no targets: clusterers, transformers, outlier detectors."""
    if signature.output == "value":
        return "regression"
    if signature.output is None or not hasattr(estimator, "classes_"):
        return "none"
    if (signature.targets or 1) > 1:
        return "multioutput"
    if signature.labels is None:
        return "none"
    return "binary" if len(signature.labels) == 2 else "multiclass"  # noqa: PLR2004  # two classes


def _check_order(X: Any, y: Any) -> None:
    """PublishError where the indexes of a frame and of its targets have the same labels in another order."""
    one: Any = getattr(X, "index", None)
    other: Any = getattr(y, "index", None)
    if not (hasattr(one, "equals") and hasattr(other, "equals")) or one.equals(other):
        return
    if len(one) == len(other) and set(one) == set(other):
        by_label = "`y_test.loc[X_test.index]`, or " if one.is_unique else ""
        raise PublishError(
            f"y_test has the index of X_test in another order: give {by_label}`y_test.to_numpy()` where its rows are "
            "in the order of X_test all the same"
        )


def _checked(signature: Signature, X: Any, X_train: Any) -> Overlap | None:
    found = overlap([feature.name for feature in signature.features], X, X_train)
    if found is not None and found.is_most:
        raise PublishError(
            f"{found.shared:,} of {count_of(X):,} rows of X_test are rows of X_train: give rows that fit never saw, as "
            "train_test_split sets them aside, or leave X_train out where they are alike all the same"
        )
    return found


def _targets(y: Any, signature: Signature) -> tuple[Any, tuple[str, ...]]:
    """The targets as an array of objects, and the names of the outputs where there are several."""
    wanted = signature.targets or 1
    if not hasattr(y, "__len__") or isinstance(y, str):
        raise PublishError(f"y_test is a {type(y).__name__}: give a Series, an array or a list with one target a row")
    columns = [str(name) for name in getattr(y, "columns", ())]
    plain = y.toarray() if hasattr(y, "toarray") else y.to_numpy() if hasattr(y, "to_numpy") else list(y)
    array = np.asarray(plain, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004  # rows and columns
        array = array[:, 0]
    if array.ndim > 2 or (array.shape[1] if array.ndim == 2 else 1) != wanted:  # noqa: PLR2004  # rows and columns
        raise PublishError(f"y_test has shape {array.shape}: the model has {wanted} output(s) a row, give as many")
    if array.ndim == 1:
        return array, ()
    return array, tuple(columns) if len(columns) == wanted else tuple(f"output {n + 1}" for n in range(wanted))


def _check_columns(table: Table, signature: Signature) -> None:
    names, wanted = [column.name for column in table.columns], [feature.name for feature in signature.features]
    if names != wanted:
        raise PublishError(f"X_test has the columns {names}, X_example has {wanted}: give the same")
    for column, feature in zip(table.columns, signature.features, strict=True):
        if feature.type not in {"number", "integer"}:
            continue
        odd = next((row for row, value in enumerate(column.values) if _is_no_number(value)), None)
        if odd is not None:
            raise PublishError(
                f"column {column.name!r} of X_test has no number in row {odd}: the model takes numbers there, give such"
            )


def _is_no_number(value: Any) -> bool:
    return value is not None and not isinstance(value, int | float)


def _in_terms_of(estimator: Any, signature: Signature, kind: Kind, targets: Any) -> Any:
    if kind == "regression":
        return _numbers(targets)
    if kind == "multioutput":
        lists = estimator.classes_ if isinstance(estimator.classes_, list) else [[0, 1]] * targets.shape[1]
        columns = [
            _places(column, _plain(classes), ()) for column, classes in zip(targets.T.tolist(), lists, strict=True)
        ]
        return np.asarray(columns).T
    return np.asarray(_places(targets.tolist(), _plain(estimator.classes_), signature.labels or ()))


def _numbers(targets: Any) -> Any:
    try:
        found = targets.astype(float)
    except (TypeError, ValueError) as error:
        raise PublishError("y_test has targets that are no numbers: a regressor is measured by numbers") from error
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise PublishError(f"y_test has no finite number in row {row}: leave out rows without a target")
    return found


def _plain(classes: Any) -> list[Any]:
    return classes.tolist() if hasattr(classes, "tolist") else list(classes)


def _places(targets: Sequence[Any], classes: Sequence[Any], names: Sequence[Any]) -> list[int]:
    """Where each target is among the classes, by itself, by the name that it was given, or by its text."""
    places: dict[Any, int] = {}
    texts: dict[str, int] = {}
    for known in (names, classes):  # classes go before names
        places.update((each, place) for place, each in enumerate(known))
        texts.update((str(each), place) for place, each in enumerate(known))
    found = []
    for row, target in enumerate(targets):
        value = target.item() if isinstance(target, np.generic) else target
        place = places.get(value) if value.__hash__ else None
        place = texts.get(str(value)) if place is None else place
        if place is None:
            shown = ", ".join(map(str, [*classes][:10]))
            raise PublishError(
                f"y_test has {str(value)[:40]!r} in row {row}, which is no class of the model: its classes are {shown}"
            )
        found.append(place)
    return found
