"""The page to try a model, in a browser: on the deployed guide's model, and on models that have what Iris has not."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import browser, opened, violations
from tests.browser.shown import HOSTILE, KEY, asking_for_key, attack, customers, page_of
from tests.local.stacks import Deployed
from training.train_iris import GUIDE_EVENT

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture(scope="module")
def deployed(served: Deployed) -> str:
    """The page's URL, as the deployment says it."""
    return str(served.outputs["pageUrl"])


@pytest.fixture(scope="module")
def chromium(deployed: str) -> Iterator[Browser]:
    """One browser, started after the deployment: Playwright keeps an event loop in this thread."""
    assert deployed
    with browser() as launched:
        yield launched


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The page of a model with a feature of every kind."""
    with page_of(customers()) as url:
        yield url


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    with opened(chromium, url) as page:
        yield page


def fill_in_the_guides_flower(page: Page) -> None:
    for name, value in GUIDE_EVENT.items():
        page.get_by_label(name, exact=True).fill(str(value))


def predict(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).click()


def test_the_deployed_model_answers_in_its_page(chromium: Browser, deployed: str) -> None:
    with opened(chromium, deployed) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("iris")
        fill_in_the_guides_flower(page)
        predict(page)
        answer = page.get_by_role("status").filter(has_text="Version 1")
        expect(answer.locator(".result")).to_have_text("virginica")
        expect(answer.get_by_role("listitem")).to_have_count(3)
        expect(page.get_by_role("definition")).to_have_text("0.98")
        page.locator("summary").click()
        expect(page.get_by_text("POST /predict")).to_be_visible()


def test_the_stage_without_a_slash_at_its_end_is_the_same_page(chromium: Browser, deployed: str) -> None:
    with opened(chromium, deployed.rstrip("/")) as page:
        fill_in_the_guides_flower(page)
        predict(page)
        expect(page.locator(".result")).to_have_text("virginica")
        assert not page.url.endswith("/")


def test_what_the_gateway_refuses_is_said_at_its_field(chromium: Browser, deployed: str) -> None:
    """The gateway's own refusal names no field; the function is asked for it."""
    with opened(chromium, deployed) as page:
        fill_in_the_guides_flower(page)
        width = page.get_by_label("pw")
        width.fill("wide")
        predict(page)
        expect(width).to_have_attribute("aria-invalid", "true")
        expect(width).to_have_accessible_description(re.compile("^must be a number"))
        expect(width).to_be_focused()
        width.fill("")
        predict(page)
        expect(width).to_have_accessible_description(re.compile("^required, but missing"))
        width.fill("2.3")
        predict(page)
        expect(page.locator(".result")).to_have_text("virginica")


def test_each_type_has_its_field_and_its_hint(page: Page) -> None:
    expect(page.get_by_label("age")).to_have_accessible_description(re.compile("25 to 61 in the examples"))
    expect(page.get_by_label("plan").locator("option")).to_have_text(["choose", "basic", "family", "premium"])
    expect(page.get_by_label("region", exact=True).locator("option")).to_have_text(["missing", "north", "south"])
    expect(page.get_by_label("paperless")).to_have_value("true")
    expect(page.get_by_label("customer_since")).to_have_value("2021-03-04T09:30")
    expect(page.get_by_label("last_complaint", exact=True)).to_be_disabled()
    expect(page.get_by_label("last_complaint is missing")).to_be_checked()
    expect(page.get_by_label("age is missing")).to_have_count(0)


def test_what_is_filled_in_is_what_is_asked(page: Page) -> None:
    page.get_by_label("age").fill("9007199254740993")
    page.get_by_label("monthly_charge is missing").check()
    page.get_by_label("plan").select_option("premium")
    page.get_by_label("region", exact=True).select_option("missing")
    page.get_by_label("paperless").select_option("false")
    page.get_by_label("customer_since").fill("2026-01-31T12:00")
    page.get_by_label("last_complaint is missing").uncheck()
    page.get_by_label("last_complaint", exact=True).fill('it\'s "slow"')
    with page.expect_request("**/predict") as asked:
        predict(page)
    assert asked.value.post_data is not None
    assert json.loads(asked.value.post_data) == {
        "age": 9007199254740993,
        "monthly_charge": None,
        "plan": "premium",
        "paperless": False,
        "customer_since": "2026-01-31T12:00:00Z",
        "last_complaint": 'it\'s "slow"',
    }
    expect(page.locator(".result")).to_have_text("stays")
    expect(page.get_by_role("listitem").first).to_have_text(re.compile("stays.*100.0 %"))


def test_a_category_that_was_not_chosen_is_named(page: Page) -> None:
    page.get_by_label("plan").select_option("choose")
    predict(page)
    expect(page.get_by_label("plan")).to_have_accessible_description(re.compile("required, but missing"))
    page.get_by_label("plan").select_option("basic")
    expect(page.get_by_label("plan")).not_to_have_attribute("aria-invalid", "true")


def test_the_keyboard_is_enough(page: Page) -> None:
    page.get_by_label("age").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    expect(page.locator(".result")).to_be_visible()
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Python")).to_contain_text("urllib.request")


