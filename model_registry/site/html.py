"""HTML as values: whatever is no `Html` is escaped, so no name or text of a manifest can become a part of a page."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

_VOID = {"input", "link", "meta"}
_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "site.css").read_text(encoding="utf-8")
_SCRIPT = (_FOLDER / "site.js").read_text(encoding="utf-8")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = Html | str | int | float | None


def tag(name: str, /, *children: Content, **attributes: str | float | None) -> Html:
    """An element; an attribute's underscores are hyphens, one at its end is left out, and None leaves it out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in _VOID else f"</{name}>"
    return Html(f"<{name}{written}>{joined(*children)}{end}")


def joined(*children: Content) -> Html:
    """The children one after the other; None is nothing."""
    return Html("".join(each if isinstance(each, Html) else escape(str(each)) for each in children if each is not None))


GENERATOR = tag("meta", name="generator", content="sklearn-on-lambda")
"""Is in every page."""


def link(to: str, *children: Content) -> Html:
    """A link to another page of the site."""
    return tag("a", *children, href=to)


def document(title: str, up: tuple[str, str] | None, *content: Content, has_forms: bool = False) -> str:
    """A whole page; `up` is the address and the name of the page above it.

    It may run its own script only, and ask nobody for anything, but with forms the server that it came from.
    """
    target = "'self'" if has_forms else "'none'"
    policy = (
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
        f"img-src data:; base-uri 'none'; form-action {target}"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        GENERATOR,
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(_STYLE)),
    )
    above = tag("nav", link(*up), aria_label="Up") if up else None
    body = tag("body", tag("header", above, tag("h1", title)), tag("main", *content), tag("script", Html(_SCRIPT)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def section(title: str, *content: Content) -> Html | None:
    """A part of a page with its heading; None where it has no content."""
    if not any(content):
        return None
    return tag("section", tag("h2", title), *content)


def table(caption: str, head: list[str], rows: list[list[Content]], *, numbers: frozenset[str] = frozenset()) -> Html:
    """A table that can be sorted by each column; `numbers` are the columns whose values are right-aligned."""
    columns = [tag("th", tag("button", name, type="button"), scope="col", class_=_side(name, numbers)) for name in head]
    body = [
        tag("tr", *(tag("td", cell, class_=_side(name, numbers)) for name, cell in zip(head, row, strict=True)))
        for row in rows
    ]
    made = tag(
        "table",
        tag("caption", caption, class_="hidden"),
        tag("thead", tag("tr", *columns)),
        tag("tbody", *body),
        class_="sortable",
    )
    return tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def field(label: str, control: Html, hint: str | None = None) -> Html:
    """A control of a form with its label, and what it is for."""
    return tag("label", tag("span", label), control, tag("small", hint) if hint else None)


def select(name: str, choices: Sequence[tuple[str | int, str | int]], chosen: str | int | None = None) -> Html:
    """A list to choose from: values and what is shown of them."""
    options = (tag("option", shown, value=value, selected="" if value == chosen else None) for value, shown in choices)
    return tag("select", *options, name=name)


def facts(pairs: dict[str, Content]) -> Html | None:
    """Names with their values, those without a value left out."""
    known = [(name, value) for name, value in pairs.items() if value not in {None, ""}]
    if not known:
        return None
    return tag("dl", *(joined(tag("dt", name), tag("dd", value)) for name, value in known))


def _side(name: str, numbers: frozenset[str]) -> str | None:
    return "number" if name in numbers else None


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
