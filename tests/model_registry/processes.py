"""Processes for tests of the registry, forked from a warm and single-threaded server: obstore must not be forked."""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from model_registry.manifest import Artifact, Environment, Feature, Manifest, Signature, digest
from model_registry.release import Release
from model_registry.storage import Storage
from model_registry.versions import Versions

CONTEXT = multiprocessing.get_context("forkserver")
# Imported once in the server, and not again in each process.
CONTEXT.set_forkserver_preload(["boto3", "model_registry.estimator", "model_registry.registry", "sklearn.naive_bayes"])
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


def manifest(name: str, version: int, data: bytes) -> Manifest:
    """A manifest for bytes that are no real model: what is tested here never loads them."""
    return Manifest(
        name=name,
        version=version,
        created_at=datetime.now(UTC),
        created_by="the tests",
        estimator="tests.Model",
        parameters={},
        artifact=Artifact(file="model.joblib", sha256=digest(data), size=len(data)),
        environment=Environment(python="3.11", machine="x86_64", packages={}),
        signature=Signature(features=(Feature(name="x", type="number"),)),
        metrics={},
        examples=(),
    )


def add(storage: Storage, name: str, data: bytes) -> Release:
    """Publish bytes as the next version of a model, as `Registry.publish` does once it has described the model."""
    return Versions(storage).add(name, data, lambda version: manifest(name, version, data))
