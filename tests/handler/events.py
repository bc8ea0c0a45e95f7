"""The test events of `handler/events` and how their answers are compared; its README says what the files mean."""

import json
from pathlib import Path
from typing import Any

from tests.handler.conftest import strict

EVENTS = Path(__file__).parents[2] / "handler" / "events"
NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))
FRACTION = 0.05
"""Forests of two scikit-learn releases differ a little."""


def same(found: Any, expected: Any, *, part: bool) -> bool:
    """Compare JSON values; with `part`, objects may have more members than expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if not part and found.keys() != expected.keys():
            return False
        return all(name in found and same(found[name], expected[name], part=part) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(same(*pair, part=part) for pair in zip(found, expected, strict=True))
    if isinstance(expected, float):
        return isinstance(found, float) and abs(found - expected) <= FRACTION
    return type(found) is type(expected) and bool(found == expected)


def event_of(name: str) -> Any:
    """The event of this name."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def assert_expected(name: str, answer: Any) -> None:
    """Fail unless the function's answer is what the file says."""
    expected = json.loads((EVENTS / "expected" / f"{name}.json").read_text())
    assert (answer["statusCode"], answer.get("headers")) == (expected["statusCode"], expected.get("headers"))
    if isinstance(expected.get("body"), str):
        assert answer == expected
        return
    part = "bodyIncludes" in expected
    assert same(strict(answer["body"]), expected["bodyIncludes" if part else "body"], part=part), answer["body"]
