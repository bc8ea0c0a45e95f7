"""Load the pinned model once, at start: fetch, verify, load, self-check.

Nothing is unpickled before its digest was checked: the stack pins the manifest's SHA-256 in the function's
environment, and the manifest has the SHA-256 of the model's bytes.
"""

import io
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model_registry.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Example,
    Manifest,
    decode_manifest,
    digest,
    version_key,
)
from model_registry.prediction import Predictor, same_prediction
from model_registry.schema import Inputs
from model_registry.storage import Storage


class LoadError(Exception):
    """The model was not loaded; the message says which check failed."""


@dataclass(frozen=True)
class Pin:
    """Which version this function serves, as the deployment pinned it."""

    bucket: str
    name: str
    version: int
    manifest_sha256: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Pin":
        """Read MODEL_BUCKET, MODEL_NAME, MODEL_VERSION and MODEL_MANIFEST_SHA256; LoadError names a missing one."""
        try:
            return cls(
                bucket=environment["MODEL_BUCKET"],
                name=environment["MODEL_NAME"],
                version=int(environment["MODEL_VERSION"]),
                manifest_sha256=environment["MODEL_MANIFEST_SHA256"],
            )
        except ValueError as error:
            raise LoadError(
                f"MODEL_VERSION is {environment['MODEL_VERSION']!r}, no number: deploy with the stack"
            ) from error
        except KeyError as error:
            raise LoadError(
                f"the environment variable {error} is not set: deploy the function with the stack"
            ) from error


@dataclass(frozen=True)
class ServedModel:
    """A model that answered its first golden example correctly, ready to serve."""

    manifest: Manifest
    inputs: Inputs
    predictor: Predictor
    milliseconds: Mapping[str, float]


def load(pin: Pin, storage: Storage | None = None) -> ServedModel:
    """Fetch, verify, load and check the pinned model; raises LoadError or RegistryError, and serves nothing then."""
    clock = _Clock()
    with ThreadPoolExecutor(max_workers=2) as pool:
        # obstore releases the GIL: both downloads run beside the imports.
        store = storage or Storage.in_function(pin.bucket)
        manifest_bytes = pool.submit(_fetch, store, pin, MANIFEST_FILE)
        model_bytes = pool.submit(_fetch, store, pin, MODEL_FILE)
        import joblib
        import sklearn.base  # noqa: F401  # every estimator needs it: import it while the download runs

        clock.lap("import")
        manifest = _verified_manifest(manifest_bytes.result(), pin)
        data = model_bytes.result()
        clock.lap("fetch")
    _check(data, manifest.artifact.sha256, f"{manifest.artifact.file} of {manifest.reference}")
    clock.lap("verify")
    with warnings.catch_warnings():
        # A scikit-learn other than the manifest's must not quietly answer otherwise (InconsistentVersionWarning).
        warnings.simplefilter("error", _inconsistent_version_warning())
        estimator = joblib.load(io.BytesIO(data))
    predictor = Predictor(estimator, manifest.signature)
    clock.lap("load")
    for example in manifest.examples[:1]:
        _self_check(predictor, manifest, example)
    clock.lap("self_check")
    return ServedModel(manifest, Inputs(manifest.signature), predictor, clock.laps)


def _fetch(store: Storage, pin: Pin, file: str) -> bytes:
    key = version_key(pin.name, pin.version, file)
    stored = store.read(key)
    if stored is None:
        raise LoadError(f"{store.location}/{key} does not exist")
    return stored.data


def _verified_manifest(data: bytes, pin: Pin) -> Manifest:
    pinned = f"{pin.name}/{pin.version}"
    _check(data, pin.manifest_sha256, f"{MANIFEST_FILE} of {pinned}")
    manifest = decode_manifest(data)
    if manifest.reference != pinned:
        raise LoadError(f"the manifest of {pinned} says that it is {manifest.reference}: it is not served")
    return manifest


def _check(data: bytes, expected: str, what: str) -> None:
    found = digest(data)
    if found != expected:
        raise LoadError(f"{what} has SHA-256 {found}, {expected} is pinned: it is not loaded")


def _inconsistent_version_warning() -> type[Warning]:
    from sklearn.exceptions import InconsistentVersionWarning

    warning: type[Warning] = InconsistentVersionWarning
    return warning


def _self_check(predictor: Predictor, manifest: Manifest, example: Example) -> None:
    row = tuple(example.input[feature.name] for feature in manifest.signature.features)
    (answer,) = predictor.predict([row])
    if not same_prediction(answer, example.output):
        raise LoadError(
            f"{manifest.reference} answers its first golden example with {answer}, recorded was {example.output}"
        )


class _Clock:
    """Milliseconds of each phase of the start."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 1)
        self._last = now
