"""Texts of manifests and records, which whoever can write to the bucket chose, for terminals and previews."""


def printable(text: str, *, but: str = "") -> str:
    r"""A text with what is not printable made visible, as `\x1b` and `\n` are, except the characters of `but`."""
    return "".join(one if one.isprintable() or one in but else repr(one)[1:-1] for one in text)


def in_preview(text: str) -> str:
    """One line for a preview, which CI puts into comments of pull requests: also nothing that begins an HTML tag."""
    return printable(text).replace("<", "\\x3c")
