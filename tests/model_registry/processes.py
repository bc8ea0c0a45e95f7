"""Processes for tests of the registry, forked from a warm and single-threaded server: obstore must not be forked."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from model_registry.release import Release
from model_registry.versions import Versions
from model_runtime.manifest import (
    FORMAT_FILES,
    Artifact,
    Environment,
    Feature,
    FormatName,
    Manifest,
    ModelFormat,
    Signature,
    digest,
)
from model_runtime.storage import Storage

CONTEXT = multiprocessing.get_context("forkserver")
# Imported once in the server, and not again in each process.
CONTEXT.set_forkserver_preload(
    ["boto3", "model_registry.publish.estimator", "model_registry.registry", "sklearn.naive_bayes"]
)
SECONDS = 120
"""How long a process may take before the test gives up; none comes near it."""


def start(target: Callable[..., object], environment: dict[str, str], *arguments: Any) -> Any:
    """Start a process with these AWS settings and no others."""
    process = CONTEXT.Process(target=_enter, args=(target, environment, arguments), daemon=True)
    process.start()
    return process


def finish(processes: Iterable[Any]) -> list[int | None]:
    """Wait for processes, end those that hang, and return the exit codes (negative: the signal)."""
    codes = []
    for process in processes:
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        codes.append(process.exitcode)
        process.close()
    return codes


def _enter(target: Callable[..., object], environment: dict[str, str], arguments: tuple[Any, ...]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment)
    target(*arguments)


def manifest(name: str, version: int, data: bytes, further: Mapping[FormatName, bytes] | None = None) -> Manifest:
    """A manifest for bytes that are no real model: what is tested here never loads them."""
    environment = Environment(python="3.11", machine="x86_64", packages={})
    return Manifest(
        name=name,
        version=version,
        created_at=datetime.now(UTC),
        created_by="the tests",
        estimator="tests.Model",
        parameters={},
        artifact=artifact("model.joblib", data),
        environment=environment,
        signature=Signature(features=(Feature(name="x", type="number"),)),
        metrics={},
        examples=(),
        formats={
            model_format: ModelFormat(artifact=artifact(FORMAT_FILES[model_format], content), environment=environment)
            for model_format, content in (further or {}).items()
        },
    )


def artifact(file: str, data: bytes) -> Artifact:
    """What a manifest says of a file."""
    return Artifact(file=file, sha256=digest(data), size=len(data))


def add(storage: Storage, name: str, data: bytes, further: Mapping[FormatName, bytes] | None = None) -> Release:
    """Publish bytes as the next version of a model, as `Registry.publish` does once it has described the model."""
    files = {FORMAT_FILES[model_format]: content for model_format, content in (further or {}).items()}
    return Versions(storage).add(name, data, lambda version: manifest(name, version, data, further), further=files)
