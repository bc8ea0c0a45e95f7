"""What the registry keeps beside the manifests: tags with their history, marks, promotion rules; and their keys.

`docs/registry-format.md` describes the same objects for readers with any S3 client.
"""

from typing import Literal

import msgspec

from model_registry.notebook import table
from model_runtime.manifest import Instant, ProofKind, decode_record

FORMAT = 1
"""The format of marks, rules, segments and counters, the only one so far."""
_FORMATS = range(1, FORMAT + 1)
TAG_FORMAT = 2
"""The format of tags that this release writes. In format 1 a tag holds its whole history, nothing of it is sealed."""
_TAG_FORMATS = range(1, TAG_FORMAT + 1)
SEGMENT = 64
"""So many moves go into a segment."""
DEPRECATED_FILE = "deprecated.json"
DELETED_FILE = "deleted.json"


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a tag's history: who moved it when and why, from which version to which.

    A version is None where the tag was not set before, or is not set after. `id` is unique: it tells a move whose
    answer was lost from another writer's. `manifest_sha256` pins the version's manifest as it was at the move.
    `checks` are the gates that the move passed, with their numbers. `previous` is the SHA-256 of the entry before as
    `digest(encode(entry))`, None in the first: a chain. What has its default value is not written, so a field that a
    later release adds with a default does not change the digests of old entries. `steps` is of a rollback: how many
    earlier moves it took back. `signature` is a promoter's, in base64 (`model_registry.signed_moves`), and `public_key`
    whose it says that it is. `caller` is whom the credentials belonged to, where `by` was said otherwise and that
    could be found out.
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
    steps: int = 1
    caller: str = ""
    public_key: str = ""
    signature: str = ""
    previous: str | None

    @property
    def looked_at(self) -> tuple[str, ...]:
        """What was looked at before, for people: a rollback asks no gates, and what its `checks` note is no gate."""
        return ("gates were not asked", *self.checks) if self.action == "rollback" else self.checks


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of a model with its latest moves, oldest first. `version` is None after `untag`.

    The first `sealed` moves of its history are in segments. `fence` is written by a removal of a version, so that a
    move that was decided before it is in conflict. A tag without any move is being set for the first time.
    """

    format: int = TAG_FORMAT
    name: str
    tag: str
    version: int | None
    history: tuple[Move, ...]
    sealed: int = 0
    fence: str = ""

    def _repr_html_(self) -> str:
        moves = [
            {
                "at": f"{move.at:%Y-%m-%d %H:%M}",
                "what": move.action,
                "from": "" if move.from_version is None else str(move.from_version),
                "to": "" if move.to_version is None else str(move.to_version),
                "by": move.by,
                "why": move.reason,
            }
            for move in reversed(self.history)
        ]
        target = "nothing" if self.version is None else f"{self.name}/{self.version}"
        return table(f"{self.name}@{self.tag} → {target}", moves)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """`SEGMENT` moves of a tag's history, oldest first. Immutable."""

    format: int = FORMAT
    name: str
    tag: str
    moves: tuple[Move, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A note beside a version, `deprecated.json` or `deleted.json`: who set it when and why.

    `token` tells the removal that a `deleted.json` belongs to. One that gave up leaves it `withdrawn`. With `revoked`
    a `deprecated.json` is allowed by nothing but taking the mark away; older readers take it for any other.
    """

    format: int = FORMAT
    by: str
    at: Instant
    reason: str
    token: str = ""
    withdrawn: bool = False
    revoked: bool = False


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """The last number of a model that was given to a publish, and the token of that publish."""

    format: int = FORMAT
    last: int
    writer: str


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """What a version must show before a tag is moved to it; `model_registry.gates` says how it is judged.

    `require`: metrics with bounds, as `accuracy>=0.95`. `not_worse_than`: a tag of the same model. `verify`: rebuild
    the environment and replay the golden examples. `proof`: how the version must have been proven when it was
    published, or better. `allow_breaking` and `allow_deprecated` permit what is refused
    otherwise: a signature that breaks callers of the version that is replaced, and a deprecated version.
    """

    require: tuple[str, ...] = ()
    not_worse_than: str | None = None
    verify: bool = False
    proof: ProofKind = "none"
    allow_breaking: bool = False
    allow_deprecated: bool = False


class PromotionRules(msgspec.Struct, frozen=True, kw_only=True):
    """The gates that `tag` and `promote` ask for a tag, `policies/TAG.json`: who set them when and why."""

    format: int = FORMAT
    gates: Gates
    set_by: str
    at: Instant
    reason: str


def decode_tag(data: bytes) -> Tag:
    """Read a tag object; RecordError where it is damaged or of a format that this release does not read."""
    return decode_record(data, Tag, _TAG_FORMATS)


def decode_segment(data: bytes) -> Segment:
    """Read a segment of a history; RecordError where it is damaged or of another format."""
    return decode_record(data, Segment, _FORMATS)


def decode_counter(data: bytes) -> Counter:
    """Read a model's counter; RecordError where it is damaged or of another format."""
    return decode_record(data, Counter, _FORMATS)


def decode_mark(data: bytes) -> Mark:
    """Read a mark; RecordError where it is damaged or of another format."""
    return decode_record(data, Mark, _FORMATS)


def decode_rules(data: bytes) -> PromotionRules:
    """Read a tag's promotion rules; RecordError where they are damaged or of another format."""
    return decode_record(data, PromotionRules, _FORMATS, what="record of promotion rules")


def tags_prefix(name: str) -> str:
    """Where the tags of a model lie."""
    return f"models/{name}/tags/"


def tag_key(name: str, tag: str) -> str:
    """The key of a tag object."""
    return f"{tags_prefix(name)}{tag}.json"


def segment_key(name: str, tag: str, first: int) -> str:
    """The key of the segment that begins with a move's sequence number; keys sort as their numbers do."""
    return f"models/{name}/history/{tag}/{first:09}.json"


def counter_key(name: str) -> str:
    """The key of a model's counter."""
    return f"models/{name}/counter.json"


def rules_prefix(name: str) -> str:
    """Where the promotion rules of a model's tags lie; the name of the folder is older than this word for them."""
    return f"models/{name}/policies/"


def rules_key(name: str, tag: str) -> str:
    """The key of a tag's promotion rules."""
    return f"{rules_prefix(name)}{tag}.json"
