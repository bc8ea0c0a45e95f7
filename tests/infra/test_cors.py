import pytest

from infra.cors import error_headers, preflight_headers

PAGE, OTHER = "https://app.example.com", "http://localhost:8080"


@pytest.mark.parametrize("origin", [PAGE, "*"])
def test_the_gateway_answers_for_one_origin_itself(origin: str) -> None:
    headers = preflight_headers([origin])
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"
    assert {"Content-Type", "X-Api-Key", "Authorization"} <= set(headers["Access-Control-Allow-Headers"].split(","))
    assert error_headers([origin]) == {"Access-Control-Allow-Origin": origin}


def test_of_several_only_the_function_can_choose_and_errors_are_for_every_page() -> None:
    assert preflight_headers([PAGE, OTHER]) == {}
    assert error_headers([PAGE, OTHER]) == {"Access-Control-Allow-Origin": "*"}


def test_without_origins_there_are_no_headers() -> None:
    assert preflight_headers([]) == {}
    assert error_headers([]) == {}
