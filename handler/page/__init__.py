"""The page on which people try the model: one document of HTML that asks the API itself, `GET model` first.

It is the same for every model. What a model's manifest says reaches the page as JSON and is shown as text, so no name
in it can become HTML, and who opens the page of an API with keys learns nothing of the model before entering one.
"""

import base64
import functools
import hashlib
import os
from pathlib import Path

from handler.requests import HTML, JSON
from handler.responses import Response

_FOLDER = Path(__file__).parent


def is_wanted(accept: str) -> bool:
    """Whether a client asks for HTML, and not for JSON before it; never where the stack has no page."""
    if os.environ.get("TRY_IT_PAGE") == "off":
        return False
    types = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    known = [each for each in types if each in {HTML, JSON}]
    return known[:1] == [HTML]


def page(headers: dict[str, str]) -> Response:
    """The page, which may run its own script only and talk to nobody but the API that it came from."""
    html, policy = _made()
    return {
        "statusCode": 200,
        "headers": {
            "Content-Type": f"{HTML}; charset=utf-8",
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
            **headers,
        },
        "body": html,
    }


@functools.cache
def _made() -> tuple[str, str]:
    """The document and its Content-Security-Policy."""
    template, style, script = (_read(f"page.{kind}") for kind in ("html", "css", "js"))
    policy = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    html = template.replace("{style}", style).replace("{script}", script)
    return html, "; ".join(f"{name} {value}" for name, value in policy.items())


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
