"""Example rows from files: JSON, CSV, Parquet."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from model_registry.publish.steps import first_steps, kind_of
from model_registry.publish.tables import fitted_names
from model_runtime.errors import PublishError
from model_runtime.manifest import FeatureType

_BOOLEANS = {"true": True, "false": False}


def read_rows(
    path: Path, estimator: Any, types: Mapping[str, FeatureType] | None = None, what: str = "examples"
) -> Any:
    """Read rows for this estimator, in a form that publishing takes.

    A JSON file holds a list of objects, rows or texts. A CSV has a header; each column has one type, the one that the
    model was fitted on where its steps tell, else the narrowest that holds all cells (007 is a text). An empty cell is
    a missing value. A Parquet file is read by pandas. `-` is JSON from standard input.

    Args:
        path: The file; its suffix says which kind it is.
        estimator: What the rows are for.
        types: Types that are declared; texts of a `datetime` become times, without a zone where they have no offset.
        what: What the rows are, for errors.

    Raises:
        PublishError: the file cannot be read.

    """
    rows = _read(path, estimator, what)
    for name, kind in (types or {}).items():
        if kind == "datetime" and isinstance(rows, list):
            rows = [{**row, name: _time(path, name, row[name])} if _has(row, name) else row for row in rows]
    return rows


def read_test(
    path: Path, estimator: Any, types: Mapping[str, FeatureType], targets: Sequence[str], X_example: Any
) -> tuple[Any, Any]:
    """Read test rows and what is true of them, as `X_test` and `y_test` of publishing.

    Rows with the columns of the example rows and no other have no targets, as a clusterer's.

    Args:
        path: A file as `read_rows` takes it, of objects, lists or a table.
        estimator: What the rows are for.
        types: Types that are declared.
        targets: Names of the columns that are true of the rows; the last column where none is named.
        X_example: The example rows: where they are texts, so are the test rows.

    Raises:
        PublishError: the file cannot be read, or has no such column.

    """
    rows = read_rows(path, estimator, types, "test rows")
    if not targets and _columns_of(rows) == _columns_of(X_example):
        return rows, None
    are_texts = isinstance(X_example, list) and all(isinstance(each, str) for each in X_example)
    if hasattr(rows, "columns"):
        names = _named(path, [str(name) for name in rows.columns], targets, X_example)
        return rows.drop(columns=names), rows[names if len(names) > 1 else names[0]]
    first = rows[0] if rows else None
    if isinstance(first, list) and not targets and all(isinstance(row, list) and len(row) > 1 for row in rows):
        return [row[0] if are_texts else row[:-1] for row in rows], [row[-1] for row in rows]
    if not (isinstance(first, dict) and all(isinstance(row, dict) and row.keys() == first.keys() for row in rows)):
        raise PublishError(f"the test rows {path} are not objects of the same names: give a CSV, or a list of such")
    names = _named(path, list(first), targets, () if are_texts else X_example)
    y = [[row[name] for name in names] if len(names) > 1 else row[names[0]] for row in rows]
    X = [{name: value for name, value in row.items() if name not in names} for row in rows]
    return [next(iter(row.values())) for row in X] if are_texts else X, y


def _columns_of(rows: Any) -> Any:
    """What tells the columns of rows: their names, or how many there are."""
    if hasattr(rows, "columns"):
        return {str(name) for name in rows.columns}
    first: Any = rows[0] if len(rows) else None
    if isinstance(first, Mapping):
        return {str(name) for name in first}
    return len(first) if isinstance(first, list | tuple) or hasattr(first, "shape") else 1


def _named(path: Path, columns: Sequence[str], targets: Sequence[str], X_example: Any) -> list[str]:
    """The columns of the targets; PublishError where there is none of a name, or nothing but features beside them."""
    names = list(dict.fromkeys(targets or columns[-1:]))
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise PublishError(
            f"the test rows {path} have no column {', '.join(unknown)}: name one of {', '.join(columns)} by --target"
        )
    if len(names) == len(columns):
        raise PublishError(f"the test rows {path} have no column beside {', '.join(names)}: give the features, too")
    features = _columns_of(X_example) if len(X_example) else None
    if isinstance(features, set):
        _check_beside(path, columns, names, features, are_named=bool(targets))
    return names


def _check_beside(
    path: Path, columns: Sequence[str], names: Sequence[str], features: set[str], *, are_named: bool
) -> None:
    """PublishError unless the columns beside the targets are the features; its remedy names the likely targets."""
    others = [name for name in columns if name not in features and name not in names]
    taken, lost = [name for name in names if name in features], sorted(features.difference(columns))
    if taken:
        place = "a" if are_named else "the last"
        likely = f"name the target: {' or '.join(f'--target {name}' for name in others)}"
        raise PublishError(
            f"`{'`, `'.join(taken)}`, {place} column of the test rows {path}, was taken as the target, and the model "
            f"has it as a feature: {likely if others else 'add a column with what is true of each row'}"
        )
    if lost:
        raise PublishError(
            f"the test rows {path} lack {', '.join(lost)}: give each feature beside the target, {', '.join(names)}"
        )
    if others:
        raise PublishError(
            f"the test rows {path} have {', '.join(others)} beside the features and the target, {', '.join(names)}: "
            f"leave out what is neither{'' if are_named else ', or name each target by --target'}"
        )


def _has(row: Any, name: str) -> bool:
    return isinstance(row, Mapping) and isinstance(row.get(name), str)


def _time(path: Path, name: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise PublishError(
            f"column {name!r} of {path} has {text!r}, which is not a time: write it like 2026-01-31T12:00:00Z"
        ) from error


def _read(path: Path, estimator: Any, what: str) -> Any:
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            return _read_csv(path, estimator, what)
        if suffix in {".parquet", ".pq"}:
            return _read_parquet(path, what)
        document = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublishError(f"cannot read the {what} {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PublishError(
            f"the {what} {path} are not JSON ({error}): give a list, or a file named *.csv or *.parquet"
        ) from error
    if isinstance(document, list):
        return document
    raise PublishError(f"the {what} {path} hold a {type(document).__name__}: give a list of objects, lists or texts")


def _read_parquet(path: Path, what: str) -> Any:
    try:
        import pandas as pd

        return pd.read_parquet(path)
    except ImportError as error:
        raise PublishError(f"reading {path} needs pandas and pyarrow ({error}): install them, or give a CSV") from error
    except OSError:
        raise
    except Exception as error:  # pyarrow raises its own
        raise PublishError(
            f"the {what} {path} are not Parquet ({error}): write them by DataFrame.to_parquet"
        ) from error


def _read_csv(path: Path, estimator: Any, what: str) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restkey="", restval="", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PublishError(f"the {what} {path} are not CSV in UTF-8 ({error}): write them so") from error
    if any("" in row for row in rows):
        raise PublishError(f"the {what} {path} have a row with more cells than the header: name every column")
    if not rows:
        raise PublishError(f"the {what} {path} have no rows: give a header and at least one row, better three")
    names = list(rows[0])
    firsts = first_steps(estimator, fitted_names(estimator) or [])
    typed = {name: _typed(path, name, [row[name] for row in rows], kind_of(firsts.get(name, ()))) for name in names}
    return [dict(zip(names, values, strict=True)) for values in zip(*typed.values(), strict=True)]


def _typed(path: Path, name: str, cells: Sequence[str], known: type | None) -> list[Any]:
    """The cells of a column as values of one type; None for an empty one."""
    present = [cell for cell in cells if cell]
    if known is not None:
        try:
            return [_READERS[known](cell) if cell else None for cell in cells]
        except ValueError as error:
            raise PublishError(
                f"column {name!r} of {path} has {error}: the model was fitted on values of the type {known.__name__}"
            ) from error
    readers: tuple[Callable[[str], Any], ...] = (_boolean, _whole, _number)
    for reader in readers:
        with suppress(ValueError):
            values = [reader(cell) for cell in present]
            found = iter(values)
            return [next(found) if cell else None for cell in cells]
    return [cell or None for cell in cells]


def _boolean(cell: str) -> bool:
    try:
        return _BOOLEANS[cell.lower()]
    except KeyError as error:
        raise ValueError(f"{cell!r}, which is neither true nor false") from error


def _whole(cell: str) -> int:
    if _has_leading_zero(cell):
        raise ValueError(cell)
    return int(cell)


def _number(cell: str) -> float:
    if _has_leading_zero(cell):
        raise ValueError(cell)
    return float(cell)


def _has_leading_zero(cell: str) -> bool:
    digits = cell.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


_READERS: dict[type, Callable[[str], Any]] = {bool: _boolean, int: int, float: float, str: str}
