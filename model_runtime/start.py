"""Load the pinned model once, at start: fetch, verify, load, self-check.

Nothing is unpickled before its digest was checked: the stack pins the manifest's SHA-256 in the function's
environment, and the manifest has the SHA-256 of the model's bytes. Where the stack trusts public keys, one of them must
have signed the manifest.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from model_runtime import formats
from model_runtime.download import REFUSED_SECONDS, Download, LoadError
from model_runtime.errors import ModelFormatError, OutputError, SigningError
from model_runtime.manifest import (
    FORMAT_FILES,
    GOLDEN_FILE,
    MANIFEST_FILE,
    Example,
    FormatName,
    Manifest,
    decode_manifest,
    digest,
)
from model_runtime.pin import Pin
from model_runtime.schema import Inputs, Row
from model_runtime.storage import Storage

INIT_SECONDS = 8.0
"""How long the init phase may fetch, which Lambda ends after 10 s: a failure must be logged before it does.

Source: "Understanding the Lambda execution environment lifecycle" in the AWS Lambda developer guide.
"""

REQUEST_SECONDS = 20.0
"""How long a request may fetch, for which API Gateway waits 29 s, and an init phase that is not limited to 10 s."""

SNAPSHOT_SECONDS = 90.0
"""How long the init phase may fetch of which Lambda makes a snapshot, and try again what S3 refuses.

The role may have been made a moment before, and a version whose init phase failed stays failed. Lambda ends it after
130 s or the function's timeout, whichever is more.

Source: "Understanding the Lambda execution environment lifecycle" in the AWS Lambda developer guide.
"""


PHASES = ("import", "fetch", "verify", "load", "self_check")
"""The parts of a start, in their order."""

_PHASE = "model_load_phase"


def phase_of(error: BaseException) -> str:
    """In which phase of a start an error was raised: `settings`, or what `ServedModel.milliseconds` names."""
    return str(getattr(error, _PHASE, "settings"))


class Deployment(msgspec.Struct, frozen=True):
    """What the stack deployed this function with: the registry's bucket, the pinned version, and how to load it."""

    bucket: str
    pin: Pin
    public_keys: tuple[str, ...] = ()
    model_format: FormatName = "joblib"
    trusted_types: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Deployment":
        """Read MODEL_BUCKET, MODEL_NAME, MODEL_VERSION and MODEL_MANIFEST_SHA256; LoadError names a missing one.

        MODEL_PUBLIC_KEY may be absent; where it is set, even to nothing, it must hold keys. Without MODEL_FORMAT the
        format is joblib. MODEL_TRUSTED_TYPES, which only skops asks for, may be absent too.
        """
        try:
            return cls(
                bucket=environment["MODEL_BUCKET"],
                pin=Pin(
                    name=environment["MODEL_NAME"],
                    version=int(environment["MODEL_VERSION"]),
                    manifest_sha256=environment["MODEL_MANIFEST_SHA256"],
                ),
                public_keys=_public_keys(environment),
                model_format=_format(environment.get("MODEL_FORMAT", "joblib")),
                trusted_types=_trusted_types(environment.get("MODEL_TRUSTED_TYPES", "")),
            )
        except ValueError as error:
            raise LoadError(
                f"MODEL_VERSION is {environment['MODEL_VERSION']!r}, not a number: deploy the function with the stack"
            ) from error
        except KeyError as error:
            raise LoadError(
                f"the environment variable {error} is not set: deploy the function with the stack"
            ) from error


class ServedModel(msgspec.Struct, frozen=True):
    """A model that answered its first golden example correctly, ready to serve."""

    manifest: Manifest
    inputs: Inputs
    predictor: formats.Predicts
    milliseconds: Mapping[str, float]
    model_format: FormatName = "joblib"
    golden: Callable[[], Sequence[Example]] = tuple
    """Fetches the recorded rows: no start waits for them."""


def load(
    deployment: Deployment,
    storage: Storage | None = None,
    *,
    since: float | None = None,
    seconds: float = REQUEST_SECONDS,
    refused_seconds: float = REFUSED_SECONDS,
) -> ServedModel:
    """Fetch, verify, load and check the pinned model; raises LoadError or RegistryError, and serves nothing then.

    `since` is when the start began (`time.perf_counter`), where that was before this call. What is not fetched within
    `seconds` counts as failed, and what S3 refuses after `refused_seconds`.
    """
    clock = _Clock(since)
    try:
        store = storage or Storage.in_function(deployment.bucket, seconds=seconds)
        times = {"deadline": time.perf_counter() + seconds, "refused_seconds": refused_seconds}
        served = _load(deployment, lambda file: Download(store, deployment.pin, file, **times), clock)
    except BaseException as error:
        setattr(error, _PHASE, clock.phase)
        raise
    if served.manifest.golden is None:
        return served
    return msgspec.structs.replace(served, golden=lambda: _golden(deployment, served.manifest, storage, seconds))


