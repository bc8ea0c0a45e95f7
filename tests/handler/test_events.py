import pytest

from handler.app import App
from model_runtime.start import ServedModel
from tests.handler.events import EVENTS, NAMES, assert_expected, event_of, same


@pytest.mark.parametrize("name", NAMES)
def test_each_event_gives_its_expected_answer(served_iris: ServedModel, name: str) -> None:
    assert_expected(name, App(lambda: served_iris)(event_of(name), None))


def test_every_event_has_an_answer_and_every_answer_an_event() -> None:
    assert sorted(path.stem for path in (EVENTS / "expected").glob("*.json")) == NAMES
    assert {"direct", "get", "post", "get-missing-parameter", "post-wrong-fields"} <= set(NAMES)


def test_the_guide_s_event_gives_the_guide_s_answer(served_iris: ServedModel) -> None:
    """Row 5 of the guide, independent of the files."""
    event = {"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}
    assert event_of("direct") == event
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
