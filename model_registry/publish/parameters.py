"""The parameters that an estimator was made with, as a manifest records them: one entry for each nested parameter.

Short, without addresses in memory, and without rows: what is compared between versions, and read by people.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import msgspec
import numpy as np

MOST = 300
"""So many parameters of an estimator are recorded; a pipeline of five transformers and a forest has about 60."""
LONGEST = 200
"""So many characters of a parameter are recorded."""

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_CUT_OFF = "..."
_DIGITS = 12  # of a digest: it tells two texts apart, and nobody checks anything by it
_HAS_COLUMNS = 3  # a transformer of a ColumnTransformer is its name, the estimator and its columns


def parameters_of(estimator: Any) -> dict[str, Any]:
    """The parameters by the names that `get_params(deep=True)` has, as `randomforestclassifier__max_depth`.

    An estimator that is a parameter has its class's name, and a list of named ones has their names; which columns a
    transformer of a ColumnTransformer takes is `transformers__NAME`. Of more than 300 parameters the outermost are
    kept; the entry `...` then counts the others, with a digest that tells whether one of them differs.
    """
    deep = {str(name): value for name, value in estimator.get_params(deep=True).items()}
    found: dict[str, Any] = {}
    for name, value in deep.items():
        named = _named(name, value, deep)
        if named is None:
            found[name] = type(value).__name__ if _is_estimator(value) else _plain(value)
            continue
        found[name] = _short(", ".join(str(each[0]) for each in named))
        found |= {f"{name}__{each[0]}": _plain(each[2]) for each in named if len(each) == _HAS_COLUMNS}
    outermost = sorted(found, key=lambda name: (name.count("__"), name))
    kept = {name: found[name] for name in sorted(outermost[:MOST])}
    rest = [(name, found[name]) for name in outermost[MOST:]]
    if rest:
        kept[_CUT_OFF] = f"{len(rest):,} more, sha256 {_digest(msgspec.json.encode(rest))}"
    return kept


def _named(name: str, value: Any, deep: Mapping[str, Any]) -> list[tuple[Any, ...]] | None:
    """The named estimators of a composite parameter, such as a pipeline's steps; None for any other parameter."""
    if not isinstance(value, list | tuple) or not value:
        return None
    prefix = name[: name.rfind("__") + 2] if "__" in name else ""
    parts = [tuple(each) for each in value if isinstance(each, list | tuple) and len(each) >= 2]  # noqa: PLR2004  # name and estimator
    are_named = len(parts) == len(value) and all(f"{prefix}{part[0]}" in deep for part in parts)
    return parts if are_named else None


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _plain(value: Any) -> Any:
    """A parameter as JSON: numbers, strings and such as they are, anything else as text; both cut where they are long.

    Two versions with the same parameters have the same text.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and np.isfinite(value)):
        return value
    return _short(value if isinstance(value, str) else _told(value))


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    end = f"{_CUT_OFF} ({len(text):,} characters, sha256 {_digest(text.encode(errors='replace'))})"
    return text[: LONGEST - len(end)] + end


def _told(value: Any) -> str:
    """A value as Python writes it; of a table, which may hold somebody's rows, no more than its form is told."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim <= 1):
        value = value.tolist()
    if isinstance(getattr(value, "shape", None), tuple) or _is_rows(value):
        return _form(value)
    for kind, written in _CONTAINERS.items():
        if isinstance(value, kind):
            return written(value)
    if _is_estimator(value):
        return f"{type(value).__name__}({', '.join(_pairs(parameters_of(value), '='))})"
    text = _ADDRESS.sub("", repr(value))
    return type(value).__name__ if "\n" in text else text  # a text of several lines is a table's


def _pairs(values: Mapping[Any, Any], sign: str) -> list[str]:
    return [f"{name if sign == '=' else _told(name)}{sign}{_told(value)}" for name, value in values.items()]


_CONTAINERS: dict[type, Callable[[Any], str]] = {
    Mapping: lambda value: f"{{{', '.join(_pairs(value, ': '))}}}",
    list: lambda value: f"[{', '.join(map(_told, value))}]",
    tuple: lambda value: f"({', '.join(map(_told, value))}{',' if len(value) == 1 else ''})",
    AbstractSet: lambda value: f"{{{', '.join(sorted(map(_told, value)))}}}",  # each process has another order
    partial: lambda value: (
        f"partial({', '.join([*map(_told, (value.func, *value.args)), *_pairs(value.keywords, '=')])})"
    ),
}


def _is_rows(value: Any) -> bool:
    """Whether a list holds lists with numbers, as the rows of a table are; lists of texts are categories."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(each, list | tuple) for each in value):
        return False
    return any(isinstance(each, int | float | np.number) for row in value for each in row)


def _form(value: Any) -> str:
    """The kind and size of a table, with a digest that tells whether two differ."""
    shape = getattr(value, "shape", None)
    size = " x ".join(map(str, shape)) if isinstance(shape, tuple) else f"{len(value):,} rows"
    inside = value.tolist() if hasattr(value, "tolist") else np.asarray(value, dtype=object).tolist()
    return f"<{type(value).__name__} of {size}, sha256 {_digest(_ADDRESS.sub('', repr(inside)).encode())}>"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]
