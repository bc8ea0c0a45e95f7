import json
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from handler.responses import MAX_RESPONSE_BYTES, Problem, answer, problem_json, refusal, to_json
from tests.handler.conftest import strict


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64("nan"), None),
        (float("-inf"), None),
        (np.float32(0.5), 0.5),
        (np.int64(2**62), 2**62),
        (np.bool_(True), True),  # noqa: FBT003  # the value under test
        (np.str_("ü"), "ü"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ({"a": [np.float64(1.5), np.nan]}, {"a": [1.5, None]}),
    ],
)
def test_values_are_written_as_strict_json(value: Any, expected: Any) -> None:
    assert strict(to_json(value).decode()) == expected


def test_what_has_no_json_form_is_a_bug_and_no_answer() -> None:
    with pytest.raises(NotImplementedError, match="a object has no JSON form"):
        to_json(object())


def test_an_answer_is_200_with_the_headers_given() -> None:
    assert answer({"a": 1}, {"X-Model-Version": "3"}) == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "X-Model-Version": "3"},
        "body": '{"a":1}',
    }


@pytest.mark.parametrize("character", ["x", '"', "\\", "\0", "ü", "\u2028", "😀"])
def test_the_largest_answer_is_returned_and_a_larger_one_is_a_problem(character: str) -> None:
    """The limit holds for the response as Lambda's runtime client encodes it, the body a string in a JSON document."""
    alone = len(json.dumps(answer("", {})))
    size = len(json.dumps(character)) - 2
    fits = (MAX_RESPONSE_BYTES - alone) // size
    largest = answer(character * fits, {})
    assert MAX_RESPONSE_BYTES - size < len(json.dumps(largest)) <= MAX_RESPONSE_BYTES < 6_291_556
    with pytest.raises(Problem, match=r"The answer has 6,\d{3},\d{3} bytes as Lambda .* returned: do less\.") as caught:
        answer(character * (fits + 1), {}, remedy="do less")
    assert caught.value.status == 413


def test_labels_in_a_batch_count_with_their_escaped_quotes() -> None:
    """66,000 rows of Iris: 5.6 MB of JSON, which Lambda would take, and more than it takes once it is encoded."""
    rows = [{"label": "setosa", "probabilities": {"setosa": 0.98, "versicolor": 0.02, "virginica": 0.0}}] * 66_000
    assert len(to_json(rows)) < 6_000_000
    with pytest.raises(Problem, match="send fewer instances"):
        answer(rows, {}, remedy="send fewer instances")


def test_a_refusal_is_a_problem_document() -> None:
    """RFC 9457, with an extension member `errors`."""
    errors = [{"pointer": "#/sl", "detail": "must be a number"}]
    found = refusal(Problem(HTTPStatus.BAD_REQUEST, "It does not fit.", errors), {"X-Model-Version": "3"})
    assert found["statusCode"] == 400
    assert found["headers"] == {"Content-Type": "application/problem+json", "X-Model-Version": "3"}
    assert strict(found["body"]) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "It does not fit.",
        "errors": errors,
    }


def test_a_problem_without_wrong_fields_has_no_errors() -> None:
    assert "errors" not in strict(problem_json(Problem(HTTPStatus.NOT_FOUND, "Not here.")))


def test_a_problem_can_name_what_has_no_utf_8() -> None:
    text = problem_json(Problem(HTTPStatus.NOT_FOUND, "\ud800"))
    assert text.isascii()
    assert strict(text)["detail"] == "\ud800"
