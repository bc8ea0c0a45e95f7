"""Real environments made by uv from the package index."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest
from sklearn.dummy import DummyClassifier

from model_registry import Registry, Storage
from model_registry.reference import VersionRef
from model_registry.verification import Verification, verify_version
from model_registry.versions import Versions
from model_runtime.errors import IntegrityError, VerificationError
from model_runtime.manifest import Manifest, Prediction, digest, encode, version_key
from training.train_iris import Trained, publish


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[Path]]:
    """What is left in the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: list(tmp_path.iterdir())


def craft(registry: Registry, storage: Storage, **changes: Any) -> Manifest:
    """Put a version with another manifest beside the first, its model's bytes the same."""
    release = registry.resolve("iris/1")
    manifest = msgspec.structs.replace(release.manifest, version=2, **changes)
    Versions(storage).put(VersionRef("iris", 2), [("model.joblib", registry.read_model(release))], encode(manifest))
    return manifest


def test_iris_answers_as_recorded_in_an_environment_made_from_its_manifest(
    registry: Registry,
    trained_iris: Trained,
    left: Callable[[], list[Path]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path_factory.mktemp("empty")))
    manifest = publish(registry, trained_iris, "").manifest
    steps: list[str] = []
    found = verify_version(registry, "iris/1", progress=steps.append)
    packages = len(manifest.environment.packages)
    assert found == Verification("iris/1", manifest.environment.python, packages, 3, found.seconds)
    assert str(found) == (
        f"iris/1 answers 3 golden examples as recorded, with Python {manifest.environment.python} "
        f"and its {packages} packages"
    )
    assert [step.split()[0] for step in steps] == ["reading", "making", "installing", "replaying"]
    assert left() == []
    steps.clear()
    verify_version(registry, "iris/1", progress=steps.append)
    assert [step.split()[0] for step in steps] == ["reading", "replaying"], "the environment is kept"


def test_a_version_that_answers_differently_fails_with_the_differing_answers_only(
    registry: Registry, storage: Storage, trained_iris: Trained, left: Callable[[], list[Path]]
) -> None:
    first, second, third = publish(registry, trained_iris, "").manifest.examples
    label = "setosa" if second.output.label != "setosa" else "virginica"
    edited = msgspec.structs.replace(second, output=Prediction(label=label, probabilities=second.output.probabilities))
    craft(registry, storage, examples=(first, edited, third))
    with pytest.raises(VerificationError, match="iris/2 answers 1 of 3 golden examples differently") as raised:
        verify_version(registry, "iris/2")
    assert f'gives {{"label": "{second.output.label}"' in str(raised.value)
    assert f'recorded is {{"label": "{label}"' in str(raised.value)
    assert left() == []


def test_an_environment_that_cannot_be_built_fails_with_the_words_of_uv(
    registry: Registry, storage: Storage, trained_iris: Trained, left: Callable[[], list[Path]]
) -> None:
    environment = publish(registry, trained_iris, "").manifest.environment
    packages = {**environment.packages, "joblib": "0.0.1.dev99"}
    craft(registry, storage, environment=msgspec.structs.replace(environment, packages=packages))
    with pytest.raises(
        VerificationError, match=r"environment of iris/2 cannot be built.*(?s:.*)joblib==0\.0\.1\.dev99"
    ):
        verify_version(registry, "iris/2")
    assert left() == []


def test_a_package_that_the_manifest_forgot_fails_although_this_environment_has_it(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    environment = publish(registry, trained_iris, "").manifest.environment
    packages = {name: version for name, version in environment.packages.items() if name != "joblib"}
    craft(registry, storage, environment=msgspec.structs.replace(environment, packages=packages))
    with pytest.raises(VerificationError, match=r"iris/2 does not run .*No module named 'joblib'"):
        verify_version(registry, "iris/2")


class Spying(DummyClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Tells which environment variables the process that loads it can see."""

    def __reduce__(self) -> Any:
        return exec, ("import os; raise RuntimeError('SEEN ' + ' '.join(os.environ))",)


def test_the_model_s_process_has_no_environment_variable_of_the_caller(
    registry: Registry, storage: Storage, trained_iris: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The AWS credentials that opened the bucket are in the caller's."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    manifest = publish(registry, trained_iris, "").manifest
    joblib.dump(Spying(), tmp_path / "spy")
    data = (tmp_path / "spy").read_bytes()
    artifact = msgspec.structs.replace(manifest.artifact, sha256=digest(data))
    Versions(storage).put(
        VersionRef("iris", 2),
        [("model.joblib", data)],
        encode(msgspec.structs.replace(manifest, version=2, artifact=artifact)),
    )
    with pytest.raises(VerificationError, match="SEEN") as raised:
        verify_version(registry, "iris/2")
    seen = set(str(raised.value).partition("SEEN ")[2].partition(")")[0].split())
    assert {"HOME", "PATH", "TMPDIR"} <= seen
    own = {"HOME", "PATH", "TMPDIR", "LC_CTYPE", "SYSTEMROOT"}
    assert {name for name in seen - own if not name.startswith("KMP_")} == set(), "joblib and its like set KMP_ names"
    assert {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} <= os.environ.keys()


def test_other_bytes_are_refused_before_anything_is_made(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    publish(registry, trained_iris, "")
    key = version_key("iris", 1, "model.joblib")
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, stored.data + b"x", stored.etag)
    steps: list[str] = []
    with pytest.raises(IntegrityError, match="do not load it"):
        verify_version(registry, "iris/1", progress=steps.append)
    assert steps == ["reading iris/1"]


def test_a_version_without_golden_examples_is_not_verified(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    """There would be nothing that can fail."""
    publish(registry, trained_iris, "")
    craft(registry, storage, examples=())
    with pytest.raises(VerificationError, match="iris/2 has no golden examples to replay"):
        verify_version(registry, "iris/2")


def test_without_uv_the_remedy_is_named(
    registry: Registry, trained_iris: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(registry, trained_iris, "")
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VerificationError, match=r"iris/1 cannot be built: uv.* is not installed: run `pip install uv`"):
        verify_version(registry, "iris/1")
