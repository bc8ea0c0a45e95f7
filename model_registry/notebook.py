"""Tables for notebooks: plain HTML, every text escaped."""

from collections.abc import Mapping, Sequence
from html import escape


def table(title: str, rows: Sequence[Mapping[str, str]]) -> str:
    """An HTML table of rows that all have the same keys, which are its head."""
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in rows[0]) if rows else ""
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    caption = f"<caption style='text-align:left;font-weight:600'>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
