"""A version's manifest, and how a record of the registry is written as JSON (`model_registry.records` has the others).

Unknown fields are ignored when reading, so that a later release may add some.

Pure and light: the function imports this module, so it may import nothing but the standard library and msgspec.
`docs/registry-format.md` describes the same objects for readers with any S3 client.
"""

import hashlib
import re
import threading
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec

from model_runtime.errors import IntegrityError, InvalidNameError, ModelFormatError, RecordError

MANIFEST_FORMAT = 2
"""The format of manifests that this release writes. It reads format 1 too, and serves such versions as they are."""

MODEL_FILE = "model.joblib"
SKOPS_FILE = "model.skops"
ONNX_FILE = "model.onnx"
GOLDEN_FILE = "golden.json"
CODE_FILE = "code.zip"
REPORT_FILE = "report.json"
SBOM_FILE = "sbom.cdx.json"
MANIFEST_FILE = "manifest.json"

# Lower case letters, digits and single hyphens: safe in S3 keys, Lambda and API names, URLs and shells.
# Compiled where it is first used, as other patterns that a start does without.
_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
SLUG_MAX = 32  # S3 bucket names hold 63 characters, of which the stack and what Pulumi adds take the rest.


FormatName = Literal["joblib", "skops", "onnx"]
FORMAT_FILES: dict[FormatName, str] = {"joblib": MODEL_FILE, "skops": SKOPS_FILE, "onnx": ONNX_FILE}
"""The file that each format loads: every version has the first, the others where it was published with them."""

FeatureType = Literal["number", "integer", "string", "boolean", "datetime"]
Label = str | int | float | bool
Missing = Literal["nan", "none", "NA", "NaT"]
"""What marks a missing value in the rows that the model was fitted on: float NaN, None, pandas.NA or pandas.NaT."""
Container = Literal["array", "dataframe", "list", "rows", "objects"]
Method = Literal["decision_function", "score_samples", "transform", "std", "kneighbors", "quantiles"]
"""An output beside `predict` and `predict_proba`. `std` is `predict(return_std=True)`, the others are methods."""
ProofKind = Literal["full", "process", "none"]
ExampleKind = Literal["synthetic", "masked", "given"]
"""Examples made by publishing, the owner's rows without what looks personal, or the owner's rows."""
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone."""

# Installers, shells and files of requirements get these: a manifest that has anything else here is not read. msgspec
# searches, and `$` is also before a newline at the end.
_Text = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._ -]{0,64}\Z")]
_PythonVersion = Annotated[str, msgspec.Meta(pattern=r"\A3\.[0-9]{1,3}\Z")]
_PackageName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?\Z")]
_PackageVersion = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.!+_-]{0,127}\Z")]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Source = Literal["default", "named", "folder"]
"""What a package came from: uv's own index, an index that the publisher named, or a folder of wheels."""


UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises for JSON that it cannot read: also for bytes that are not UTF-8, and for very deep nesting."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One input of the model: its name in requests, JSON type, and whether null (a missing value) is allowed.

    `dtype` is the pandas type of its column and `missing` what marks a gap there, where the model takes a frame.
    `categories` are the values of a categorical column in their order, and `ordered` says whether that means anything.
    `column` is the column's name where that is a number and no text.
    """

    name: str
    type: FeatureType
    nullable: bool = False
    dtype: str | None = None
    missing: Missing | None = None
    categories: tuple[Label, ...] | None = None
    ordered: bool = False
    column: int | None = None


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What the model takes and gives.

    `container` says what the model is given for n rows: an `array` of shape (n, features), a `dataframe` with
    the features as columns, a `list` of n values (text models, which have one feature), `rows` as n lists, or `objects`
    as n mappings. `array_dtype` is numpy's name of the array's type; where it is absent, an array with texts is one of
    objects and any other has float64.
    `output` is what `predict` gives, absent where the model has no `predict`. `targets` is how many outputs that has
    for a row: 1 is answered as one value, even where the estimator gives columns; absent in format 1.
    `labels` are the names of the classes in the order of the estimator's `classes_`; absent where it has none.
    `output_labels` are there instead where a classifier of several outputs has probabilities: the classes of each.
    `methods` are the further outputs, `quantiles` the levels of the one of that name. `null_outputs` says that an
    answer may be no finite number, which JSON writes as null; where it is not set, such an answer is refused.
    """

    features: tuple[Feature, ...]
    container: Container = "array"
    array_dtype: str | None = None
    output: Literal["label", "value"] | None = "label"
    targets: int | None = None
    labels: tuple[Label, ...] | None = None
    probabilities: bool = False
    output_labels: tuple[tuple[Label, ...], ...] | None = None
    methods: tuple[Method, ...] = ()
    quantiles: tuple[float, ...] = ()
    null_outputs: bool = False


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the version: its name beside the manifest, the SHA-256 of its bytes in hex, its size in bytes."""

    file: str
    sha256: str
    size: int


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the model was pickled: Python minor version, machine, and every package that loading and predicting need.

    `hashes` has by platform the SHA-256 of each package's wheel, as far as that is on an index: for Lambda's `x86_64`
    and `arm64`, and for the machine of the publisher where that takes others. A platform for which a package has no
    wheel is absent. `sources` says of each package what it came from; where indexes were named, which one is not told.
    """

    python: _PythonVersion
    machine: _Text
    packages: dict[_PackageName, _PackageVersion]
    hashes: dict[_Text, dict[_PackageName, _Sha256]] = {}
    sources: dict[_PackageName, Source] = {}


class Prediction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The answer for one row: `label` of a classifier (or clusterer), `value` of a regressor.

    `probabilities` maps each label, as text, to a number from 0 to 1. A model of several outputs gives lists: of
    labels or values, and of mappings. The others are there where the signature's `methods` name them; `kneighbors` has
    `distances` and `indices`, `quantiles` maps each level, as text, to a value. It holds plain values, so no cycle: the
    garbage collector need not look at the thousands of a batch (`gc=False`).
    """

    label: Label | list[Any] | None = None
    value: float | list[Any] | None = None
    probabilities: dict[str, float] | list[dict[str, float]] | None = None
    decision_function: float | list[Any] | None = None
    score_samples: float | None = None
    transform: float | list[Any] | None = None
    std: float | list[Any] | None = None
    kneighbors: dict[str, list[Any]] | None = None
    quantiles: dict[str, float] | None = None


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


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How the version was proven when it was published.

    `full`: a fresh process, in an environment of the manifest's packages alone, loaded the stored bytes by the code
    that serves and answered `rows` rows of the owner's as `requests` requests. `process`: the same in the publisher's
    own environment. `none`: nothing was compared. Numbers may differ from the estimator's own by `relative` times their
    size or by `absolute`, whichever is more; `difference` is the largest that was seen. `ties` are rows in which two
    labels were as good within that, and the other one was answered.
    """

    kind: ProofKind
    rows: int = 0
    requests: int = 0
    relative: float = 0.0
    absolute: float = 0.0
    difference: float = 0.0
    ties: int = 0


