"""A version that does not serve gets no traffic: `up` fails, the alias stays, callers notice nothing."""

import json
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aws_check.errors import EngineError
from model_registry import Registry, Release
from model_registry.cache import CACHE_VARIABLE, KEY_VARIABLE, seal
from model_registry.lambda_packages.pinned import layer_spec
from model_registry.versions import Versions
from model_runtime.manifest import MODEL_FILE, Manifest, Prediction, version_key
from tests.model_registry.processes import artifact
from tests.pulumi.stacks import EngineStack
from training.train_iris import GUIDE_EVENT

if TYPE_CHECKING:
    from local.iris import Answer

NOWHERE = b"cnowhere\nModel\n."
"""A pickle of a class in a module that does not exist."""


class Callers:
    """Calls the API all the time, one call after the other in each of two threads, and keeps each answer."""

    def __init__(self, stack: EngineStack) -> None:
        self.answers: list[Answer] = []
        self._stack = stack
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(2)]

    def _call(self) -> None:
        while not self._over.wait(0.05):
            self.answers.append(self._stack.post(GUIDE_EVENT))

    def versions(self) -> set[int]:
        """Which versions answered; every answer was one."""
        assert {answer.status for answer in self.answers} == {200}
        assert {answer.body["label"] for answer in self.answers} == {"virginica"}
        return {answer.body["version"] for answer in self.answers}


@contextmanager
def callers(stack: EngineStack) -> Iterator[Callers]:
    """Callers who go on until the block ends, and who had an answer before it begins."""
    made = Callers(stack)
    made.answers.append(stack.post(GUIDE_EVENT))
    for thread in made._threads:
        thread.start()
    try:
        yield made
    finally:
        made._over.set()
        for thread in made._threads:
            thread.join()


def written(registry: Registry, data: bytes, **changes: Any) -> str:
    """A version as no publish would write it, and yet one of which each digest is right: iris/1 with these changes."""
    first = registry.resolve("iris/1").manifest

    def manifest(version: int) -> Manifest:
        made = artifact(first.artifact.file, data)
        return msgspec.structs.replace(first, version=version, artifact=made, **changes)

    return Versions(registry._storage).add("iris", data, manifest).manifest.reference


def model_of(registry: Registry, version: int) -> bytes:
    """The stored model."""
    stored = registry._storage.read(version_key("iris", version, MODEL_FILE))
    assert stored is not None
    return stored.data


def without_packages(cache: Path, release: Release) -> None:
    """Put a layer into the cache, as this user's own, for a release that has none of its packages."""
    spec = layer_spec(release.manifest.environment, "x86_64")
    archive = cache / "layers" / f"{spec.key}.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as layer:
        layer.writestr("python/nothing.py", "")
    size, digest = archive.stat().st_size, sha256(archive.read_bytes()).hexdigest()
    sealed = {"seal": seal(f"layer {spec.key} {digest}"), "sha256": digest}
    record = sealed | {"zip_bytes": size, "unzipped_bytes": 0, "packages": []}
    archive.with_suffix(".json").write_text(json.dumps(record))


def test_a_version_that_does_not_serve_gets_no_traffic_and_callers_notice_nothing(
    dev: EngineStack, models: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever is wrong: the model, its answer, its layer. All answers meanwhile are the old version's."""
    first = models.resolve("iris/1").manifest
    data = model_of(models, 1)
    wrong = msgspec.structs.replace(first.examples[0], output=Prediction(label="setosa"))
    other = first.environment.packages | {"threadpoolctl": "3.5.0"}
    elsewhere = msgspec.structs.replace(first.environment, packages=other)
    bad = {
        written(models, NOWHERE): "ModuleNotFoundError: No module named 'nowhere' (load)",
        written(models, data, examples=(wrong,)): "(self_check)",
        (broken := written(models, data, environment=elsewhere)): "No module named",
    }
    monkeypatch.setenv(KEY_VARIABLE, "a key of the test's")
    without_packages(tmp_path, models.resolve(broken))
    own_cache = {CACHE_VARIABLE: str(tmp_path), KEY_VARIABLE: os.environ[KEY_VARIABLE]}
    good = written(models, data)
    with callers(dev) as clients:
        for reference, reason in bad.items():
            models.tag(reference, "dev")
            with pytest.raises(EngineError) as caught:
                dev.up(**(own_cache if reference == broken else {}))
            assert f"{reference} does not serve" in str(caught.value)
            assert reason in str(caught.value)
            assert "`python -m model_registry rollback iris@dev --bucket s3://" in str(caught.value)
            assert "Function" in dev.changed(), "a version was published"
        assert clients.versions() == {1}
        assert len(clients.answers) > len(bad)
        models.tag(good, "dev")
        dev.up()
        assert dev.changed() >= {"Function", "Alias"}
    number = int(good.rpartition("/")[2])
    assert clients.versions() <= {1, number}
    assert dev.post(GUIDE_EVENT).body["version"] == number
