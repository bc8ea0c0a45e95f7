import pytest

from infra.cors import error_headers

PAGE, OTHER = "https://app.example.com", "http://localhost:8080"


@pytest.mark.parametrize("origin", [PAGE, "*"])
def test_the_one_origin_may_read_the_gateways_errors(origin: str) -> None:
    assert error_headers([origin]) == {"Access-Control-Allow-Origin": origin}


def test_of_several_the_gateway_cannot_choose_and_errors_are_for_every_page() -> None:
    assert error_headers([PAGE, OTHER]) == {"Access-Control-Allow-Origin": "*"}


def test_without_origins_there_are_no_headers() -> None:
    assert error_headers([]) == {}
