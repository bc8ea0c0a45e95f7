"""What is compared of an answer, and how a difference shows."""

from typing import Any

import pytest

from aws_check import assumptions
from aws_check.exchanges import Answer, narrowed

EXPECTED = Answer(200, "application/json", {"label": "virginica", "version": 1}, {"x-model-version": "1"})
FOUND = Answer(
    200,
    "application/json",
    {"label": "virginica", "version": 1, "probabilities": {}},
    {"x-model-version": "1", "x-amzn-requestid": "a"},
)


def test_what_is_not_named_is_not_compared() -> None:
    assert narrowed(FOUND, EXPECTED) == EXPECTED


@pytest.mark.parametrize(
    "found",
    [
        Answer(201, FOUND.content_type, FOUND.body, FOUND.headers),
        Answer(200, "text/html", FOUND.body, FOUND.headers),
        Answer(200, FOUND.content_type, {**FOUND.body, "version": 2}, FOUND.headers),
        Answer(200, FOUND.content_type, {"label": "virginica"}, FOUND.headers),
        Answer(200, FOUND.content_type, "virginica", FOUND.headers),
        Answer(200, FOUND.content_type, FOUND.body, {}),
    ],
)
def test_each_part_that_differs_is_seen(found: Answer) -> None:
    assert narrowed(found, EXPECTED) != EXPECTED


@pytest.mark.parametrize(
    ("found", "expected"), [([{"a": 1, "b": 2}], [{"a": 1}]), ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}})]
)
def test_members_are_picked_at_any_depth(found: Any, expected: Any) -> None:
    assert narrowed(Answer(200, "", found), Answer(200, "", expected)) == Answer(200, "", expected)


def test_a_list_of_another_length_shows_whole() -> None:
    assert narrowed(Answer(200, "", [{"a": 1}, 2]), Answer(200, "", [{"a": 1}])).body == [{"a": 1}, 2]


def test_each_assumption_is_stated_once() -> None:
    stated = [
        *assumptions.answers(1),
        *assumptions.refusals(),
        *assumptions.limits(1),
        *assumptions.closed("key", 1),
        assumptions.asked("the promoted version answers", 2),
    ]
    assert len({each.assumption for each in stated}) == len(stated) > 30


def test_a_batch_that_fits_is_within_the_limit_and_a_larger_one_is_not() -> None:
    """As the handler counts: a body that is a string of the response's JSON."""
    from handler.responses import Problem, answer

    def body(rows: int) -> dict[str, Any]:
        row = {"label": "virginica", "probabilities": {"setosa": 0.0, "versicolor": 0.05, "virginica": 0.95}}
        return {"predictions": [row] * rows, "model": "iris", "version": 1}

    rows = assumptions.rows_that_fit(body(1), body(2))
    assert answer(body(rows), {"X-Model-Version": "1"})["statusCode"] == 200
    with pytest.raises(Problem):
        answer(body(rows + 200), {"X-Model-Version": "1"})