def _golden(deployment: Deployment, manifest: Manifest, storage: Storage | None, seconds: float) -> tuple[Example, ...]:
    from model_runtime.golden import decode_golden

    # Opened anew: this may be long after the start, or in a copy of it, whose credentials are others.
    store = storage or Storage.in_function(deployment.bucket, seconds=seconds)
    file = Download(store, deployment.pin, GOLDEN_FILE, deadline=time.perf_counter() + seconds)
    return decode_golden(manifest, file.result())


def _load(deployment: Deployment, download: Callable[[str], Download], clock: "_Clock") -> ServedModel:
    pin, model_format = deployment.pin, deployment.model_format
    # obstore releases the GIL: the downloads run beside the imports, and beside one another.
    model_bytes = download(FORMAT_FILES[model_format])
    manifest_bytes = download(MANIFEST_FILE)
    signature = _signature(deployment, download)
    formats.import_libraries(model_format)  # while the download runs
    clock.lap("import")
    if signature is not None:
        _check_signed(manifest_bytes.result(), signature.result(), deployment)
    manifest = _verified_manifest(manifest_bytes.result(), pin)
    pieces, sha256 = model_bytes.pieces()
    clock.lap("fetch")
    artifact = manifest.model_format(model_format).artifact
    _check(sha256, artifact.sha256, f"{artifact.file} of {manifest.reference}")
    clock.lap("verify")
    predictor = formats.load(manifest, model_format, pieces, trusted_types=deployment.trusted_types)
    clock.lap("load")
    inputs = Inputs(manifest.signature)
    for example in manifest.examples[:1]:
        _self_check(predictor, inputs.read_example(example), example, manifest, model_format)
    clock.lap("self_check")
    return ServedModel(manifest, inputs, predictor, clock.laps, model_format)


# What only some deployments need is imported where they do: each module costs every other start.


def _signature(deployment: Deployment, download: Callable[[str], Download]) -> Download | None:
    if not deployment.public_keys:
        return None
    from model_runtime.signing import SIGNING_FILE

    return download(SIGNING_FILE)


def _public_keys(environment: Mapping[str, str]) -> tuple[str, ...]:
    if "MODEL_PUBLIC_KEY" not in environment:
        return ()
    from model_runtime.signing import parse_public_keys

    try:
        return parse_public_keys(environment["MODEL_PUBLIC_KEY"])
    except SigningError as error:
        raise LoadError(f"MODEL_PUBLIC_KEY: {error}") from error


def _format(name: str) -> FormatName:
    for known in FORMAT_FILES:
        if name == known:
            return known
    raise LoadError(f"MODEL_FORMAT is {name!r}, this release has {', '.join(FORMAT_FILES)}: deploy with the stack")


def _trusted_types(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    from model_runtime.formats.skops import parse_trusted_types

    try:
        return parse_trusted_types(text)
    except ModelFormatError as error:
        raise LoadError(f"MODEL_TRUSTED_TYPES: {error}") from error


def _check_signed(manifest_bytes: bytes, signature: bytes, deployment: Deployment) -> None:
    from model_runtime.signing import verify

    try:
        verify(manifest_bytes, signature, deployment.public_keys, what=str(deployment.pin))
    except SigningError as error:
        raise LoadError(str(error)) from error


def _verified_manifest(data: bytes, pin: Pin) -> Manifest:
    _check(digest(data), pin.manifest_sha256, f"{MANIFEST_FILE} of {pin}")
    manifest = decode_manifest(data)
    if manifest.reference != str(pin):
        raise LoadError(f"the manifest of {pin} says that it is {manifest.reference}: it is not served")
    return manifest


def _check(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise LoadError(f"{what} has SHA-256 {found}, {expected} is pinned: it is not loaded")


def _self_check(
    predictor: formats.Predicts, row: Row, example: Example, manifest: Manifest, model_format: FormatName
) -> None:
    try:
        (answer,) = predictor.predict([row])
    except OutputError as error:
        raise LoadError(f"{manifest.reference} does not answer its first golden example: {error}") from error
    if not formats.same_answer(manifest.model_format(model_format), answer, example.output):
        raise LoadError(
            f"{manifest.reference} answers its first golden example with {answer}, recorded was {example.output}"
        )


class _Clock:
    """Milliseconds of each phase of the start; `phase` is the one that is under way."""

    def __init__(self, since: float | None) -> None:
        self.laps: dict[str, float] = {}
        self.phase = PHASES[0]
        self._last = time.perf_counter() if since is None else since

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 1)
        self._last = now
        self.phase = PHASES[min(len(self.laps), len(PHASES) - 1)]
