from tests.handler.api_page import PAGE, page


def test_the_page_of_the_api_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.handler.api_page`"
