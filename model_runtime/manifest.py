"""The records of the registry: a version's manifest and a tag's history, and how they are written as JSON.

Unknown fields are ignored when reading, so that a later release may add some.

Pure and light: the function imports this module, so it may import nothing but the standard library and msgspec.
`docs/registry-format.md` describes the same objects for readers with any S3 client.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from model_runtime.errors import InvalidNameError, ModelFormatError, RecordError

FORMAT = 1
"""The format that this release writes; it reads this one only, as there is no older."""

MODEL_FILE = "model.joblib"
SKOPS_FILE = "model.skops"
ONNX_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
DEPRECATED_FILE = "deprecated.json"
DELETED_FILE = "deleted.json"

# Lower case letters, digits and single hyphens: safe in S3 keys, Lambda and API names, URLs and shells.
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SLUG_MAX = 32  # S3 bucket names hold 63 characters, of which the stack and what Pulumi adds take the rest.


FormatName = Literal["joblib", "skops", "onnx"]
FORMAT_FILES: dict[FormatName, str] = {"joblib": MODEL_FILE, "skops": SKOPS_FILE, "onnx": ONNX_FILE}
"""The file that each format loads: every version has the first, the others where it was published with them."""

FeatureType = Literal["number", "integer", "string", "boolean"]
Label = str | int | float | bool
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the model: its name in requests, JSON type, and whether null (a missing value) is allowed."""

    name: str
    type: FeatureType
    nullable: bool = False


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What the model takes and gives.

    `container` says what `predict` is given for n rows: an `array` of shape (n, features), a `dataframe` with
    the features as columns, or a `list` of n values (text models, which have one feature).
    `labels` are the names of the classes in the order of the estimator's `classes_`; absent where it has none.
    `output_labels` are there instead where a classifier of several outputs has probabilities: the classes of each.
    """

    features: tuple[Feature, ...]
    container: Literal["array", "dataframe", "list"] = "array"
    output: Literal["label", "value"] = "label"
    labels: tuple[Label, ...] | None = None
    probabilities: bool = False
    output_labels: tuple[tuple[Label, ...], ...] | None = None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the version: its name beside the manifest, the SHA-256 of its bytes in hex, its size in bytes."""

    file: str
    sha256: str
    size: int


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model was pickled: Python minor version, machine, and every package that unpickling needs."""

    python: str
    machine: str
    packages: dict[str, str]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The answer for one row: `label` of a classifier (or clusterer), `value` of a regressor.

    `probabilities` maps each label, as text, to a number from 0 to 1. A model of several outputs gives lists: of
    labels or values, and of mappings. It holds plain values, so no cycle: the garbage collector need not look at the
    thousands of a batch (`gc=False`).
    """

    label: Label | list[Any] | None = None
    value: float | list[Any] | None = None
    probabilities: dict[str, float] | list[dict[str, float]] | None = None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A golden request with the answer that the model gave when it was published."""

    input: dict[str, Any]
    output: Prediction


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """How a converted model compared with the estimator when it was published.

    Over so many `rows` all labels were equal, and no probability or value differed by more than `difference`, of
    `tolerance` allowed; both absolute, in the unit of the answers.
    """

    rows: int
    tolerance: float
    difference: float


class ModelFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A form of the model that a function can serve: its file, and what loading that needs.

    `untrusted_types` are those that skops does not trust by itself: for people and for an early refusal, never what
    decides what is loaded. `replay` is there where the model was converted.
    """

    artifact: Artifact
    environment: Environment
    untrusted_types: tuple[str, ...] = ()
    replay: Replay | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of a model is. Immutable; the deployment is derived from it alone."""

    format: int = FORMAT
    name: str
    version: int
    created_at: Instant
    created_by: str
    description: str = ""
    estimator: str
    parameters: dict[str, Any]
    artifact: Artifact
    environment: Environment
    signature: Signature
    metrics: dict[str, float]
    examples: tuple[Example, ...]
    formats: dict[str, ModelFormat] = msgspec.field(default_factory=dict, name="engines")
    """The forms beside the joblib file, by the format's name; an older release neither writes nor reads them."""

    def model_format(self, name: str) -> ModelFormat:
        """What a format loads: `sklearn` is the joblib file; ModelFormatError where the version lacks it."""
        if name == "joblib":
            return ModelFormat(artifact=self.artifact, environment=self.environment)
        if name in self.formats:
            return self.formats[name]
        known = (
            f"publish it again with `--{name}`" if name in FORMAT_FILES else f"take one of {', '.join(FORMAT_FILES)}"
        )
        raise ModelFormatError(
            f"{self.reference} cannot be served by the format {name!r} (it has {', '.join(self.format_names)}): {known}"
        )

    @property
    def format_names(self) -> tuple[str, ...]:
        """The formats that can serve this version, `sklearn` first."""
        return ("joblib", *sorted(self.formats))

    @property
    def reference(self) -> str:
        """The version's address, `NAME/VERSION`."""
        return f"{self.name}/{self.version}"


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


_Kind = TypeVar("_Kind", Manifest, Tag, Mark, Policy)


def encode(record: msgspec.Struct) -> bytes:
    """Write a record as JSON, indented, its keys sorted: the same record gives the same bytes everywhere."""
    return msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"


def digest(data: bytes | memoryview) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest; RecordError where it is damaged or of another format."""
    return _decode(data, Manifest)


def decode_tag(data: bytes) -> Tag:
    """Read a tag object; RecordError where it is damaged or of another format."""
    return _decode(data, Tag)


def decode_mark(data: bytes) -> Mark:
    """Read a mark; RecordError where it is damaged or of another format."""
    return _decode(data, Mark)


def decode_policy(data: bytes) -> Policy:
    """Read a policy; RecordError where it is damaged or of another format."""
    return _decode(data, Policy)


def _decode(data: bytes, kind: type[_Kind]) -> _Kind:
    what = kind.__name__.lower()
    try:
        record = msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        found = _format_of(data)
        if found not in (None, FORMAT):
            raise RecordError(
                f"the {what} has format {found}, this release reads {FORMAT}: use the release that wrote it"
            ) from error
        raise RecordError(
            f"the {what} cannot be read ({error}): restore the object from the bucket's versions"
        ) from error
    if record.format != FORMAT:
        raise RecordError(
            f"the {what} has format {record.format}, this release reads {FORMAT}: use the release that wrote it"
        )
    return record


def _format_of(data: bytes) -> object:
    try:
        document = msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return None
    return document.get("format") if isinstance(document, dict) else None


def check_slug(value: str, what: str) -> str:
    """Return `value` if it is a slug; InvalidNameError naming `what` ("model name", "tag") otherwise."""
    if _SLUG.fullmatch(value) and len(value) <= _SLUG_MAX:
        return value
    raise InvalidNameError(
        f"{what} {value!r} is not usable: take lower case letters, digits and single hyphens between them, "
        f"{_SLUG_MAX} characters at most, for example 'iris-v2'"
    )


def versions_prefix(name: str) -> str:
    """Where the versions of a model lie."""
    return f"models/{name}/versions/"


def version_key(name: str, version: int, file: str) -> str:
    """The key of a file of a version."""
    return f"{versions_prefix(name)}{version}/{file}"


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
