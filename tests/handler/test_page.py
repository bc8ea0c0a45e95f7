"""The page to try the model, as the function sends it; tests/local/test_try_it_page.py opens it in a browser."""

import base64
import hashlib
import re

import pytest

from handler.app import App
from tests.handler.conftest import gateway, strict

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def get(app: App, accept: str | None) -> dict[str, str]:
    """The answer at the root: its type, its policy and its body."""
    response = app(gateway("GET", "/", headers=None if accept is None else {"accept": accept}), None)
    assert response["statusCode"] == 200
    headers = response["headers"]
    return {**headers, "body": response["body"]}


def test_a_browser_gets_the_page(app: App) -> None:
    answer = get(app, BROWSER)
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["X-Model-Version"] == "7"
    assert answer["Vary"] == "Accept"
    assert answer["body"].startswith("<!doctype html>")


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json", "application/json, text/html;q=0.5"])
def test_clients_get_the_routes(app: App, accept: str | None) -> None:
    answer = get(app, accept)
    assert answer["Content-Type"] == "application/json"
    assert strict(answer["body"])["routes"]["/predict"] == ["GET", "POST"]


def test_a_stack_may_have_no_page(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRY_IT_PAGE", "off")
    assert get(app, BROWSER)["Content-Type"] == "application/json"


def test_only_its_own_script_and_style_may_run_and_it_talks_to_its_api_alone(app: App) -> None:
    answer = get(app, BROWSER)
    policy = dict(each.split(" ", 1) for each in answer["Content-Security-Policy"].split("; "))
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer["body"], flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy.pop(kind) == f"'sha256-{digest}'"
    assert policy.pop("connect-src") == "'self'"
    assert policy.pop("img-src") == "data:"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


def test_it_is_small_and_needs_nothing_from_elsewhere(app: App) -> None:
    body = get(app, BROWSER)["body"]
    assert len(body.encode()) < 60_000
    assert re.findall(r"(?:https?:)?//[\w.-]+", body) == ["http://www.w3.org"]  # the namespace of SVG


def test_it_says_nothing_of_the_model(app: App) -> None:
    """Where callers need a key, whoever opens the page has not given it yet."""
    shown = re.sub(r"<script>.*</script>", "", get(app, BROWSER)["body"], flags=re.DOTALL)
    assert "made" not in re.findall(r"\w+", shown)
