"""Take the pictures in docs/images anew: `python -m tests.browser.screenshots`."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from sklearn.linear_model import LogisticRegression

from model_registry import Registry, open_storage
from model_registry.records import Gates
from model_registry.site.server import Server
from tests.browser.chromium import browser, opened
from tests.browser.shown import customers, page_of
from training.train_iris import publish, train

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DESK = {"viewport": {"width": 1120, "height": 760}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


def answered(page: Page) -> None:
    """Press Predict, and show the page from its top."""
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator(".result").wait_for()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(400)  # the bars grow


@contextmanager
def looked_at(*, may_write: bool = False) -> Iterator[str]:
    """A registry with a model's life, served as `ui` does; gives the URL."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(open_storage(folder), actor="ada", proof="none")
        for strength in (0.001, 0.003, 0.02, 0.1, 1.0):
            publish(
                registry, train(LogisticRegression(max_iter=1000, C=strength)), f"Logistic regression, C={strength}"
            )
        registry.tag("iris/3", "prod", reason="first version")
        registry.tag("iris/5", "candidate", reason="to be compared")
        gates = Gates(require=("accuracy>=0.95",), not_worse_than="prod")
        registry.promote("iris", from_tag="candidate", to_tag="prod", gates=gates, reason="better on the test part")
        with Server(registry, 0, may_write=may_write) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield server.url
            finally:
                server.shutdown()
                thread.join()


def main() -> None:
    """Open the pages and take the pictures."""
    with looked_at() as registry, browser() as launched, opened(launched, f"{registry}iris/", **DESK) as page:
        page.screenshot(path=IMAGES / "registry.png", full_page=True)
    with looked_at() as registry, browser() as launched, opened(launched, f"{registry}iris/3.html", **DESK) as page:
        shown = page.locator("section", has=page.get_by_role("heading", name="Calibration", exact=True)).bounding_box()
        assert shown
        clip: Any = {"x": 0, "y": 0, "width": 1120, "height": shown["y"] + shown["height"] + 24}
        page.screenshot(path=IMAGES / "report.png", full_page=True, clip=clip)
    looked_for = "iris/promote.html?tag=prod&version=4&require=accuracy%3E%3D0.96&not_worse_than=candidate"
    with (
        looked_at(may_write=True) as url,
        browser() as launched,
        opened(launched, f"{url}{looked_for}", **DESK) as page,
    ):
        page.screenshot(path=IMAGES / "promotion.png", full_page=True)
    with browser() as launched, page_of(customers()) as url:
        with opened(launched, url, **DESK) as page:
            answered(page)
            page.screenshot(path=IMAGES / "try-it.png")
        with opened(launched, url, **PHONE) as page:
            answered(page)
            page.locator(".answer").scroll_into_view_if_needed()
            page.screenshot(path=IMAGES / "try-it-phone.png")


if __name__ == "__main__":
    main()
