import pytest

from tests.browser import chromium


def test_where_no_browser_is_the_tests_fail_and_say_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"), chromium.browser():
        pass
