"""The parameters that an estimator was made with, as a manifest records them: one entry for each nested parameter.

Short, without addresses in memory, rows or secrets: what is compared between versions, and read by people.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np

MOST = 300
"""So many parameters of an estimator are recorded; a pipeline of five transformers and a forest has about 60."""
LONGEST = 200
"""So many characters of a parameter are recorded."""

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_HIDDEN = "***"
_SECRET = re.compile(
    r"(?<![a-z])(?:password|passwd|passphrase|pwd|secret|credential|authorization|(?:api|access|private)[_-]?key)s?(?![a-z])"
)
_TOKEN = re.compile(r"(?<![a-z])token$")  # a `token_pattern` is none, nor are `max_tokens`
_IN_URL = re.compile(r"(?<=://)(?:[^\s/:@]*:\S{0,2000}|[^\s/?#]+)@")  # USER:PASSWORD@, or a token alone
_IN_TEXT = re.compile(  # of queries (SAS, presigned), connection strings and what objects say of themselves
    r"((?:passw(?:or)?d|passphrase|pwd|secret|credential|(?:api|access|account|private)[_-]?key|signature"
    r"|(?<![a-z])sig(?![a-z])|token(?![\w-]))[\w-]{0,40}['\"]?\s{0,9}[=:]\s{0,9})(?:'[^']*'|\"[^\"]*\"|[^\s&;,)}\]]+)",
    re.IGNORECASE,
)
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
            found[name] = _one(name, value, deep)
            continue
        found[name] = _short(", ".join(str(each[0]) for each in named))
        found |= {f"{name}__{each[0]}": _plain(each[2]) for each in named if len(each) == _HAS_COLUMNS}
    outermost = sorted(found, key=lambda name: (name.count("__"), name))
    kept = {name: found[name] for name in sorted(outermost[:MOST])}
    rest = [(name, found[name]) for name in outermost[MOST:]]
    if rest:
        kept[_CUT_OFF] = f"{len(rest):,} more, sha256 {_digest(msgspec.json.encode(rest))}"
    return kept


def _one(name: str, value: Any, deep: Mapping[str, Any]) -> Any:
    if _is_estimator(value):
        return type(value).__name__
    if _is_secret(name, value):
        return _HIDDEN
    return _short(_grid(value)) if _is_grid(name, value, deep) else _plain(value)


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
    return _short(_without_secrets(value) if isinstance(value, str) else _told(value))


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    end = f"{_CUT_OFF} ({len(text):,} characters, sha256 {_digest(text.encode(errors='replace'))})"
    return text[: LONGEST - len(end)] + end


def _told(value: Any) -> str:
    """A value as Python writes it; of rows, which may be somebody's, no more than their form is told."""
    value = _listed(value)
    return _form(value) if _is_table(value) or _is_rows(value) else _written(value, _told)


def _content(value: Any) -> str:
    """All that is in a value, for its digest."""
    if type(value) in (int, float):  # most of a table's: it may have millions
        return repr(value)
    value = _listed(value)
    if not _is_table(value):
        return _written(value, _content)
    if hasattr(value, "tocoo"):  # a sparse matrix, whose `repr` has none of its elements
        entries = value.tocoo(copy=True)
        entries.sum_duplicates()
        entries.eliminate_zeros()
        where = entries.coords if hasattr(entries, "coords") else (entries.row, entries.col)
        return _content([*where, entries.data])
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return repr(value.tolist())
    names = [list(getattr(value, name)) for name in ("columns", "index") if np.iterable(getattr(value, name, None))]
    rows = value.tolist() if hasattr(value, "tolist") else np.asarray(value, dtype=object).tolist()
    return _content([*names, rows] if names else rows)


def _listed(value: Any) -> Any:
    is_flat = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim <= 1)
    return value.tolist() if is_flat else value


