"""The values of one feature: the type that requests have, its schema, and what is wrong with one that is none.

Light: the function imports this module.
"""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Optional

import msgspec

from model_runtime.manifest import Feature, Label

LARGEST = 3.4028234663852886e38
"""The largest number that is read, that of 32 bits: trees and forests refuse more, and squares of it are finite."""
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1

_TIME = (
    r"-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_YEARS = r"^(?!0000)[0-9]{4}"
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
"""Whole years of nanoseconds in 64 bits, as pandas holds times unless a column has another unit."""
_NANOSECOND_YEARS = r"^(167[89]|16[89][0-9]|1[7-9][0-9]{2}|2[01][0-9]{2}|22[0-5][0-9]|226[01])"
_TYPES: dict[str, Any] = {
    "number": Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)],
    "integer": Annotated[int, msgspec.Meta(ge=_SMALLEST_INTEGER, le=_LARGEST_INTEGER)],
    "string": str,
    "boolean": bool,
    "datetime": Annotated[datetime, msgspec.Meta(tz=True)],
}
_NOUNS = {
    "number": "a number",
    "integer": "an integer",
    "string": "a string",
    "boolean": "true or false",
    "datetime": "a time with its offset such as 2026-01-31T12:00:00Z (RFC 3339)",
}
_SHOWN_CATEGORIES = 20


def feature_schema(feature: Feature) -> dict[str, Any]:
    """The JSON schema of one feature's value."""
    return msgspec.json.schema(value_type(feature))


def value_type(feature: Feature) -> Any:
    """The type of a feature's values in requests.

    The categories are the only values where the model takes no gaps. Where it does, any other value counts as missing,
    as it does in the frame that the model is given.
    """
    kind = _TYPES[feature.type]
    if feature.type == "datetime":
        # Not everybody who reads a schema looks at formats, and RFC 3339 has leap seconds and a year 0.
        pattern = (_NANOSECOND_YEARS if is_in_nanoseconds(feature) else _YEARS) + _TIME
        kind = Annotated[kind, msgspec.Meta(extra_json_schema={"pattern": pattern})]
    if feature.categories is not None and feature.type in {"string", "integer"} and not feature.nullable:
        return Literal[tuple(feature.categories)]
    if is_looked_up(feature):
        return Annotated[kind, msgspec.Meta(extra_json_schema={"enum": list(feature.categories or ())})]
    if feature.categories is not None and feature.nullable:
        kind = Annotated[
            kind, msgspec.Meta(description=f"Any value but {_shown(feature.categories)} counts as missing.")
        ]
    return Optional[kind] if feature.nullable else kind  # noqa: UP045  # Annotated types have no |


def is_held(time: datetime) -> bool:
    """Whether a column of nanoseconds can hold a time."""
    return _FIRST_YEAR <= time.year <= _LAST_YEAR


def is_looked_up(feature: Feature) -> bool:
    """Whether a value may be of the type and still none of the categories, of which msgspec takes no such type."""
    return feature.categories is not None and not feature.nullable and feature.type in {"number", "boolean"}


def is_in_nanoseconds(feature: Feature) -> bool:
    """Whether a feature is a time in a column of nanoseconds."""
    return feature.type == "datetime" and (feature.dtype is None or feature.dtype.startswith("datetime64[ns"))


def _is_category(feature: Feature, value: Any) -> bool:
    return feature.categories is None or feature.nullable or value in feature.categories


def left_out(feature: Feature) -> tuple[None, str | None]:
    """A feature that is not given is a missing value, where the model takes those."""
    return None, None if feature.nullable else "required, but missing"


def from_json(feature: Feature, value: Any) -> tuple[Any, str | None]:
    """Read a parsed value; also what is wrong with it, None where nothing is."""
    if isinstance(value, float) and feature.type == "integer" and value.is_integer():
        value = int(value)  # 30.0 and 3e1 are 30 in JSON
    try:
        converted = msgspec.convert(value, value_type(feature))
    except (msgspec.ValidationError, UnicodeError):  # half a surrogate pair is not a number either
        return None, f"must be {_noun(feature)}{_too_large(feature, value)}"
    if isinstance(converted, float) and not math.isfinite(converted):
        return None, f"must be {_noun(feature)}, and finite"
    if not _is_category(feature, converted):
        return None, f"must be {_noun(feature)}"
    return converted, _beyond(feature, converted)


def from_text(feature: Feature, text: str) -> tuple[Any, str | None]:
    """Read a value of a query string in the same way."""
    try:
        value: Any = text if feature.type == "string" else msgspec.convert(text, _TYPES[feature.type], strict=False)
    except msgspec.ValidationError:
        more = _too_large(feature, text)
        return None, f"must be {_NOUNS[feature.type]}{more or f', not {text[:40]!r}'}"
    if not _is_category(feature, value):
        return None, f"must be {_noun(feature)}, not {text[:40]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return None, f"must be {_NOUNS[feature.type]}, and finite"
    return value, _beyond(feature, value)


def _beyond(feature: Feature, value: Any) -> str | None:
    """What is wrong with a time that the column cannot hold."""
    if value is None or not is_in_nanoseconds(feature) or is_held(value):
        return None
    return f"must be a time from {_FIRST_YEAR} to {_LAST_YEAR}"


def _too_large(feature: Feature, value: Any) -> str:
    """What is wrong with a number of the right kind."""
    if isinstance(value, bool) or feature.type not in {"number", "integer"}:
        return ""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return ""
    if not math.isfinite(number) and not isinstance(value, int):
        return ", and finite"
    if feature.type == "number":
        return f" from {-LARGEST:.1e} to {LARGEST:.1e}" if abs(number) > LARGEST else ""
    return " of 64 bits" if number.is_integer() and abs(number) >= _LARGEST_INTEGER else ""


def _shown(categories: Sequence[Label]) -> str:
    shown = ", ".join(json.dumps(value) for value in categories[:_SHOWN_CATEGORIES])
    return f"{shown}{' and more' if len(categories) > _SHOWN_CATEGORIES else ''}"


def _noun(feature: Feature) -> str:
    if feature.categories is not None and not feature.nullable:
        return f"one of {_shown(feature.categories)}"
    return _NOUNS[feature.type] + (" or null" if feature.nullable else "")
