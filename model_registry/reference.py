"""Addresses of versions: `NAME/VERSION` and `NAME@TAG`. `parse` and `str()` are inverses."""

import re
from dataclasses import dataclass

from model_runtime.errors import InvalidNameError
from model_runtime.manifest import check_slug

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
MAX_VERSION = 999_999_999
"""The last number that a version can have."""


@dataclass(frozen=True)
class VersionRef:
    """A fixed version, `iris/3`."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class TagRef:
    """Whatever version a tag points at, `iris@prod`."""

    name: str
    tag: str

    def __str__(self) -> str:
        return f"{self.name}@{self.tag}"


Reference = VersionRef | TagRef


def parse(text: str) -> Reference:
    """Read `NAME/VERSION` or `NAME@TAG`; InvalidNameError otherwise."""
    name, separator, rest = text.partition("@")
    if separator:
        return TagRef(check_slug(name, "model name"), check_slug(rest, "tag"))
    name, separator, rest = text.partition("/")
    if separator and _VERSION.fullmatch(rest):
        return VersionRef(check_slug(name, "model name"), int(rest))
    raise InvalidNameError(
        f"{text!r} is not a version reference: write NAME/VERSION or NAME@TAG, for example iris/3 or iris@prod"
    )


def is_version(text: str) -> bool:
    """Whether a text is the number of a version, as it stands in keys and references."""
    return _VERSION.fullmatch(text) is not None


def is_slug(text: str) -> bool:
    """Whether a text can be the name of a model or a tag."""
    try:
        check_slug(text, "name")
    except InvalidNameError:
        return False
    return True
