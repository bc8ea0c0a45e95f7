"""What the registry keeps beside the manifests: tags with their history, marks, promotion rules; and their keys.

`docs/registry-format.md` describes the same objects for readers with any S3 client.
"""

from typing import Literal

import msgspec

from model_runtime.manifest import Instant, decode_record

FORMAT = 1
"""The format of tags, marks and rules, the only one so far."""
_FORMATS = range(1, FORMAT + 1)
DEPRECATED_FILE = "deprecated.json"
DELETED_FILE = "deleted.json"


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a tag's history: who moved it when and why, from which version to which.

    A version is None where the tag was not set before, or is not set after. `id` is unique: it tells a move whose
    answer was lost from another writer's. `manifest_sha256` pins the version's manifest as it was at the move.
    `checks` are the gates that the move passed, with their numbers. `previous` is the SHA-256 of the entry before as
    `digest(encode(entry))`, None in the first: a chain. What has its default value is not written, so a field that a
    later release adds with a default does not change the digests of old entries.
    """

    sequence: int
    id: str
    action: Literal["tag", "promote", "rollback", "untag"]
    from_version: int | None
    to_version: int | None
    by: str
    at: Instant
    reason: str
    manifest_sha256: str | None = None
    checks: tuple[str, ...] = ()
    previous: str | None


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of a model with its whole history, oldest move first. `version` is None after `untag`."""

    format: int = FORMAT
    name: str
    tag: str
    version: int | None
    history: tuple[Move, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A note beside a version, `deprecated.json` or `deleted.json`: who set it when and why."""

    format: int = FORMAT
    by: str
    at: Instant
    reason: str


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """What a version must show before a tag is moved to it; `model_registry.gates` says how it is judged.

    `require`: metrics with bounds, as `accuracy>=0.95`. `not_worse_than`: a tag of the same model. `verify`: rebuild
    the environment and replay the golden examples. `allow_breaking` and `allow_deprecated` permit what is refused
    otherwise: a signature that breaks callers of the version that is replaced, and a deprecated version.
    """

    require: tuple[str, ...] = ()
    not_worse_than: str | None = None
    verify: bool = False
    allow_breaking: bool = False
    allow_deprecated: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The gates that every move of a tag meets, `policies/TAG.json`: who set them when and why."""

    format: int = FORMAT
    gates: Gates
    set_by: str
    at: Instant
    reason: str


def decode_tag(data: bytes) -> Tag:
    """Read a tag object; RecordError where it is damaged or of another format."""
    return decode_record(data, Tag, _FORMATS)


def decode_mark(data: bytes) -> Mark:
    """Read a mark; RecordError where it is damaged or of another format."""
    return decode_record(data, Mark, _FORMATS)


def decode_policy(data: bytes) -> Policy:
    """Read a tag's rules; RecordError where they are damaged or of another format."""
    return decode_record(data, Policy, _FORMATS)


def tags_prefix(name: str) -> str:
    """Where the tags of a model lie."""
    return f"models/{name}/tags/"


def tag_key(name: str, tag: str) -> str:
    """The key of a tag object."""
    return f"{tags_prefix(name)}{tag}.json"


def policies_prefix(name: str) -> str:
    """Where the policies of a model's tags lie."""
    return f"models/{name}/policies/"


def policy_key(name: str, tag: str) -> str:
    """The key of a tag's policy."""
    return f"{policies_prefix(name)}{tag}.json"
