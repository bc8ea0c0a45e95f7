import json
from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from handler.model import ServedModel
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


@pytest.mark.parametrize("name", NAMES)
def test_each_event_gives_its_expected_answer(served_iris: ServedModel, name: str) -> None:
    event = json.loads((EVENTS / f"{name}.json").read_text())
    expected = json.loads((EVENTS / "expected" / f"{name}.json").read_text())
    found = App(lambda: served_iris)(event, None)
    assert (found["statusCode"], found.get("headers")) == (expected["statusCode"], expected.get("headers"))
    if isinstance(expected.get("body"), str):
        assert found == expected
    else:
        part = "bodyIncludes" in expected
        assert same(strict(found["body"]), expected["bodyIncludes" if part else "body"], part=part), found["body"]


def test_every_event_has_an_answer_and_every_answer_an_event() -> None:
    assert sorted(path.stem for path in (EVENTS / "expected").glob("*.json")) == NAMES
    assert {"direct", "get", "post", "get-missing-parameter", "post-wrong-fields"} <= set(NAMES)


def test_the_guide_s_event_gives_the_guide_s_answer(served_iris: ServedModel) -> None:
    """Row 5 of the guide, independent of the files."""
    event = {"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}
    assert json.loads((EVENTS / "direct.json").read_text()) == event
    assert App(lambda: served_iris)(event, None) == {"statusCode": 200, "body": "virginica"}


def test_the_comparison_tells_answers_apart() -> None:
    assert same({"a": [1.0, "x"]}, {"a": [1.01, "x"]}, part=False)
    assert same({"a": 1, "b": 2}, {"a": 1}, part=True)
    for found, expected in [
        ({"a": 1, "b": 2}, {"a": 1}),
        ([1.0], [1.2]),
        ([1], []),
        (True, 1),
        ("1", 1),
        ({}, {"a": 1}),
    ]:
        assert not same(found, expected, part=False)
    assert not same({}, {"a": 1}, part=True)
