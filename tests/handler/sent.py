"""What callers sent, to be looked for in the log: a value of theirs must not be there."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_LONG = 6
"""Shorter values are in every log by chance."""


def values_of(event: Mapping[str, Any]) -> Iterator[str]:
    """The texts and numbers of a request that are long enough to be recognised, also as the log would write them."""
    for value in _leaves(event):
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) >= _LONG and not isinstance(value, bool):
            yield text
            yield json.dumps(text)[1:-1]


def found_in(log: str, values: Iterable[str]) -> list[str]:
    """Those that a log has; digits as a whole number only, as times and ids of its own have any six in them."""
    numbers = set(re.findall(r"[\w.+-]+", log))
    return [value for value in values if (value in numbers if value.isdigit() else value in log)]


def _leaves(event: Mapping[str, Any]) -> Iterator[Any]:
    for name, given in (event["multiValueQueryStringParameters"] or {}).items():
        yield name
        yield from given
    body = event["body"] or ""
    yield body
    try:
        yield from _of_json(json.loads(body))
    except (ValueError, RecursionError):
        try:
            yield from (field for line in csv.reader(io.StringIO(body)) for field in line)
        except csv.Error:
            return


def _of_json(document: Any) -> Iterator[Any]:
    if isinstance(document, Mapping):
        yield from document
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from _of_json(each)
    else:
        yield document
