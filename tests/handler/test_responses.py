from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from handler.responses import MAX_BODY_BYTES, Problem, answer, problem_json, refusal, to_json
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


def test_the_largest_answer_is_returned_and_a_larger_one_is_a_problem() -> None:
    quotes = 2
    assert len(answer("x" * (MAX_BODY_BYTES - quotes), {})["body"]) == MAX_BODY_BYTES
    with pytest.raises(Problem, match=r"The answer has 6,000,001 bytes, 6,000,000 can be returned") as caught:
        answer("x" * (MAX_BODY_BYTES - quotes + 1), {})
    assert caught.value.status == 413


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
