"""Settings whose text has an own grammar. Each function returns the value, or raises ValueError with what is wrong."""

import re
from collections.abc import Mapping
from typing import Any

from infra.access_log import log_format
from model_runtime.formats.skops import parse_trusted_types
from model_runtime.manifest import check_slug
from model_runtime.signing import parse_public_keys

# API Gateway quotas: "Access log template size", 3 KB.
_FORMAT_MAX = 3_072
# The characters are those that every service takes.
_TAG_CHARACTERS = r"[0-9A-Za-z_ .:/=+@-]"
TAGS_SOURCE = 'Tagging AWS Resources and Tag Editor User Guide, "Tag naming limits and requirements"'
_TAGS_MAX = 50


def slug(text: str) -> str:
    """A name as the registry takes it; empty for none."""
    return check_slug(text, "name") if text else ""


def public_keys(text: str) -> tuple[str, ...]:
    """Public keys, separated by commas."""
    return parse_public_keys(text) if text else ()


def trusted_types(text: str) -> tuple[str, ...]:
    """Names of types, separated by commas."""
    return parse_trusted_types(text)


def access_log(setting: str) -> str:
    """The name of a format, or a format that API Gateway takes.

    Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs": one line, which has
    `$context.requestId` or `$context.extendedRequestId`. "Variables for data models, authorizers,
    mapping templates, and CloudWatch access logging" there: `$context.identity.apiKey` is the key itself.
    """
    text = log_format(setting)
    if text is None:
        return setting
    if len(text.encode()) > _FORMAT_MAX:
        raise ValueError(
            f"the format has {len(text.encode()):,} bytes, API Gateway takes {_FORMAT_MAX:,}: name fewer variables"
        )
    if not re.search(r"\$context\.(requestId|extendedRequestId)\b", text):
        raise ValueError(
            f"{setting!r} must be standard, detailed, off, or a format with $context.requestId in it: "
            "`pulumi config set accessLog VALUE`"
        )
    if re.search(r"\$context\.identity\.apiKey\b", text):
        raise ValueError(
            f"{setting!r} would write the callers' keys into the log: take $context.identity.apiKeyId, which tells "
            "them apart too"
        )
    if "\n" in text:
        raise ValueError(f"{setting!r} must be one line: `pulumi config set accessLog VALUE`")
    return setting


def tags(found: Mapping[str, Any]) -> dict[str, str]:
    """Tags that every service takes.

    `pulumi config set --path tags.centre 42` writes a whole number, which means its digits.
    """
    for key, value in found.items():
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(  # noqa: TRY004  # as the other refusals: of a value, and not of a Python type
                f"{key} is {value!r}, which is not a string: "
                f"`pulumi config set --path 'tags.{key}' VALUE --type string`"
            )
        if not re.fullmatch(rf"(?!(?i:aws):){_TAG_CHARACTERS}{{1,128}}", key):
            raise ValueError(
                f"{key!r} must be a name of 1 to 128 letters, digits, spaces and _.:/=+-@ that does not begin with "
                f"aws: rename it with `pulumi config set --path tags.NAME VALUE`"
            )
        if not re.fullmatch(rf"{_TAG_CHARACTERS}{{0,256}}", str(value)):
            raise ValueError(
                f"{key} is {value!r}, it must be 0 to 256 letters, digits, spaces and _.:/=+-@: "
                f"`pulumi config set --path 'tags.{key}' VALUE`"
            )
    if len(found) > _TAGS_MAX:
        raise ValueError(f"there are {len(found)} entries, a resource takes {_TAGS_MAX}: remove some")
    return {key: str(value) for key, value in found.items()}