def test_the_same_request_runs_as_curl_python_and_javascript(page: Page, tmp_path: Path) -> None:
    page.get_by_label("last_complaint is missing").uncheck()
    page.get_by_label("last_complaint", exact=True).fill('it\'s \\ "slow" $HOME')
    said = {}
    for language in ("curl", "Python", "JavaScript"):
        page.get_by_role("tab", name=language).click()
        said[language] = page.get_by_role("tabpanel").inner_text()
    curl = subprocess.run(["bash", "-c", f"{said['curl']} -s"], capture_output=True, text=True, check=True)
    (tmp_path / "asked.py").write_text(f"{said['Python']}\n", encoding="utf-8")
    python = subprocess.run([sys.executable, tmp_path / "asked.py"], capture_output=True, text=True, check=True)
    program = said["JavaScript"].replace("console.log(", "return (")
    answers = [json.loads(curl.stdout), page.evaluate(f"async () => {{ {program} }}")]
    assert answers[0] == answers[1]
    assert answers[0]["label"] == "cancels"
    assert python.stdout.strip() == str(answers[0])


def test_a_batch_is_answered_and_downloaded(page: Page) -> None:
    page.get_by_role("button", name="Insert a sample").click()
    page.get_by_role("button", name="Predict all").click()
    expect(page.get_by_role("table")).to_contain_text("3 rows answered by version 7")
    expect(page.locator("td.found")).to_have_text(["cancels", "stays", "cancels"])
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the answers").click()
    assert downloading.value.suggested_filename == "customers-7-answers.csv"
    lines = downloading.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("last_complaint,label,P(cancels),P(stays),P(upgrades)")
    assert lines[3].startswith('25,,premium,south,true,2025-01-02T18:45:00Z,"said ""too dear"", twice",cancels,0.')


def test_a_batch_from_a_file_names_the_cell_that_does_not_fit(page: Page) -> None:
    text = "30,20,basic,north,true,2026-01-01T00:00:00Z,\n40,none,basic,north,true,2026-01-01T00:00:00Z,\n"
    page.get_by_label("Choose a file").set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    expect(page.get_by_label("Rows as CSV")).to_have_value(text)
    page.get_by_role("button", name="Predict all").click()
    expect(page.locator("#csv-error")).to_have_text("Row 2, monthly_charge: must be a number or null")
    expect(page.locator("td.wrong")).to_have_text(["none"])
    page.get_by_label("Rows as CSV").fill("1,2\n")
    page.get_by_role("button", name="Predict all").click()
    expect(page.locator("#csv-error")).to_have_text("Row 1 has 2 values, 7 are needed.")


def test_a_key_is_asked_for_and_kept_in_memory_alone(chromium: Browser) -> None:
    with page_of(asking_for_key(customers())) as url, opened(chromium, url) as page:
        expect(page.get_by_role("heading", name="This API asks for a key")).to_be_visible()
        assert "customers" not in page.content()
        assert violations(page) == ""
        page.get_by_label("API key").fill("another")
        page.keyboard.press("Enter")
        expect(page.locator("#key-error")).to_have_text("The API refuses this key (Forbidden).")
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        predict(page)
        expect(page.locator(".result")).to_have_text("cancels")
        expect(page.get_by_role("tabpanel")).to_contain_text('-H "x-api-key: $API_KEY"')
        kept = page.evaluate("[document.cookie, localStorage.length, sessionStorage.length, location.href]")
        assert kept == ["", 0, 0, url]
        assert KEY not in page.content()
        page.reload()
        expect(page.get_by_label("API key")).to_be_visible()


def test_names_that_are_html_stay_text(chromium: Browser) -> None:
    with page_of(attack()) as url, opened(chromium, url) as page:
        page.on("dialog", lambda _: pytest.fail("a script of the manifest ran"))
        predict(page)
        expect(page.locator(".result")).to_have_text(HOSTILE)
        page.get_by_role("button", name="Insert a sample").click()
        page.get_by_role("button", name="Predict all").click()
        expect(page.locator("td.found")).to_have_text([HOSTILE])
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1


@pytest.mark.parametrize("context", [{}, {**PHONE, "color_scheme": "dark"}], ids=["desk-light", "phone-dark"])
def test_it_is_accessible_and_fits(chromium: Browser, url: str, context: dict[str, Any]) -> None:
    with opened(chromium, url, **context) as page:
        page.get_by_label("age").fill("old")
        predict(page)
        expect(page.get_by_label("age")).to_be_focused()
        assert violations(page) == ""
        page.get_by_label("age").fill("40")
        predict(page)
        page.get_by_role("button", name="Insert a sample").click()
        page.get_by_role("button", name="Predict all").click()
        expect(page.get_by_role("table")).to_be_visible()
        page.locator("summary").click()
        expect(page.get_by_role("region", name="OpenAPI document")).to_be_visible()
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def ran(chromium: Browser, url: str, script: str) -> str:
    """What axe-core finds after a script ran in the page."""
    with opened(chromium, url) as page:
        page.evaluate(script)
        return violations(page)


def test_what_the_other_tests_look_for_is_found(chromium: Browser, url: str) -> None:
    """A field without a label, an error, and a request to another host."""
    assert "label" in ran(chromium, url, "document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match="thrown"):
        ran(chromium, url, "void setTimeout(() => { throw new Error('thrown') })")
    with pytest.raises(AssertionError, match="Content Security Policy"):
        ran(chromium, url, "fetch('http://elsewhere.localhost:9/').catch(() => 0)")