def _written(value: Any, tell: Callable[[Any], str]) -> str:
    for kind, written in _CONTAINERS.items():
        if isinstance(value, kind):
            return written(value, tell)
    if _is_collection(value):
        return f"{type(value).__name__}({', '.join(map(tell, value))})"
    if _is_estimator(value) or _is_record(value):
        parts = (
            parameters_of(value) if _is_estimator(value) else {f.name: getattr(value, f.name) for f in fields(value)}
        )
        return f"{type(value).__name__}({', '.join(_pairs(parts, '=', tell))})"
    if isinstance(value, str):
        return repr(_without_secrets(value))
    text = _without_secrets(_ADDRESS.sub("", repr(value)))
    return type(value).__name__ if "\n" in text else text  # a text of several lines is a table's


def _pairs(values: Mapping[Any, Any], sign: str, tell: Callable[[Any], str]) -> list[str]:
    return [
        f"{name if sign == '=' else tell(name)}{sign}{_HIDDEN if _is_secret(str(name), value) else tell(value)}"
        for name, value in values.items()
    ]


_CONTAINERS: dict[type, Callable[[Any, Callable[[Any], str]], str]] = {
    Mapping: lambda value, tell: f"{{{', '.join(_pairs(value, ': ', tell))}}}",
    list: lambda value, tell: f"[{', '.join(map(tell, value))}]",
    tuple: lambda value, tell: f"({', '.join(map(tell, value))}{',' if len(value) == 1 else ''})",
    AbstractSet: lambda value, tell: f"{{{', '.join(sorted(map(tell, value)))}}}",  # each process has another order
    partial: lambda value, tell: (
        f"partial({', '.join([*map(tell, (value.func, *value.args)), *_pairs(value.keywords, '=', tell)])})"
    ),
}


def _is_secret(name: str, value: Any) -> bool:
    """Whether a parameter or an entry is a password or such by its name, without the names of steps before it."""
    if value is None or isinstance(value, bool | float):
        return False
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition("__")[2]).lower()
    return bool(_SECRET.search(words) or (_TOKEN.search(words) and not isinstance(value, int)))


def _without_secrets(text: str) -> str:
    return _IN_TEXT.sub(rf"\1{_HIDDEN}", _IN_URL.sub(f"{_HIDDEN}@", text))


def _is_grid(name: str, value: Any, deep: Mapping[str, Any]) -> bool:
    """Whether these are the candidates of a search: each entry is a parameter of the estimator beside it."""
    prefix = name[: name.rfind("__") + 2] if "__" in name else ""
    grids = value if isinstance(value, list | tuple) else [value]
    return bool(grids) and all(
        isinstance(grid, Mapping) and all(f"{prefix}estimator__{str(each).partition('__')[0]}" in deep for each in grid)
        for grid in grids
    )


def _grid(value: Any) -> str:
    """A search's candidates are a list, and each of them is told as the parameter itself would be."""
    if isinstance(value, Mapping):
        return _written(value, lambda each: _written(each, _told) if isinstance(each, list | tuple) else _told(each))
    return f"[{', '.join(map(_grid, value))}]"


def _is_table(value: Any) -> bool:
    return isinstance(getattr(value, "shape", None), tuple)


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _is_collection(value: Any) -> bool:
    is_one = isinstance(value, Mapping | Sequence | AbstractSet | ValuesView)
    return is_one and not isinstance(value, str | bytes | bytearray | memoryview | range)


def _is_rows(value: Any) -> bool:
    """Whether a collection has collections, tables or records in it, as rows or columns that somebody wrote out.

    Such as `ngram_range`, `class_weight` and the names of columns have none, and estimators are no rows.
    """
    if not _is_collection(value):
        return False
    return any(
        (_is_table(each) and each.shape != ())
        or _is_record(each)
        or (_is_collection(each) and not any(map(_is_estimator, each)))
        for each in (value.values() if isinstance(value, Mapping) else value)
    )


def _form(value: Any) -> str:
    """The kind and size of a table, with a digest that tells whether two differ."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        size = " x ".join(map(str, shape))
    else:
        size = f"{len(value):,} {'entries' if isinstance(value, Mapping) else 'rows'}"
    return f"<{type(value).__name__} of {size}, sha256 {_digest(_content(value).encode(errors='replace'))}>"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]
