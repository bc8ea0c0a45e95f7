"""Texts and figures of manifests and records, for terminals, pages and previews."""

import os


def printable(text: str, *, but: str = "") -> str:
    r"""A text with what is not printable made visible, as `\x1b` and `\n` are, except the characters of `but`."""
    return "".join(one if one.isprintable() or one in but else repr(one)[1:-1] for one in text)


def ignore_useless_width() -> None:
    """Take COLUMNS away where it is no positive number, as in Emacs: rich prints nothing at all in no columns."""
    width = os.environ.get("COLUMNS", "")
    if not width.isdecimal() or int(width) == 0:
        os.environ.pop("COLUMNS", None)


def in_preview(text: str) -> str:
    """One line for a preview, which CI puts into comments of pull requests: also nothing that begins an HTML tag."""
    return printable(text).replace("<", "\\x3c")


def figure(value: float) -> str:
    """A metric with six significant digits, as all tables, pages and sentences have it."""
    return f"{value:g}"


def figures(one: float | None, other: float | None) -> tuple[str, str]:
    """Two metrics beside each other, "" for None: with more digits where six do not tell them apart."""
    if one is None or other is None:
        return "" if one is None else figure(one), "" if other is None else figure(other)
    digits = next((digits for digits in range(6, 18) if f"{one:.{digits}g}" != f"{other:.{digits}g}"), 6)
    return f"{one:.{digits}g}", f"{other:.{digits}g}"