class OwnCode(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's own code: `code.zip`, the modules in it, and whether anything was pickled by value by cloudpickle."""

    artifact: Artifact | None = None
    modules: tuple[str, ...] = ()
    by_value: bool = False


class Lineage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the model comes from, as far as it is known; `training_data_sha256` is of the rows that were given."""

    git_commit: str | None = None
    git_clean: bool | None = None
    entry: str | None = None
    mlflow_run: str | None = None
    training_data_sha256: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of a model is. Immutable; the deployment is derived from it alone.

    `artifact` and `environment` are those of the joblib file, which every version has; `formats` has what there is
    beside it. `example_kind` says what the examples are; absent from releases that recorded rows without a word.
    `golden` is the file of recorded rows with their answers, which few may read; `report` that of figures to be drawn,
    `sbom` that of what its layers are made of; releases before 0.2.0 wrote none. `wheels` are packages that are on no
    index. `deployable` names the formats that fit into a function; empty for all.
    """

    format: int = MANIFEST_FORMAT
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
    example_kind: ExampleKind | None = None
    formats: dict[str, ModelFormat] = {}
    deployable: tuple[FormatName, ...] = ()
    proof: Proof = Proof(kind="none")
    golden: Artifact | None = None
    code: OwnCode | None = None
    wheels: tuple[Artifact, ...] = ()
    lineage: Lineage = Lineage()
    labels: dict[str, str] = {}
    report: Artifact | None = None
    sbom: Artifact | None = None

    def model_format(self, name: str) -> ModelFormat:
        """What a format loads; ModelFormatError where the version lacks it."""
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
        """The formats that can serve this version, `joblib` first."""
        return ("joblib", *sorted(self.formats))

    @property
    def reference(self) -> str:
        """The version's address, `NAME/VERSION`."""
        return f"{self.name}/{self.version}"


class _Record(Protocol):
    @property
    def format(self) -> int: ...


_Kind = TypeVar("_Kind", bound=_Record)
_Decoded = TypeVar("_Decoded")


def encode(record: msgspec.Struct) -> bytes:
    """Write a record as JSON, indented, its keys sorted: the same record gives the same bytes everywhere."""
    return msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"


def digest(data: bytes | memoryview) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest of format 1 or 2; RecordError where it is damaged or of another format."""
    manifest = decode_record(data, Manifest, range(1, MANIFEST_FORMAT + 1))
    if manifest.format == 1:
        formats = _decoder(_Format1).decode(data).engines
        return msgspec.structs.replace(manifest, formats=formats)
    return manifest


class _Format1(msgspec.Struct):
    """What format 1 calls otherwise."""

    engines: dict[str, ModelFormat] = {}


_decoders: dict[type, Any] = {}
_building = threading.Lock()


def _decoder(kind: type[_Decoded]) -> "msgspec.json.Decoder[_Decoded]":
    """The decoder of a type, made by one thread: msgspec 0.22 crashes the process where several make one at once."""
    with _building:
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind)
        decoder: msgspec.json.Decoder[_Decoded] = _decoders[kind]
        return decoder


def check_digest(data: bytes, artifact: Artifact | None, what: str) -> None:
    """IntegrityError where a file of a version is not the one that its manifest names; `what` ends with has or have."""
    found, expected = digest(data), artifact.sha256 if artifact else "none"
    if found != expected:
        raise IntegrityError(
            f"{what} SHA-256 {found}, its manifest has {expected}: restore the object from the bucket's versions"
        )


def decode_record(data: bytes, kind: type[_Kind], formats: range, *, what: str | None = None) -> _Kind:
    """Read a record; RecordError where it is damaged, or of a format that this release does not read."""
    what = what or kind.__name__.lower()
    read = f"this release reads {' and '.join(map(str, formats))}: use the release that wrote it"
    try:
        record = _decoder(kind).decode(data)
    except UNREADABLE as error:
        found = _format_of(data)
        if found is not None and found not in formats:
            raise RecordError(f"the {what} has format {found}, {read}") from error
        raise RecordError(
            f"the {what} cannot be read ({error}): restore the object from the bucket's versions"
        ) from error
    if record.format not in formats:
        raise RecordError(f"the {what} has format {record.format}, {read}")
    return record


class _Formatted(msgspec.Struct):
    """What every record has. All else is skipped: making objects of it would take many times its size."""

    format: int | str | None = None


def _format_of(data: bytes) -> int | str | None:
    try:
        return _decoder(_Formatted).decode(data).format
    except UNREADABLE:
        return None


def check_slug(value: str, what: str) -> str:
    """Return `value` if it is a slug; InvalidNameError naming `what` ("model name", "tag") otherwise."""
    if re.fullmatch(_SLUG, value) and len(value) <= SLUG_MAX:
        return value
    raise InvalidNameError(
        f"{what} {value!r} is not usable: take lower case letters, digits and single hyphens between them, "
        f"{SLUG_MAX} characters at most, for example 'iris-v2'"
    )


def versions_prefix(name: str) -> str:
    """Where the versions of a model lie."""
    return f"models/{name}/versions/"


def version_key(name: str, version: int, file: str) -> str:
    """The key of a file of a version."""
    return f"{versions_prefix(name)}{version}/{file}"
