"""Debian's Chromium, driven by Playwright: what a page may do in it, and what is noted of that."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "the pages are tested in Chromium, which is not installed here: run `apt-get install chromium` "
    "(macOS: `brew install --cask chromium`), or put a program named chromium on PATH"
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def program() -> str:
    """Path of the browser; FileNotFoundError says how to get it."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise FileNotFoundError(MISSING)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser, which is one for many tests; no page of one sees what another's keeps."""
    with sync_playwright() as playwright:
        # Who runs tests as root has no sandbox, and what is opened is our own.
        launched = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield launched
        finally:
            launched.close()


@dataclass
class Noted:
    """What went wrong in a page, and where it sent requests."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def console(self, message: ConsoleMessage) -> None:
        """Note a message of the console, unless it tells of an answer with an error status, as all browsers do."""
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def request(self, request: Request) -> None:
        """Note where a request went."""
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(request.url).netloc)


@contextmanager
def opened(launched: Browser, url: str, **context: Any) -> Iterator[Page]:
    """Open a page in a context of its own; it must complain of nothing and talk to its own host alone."""
    made = launched.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})
    try:
        page = made.new_page()
        noted = Noted()
        page.on("console", noted.console)
        page.on("pageerror", lambda error: noted.complaints.append(str(error)))
        page.on("request", noted.request)
        page.goto(url)
        yield page
        assert noted.complaints == [], noted.complaints
        assert noted.hosts == {urlsplit(url).netloc}, noted.hosts
    finally:
        made.close()


def violations(page: Page) -> str:
    """What axe-core finds wrong with the page as it is now; "" for nothing."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return "" if found.violations_count == 0 else str(found.generate_report())
