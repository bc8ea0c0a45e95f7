"""What does not fit into a function is told when it is published, from real wheels."""

from pathlib import Path

import numpy as np
import pytest
from obstore.store import MemoryStore
from sklearn.linear_model import LinearRegression

from infra import inputs
from infra.inputs import served_format
from infra.layer.build import Layer
from infra.settings import SettingsError
from model_registry import Registry, Storage
from model_registry.lambda_packages.errors import WheelNotFoundError
from model_registry.lambda_packages.estimate import LayerSize
from model_registry.lambda_packages.size import LIMIT_UNZIPPED, PackageSize
from model_registry.publish import sizes
from model_registry.publish.sizes import fitting
from model_runtime.errors import PublishError
from model_runtime.manifest import Artifact, Environment, ModelFormat
from tests.infra.examples import layer, settings
from tests.model_registry.made import made

SMALL = Environment(python="3.12", machine="x86_64", packages={"joblib": "1.5.2", "threadpoolctl": "3.6.0"})
ONNX = ModelFormat(artifact=Artifact(file="model.onnx", sha256="", size=1), environment=SMALL)
MANIFEST = made(environment=SMALL)


@pytest.fixture
def large(tmp_path: Path) -> dict[str, Path]:
    """Own code that takes all but nothing of the limit, in a file without content."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(261_900_000)
    return {"own/large.bin": path}


def test_what_fits_is_told_for_both_architectures_and_a_proven_version_is_for_every_format() -> None:
    registry, X, lines = (
        Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="full"),
        np.eye(2),
        list[str](),
    )
    release = registry.publish(LinearRegression().fit(X, [1, 2]), name="rooms", X_example=X, progress=lines.append)
    assert release.manifest.deployable == ()
    (note,) = (line for line in lines if "in a function" in line)
    assert note.startswith("note: packages of joblib in a function: about ")
    assert "on x86_64; " in note
    assert "on arm64" in note


def test_what_does_not_fit_is_refused_with_by_how_much_and_the_largest_packages(large: dict[str, Path]) -> None:
    with pytest.raises(
        PublishError, match=r"does not fit into a function: the layer is .* over the .*--onnx.*\n.* MB  "
    ):
        fitting(MANIFEST, large)


def test_another_format_that_fits_is_named_and_the_first_is_not_deployed(large: dict[str, Path]) -> None:
    manifest = made(environment=SMALL, formats={"onnx": ONNX})
    found = fitting(manifest, large)
    assert found.deployable == ("onnx",)
    assert "packages of joblib in a function: not on x86_64: the layer is" in found.notes[0]
    assert "packages of onnx in a function: about " in found.notes[1]
    assert found.notes[2] == "deploy it with `pulumi config set format onnx`"
    refused = made(environment=SMALL, formats={"onnx": ONNX}, deployable=found.deployable)
    with pytest.raises(SettingsError, match=r"does not fit into a function in it, .*config set format onnx`"):
        served_format(settings(model_format="joblib"), refused)
    assert served_format(settings(model_format="onnx"), refused) == ONNX


def test_a_publish_and_a_deployment_leave_the_same_for_the_packages(
    large: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reserved: list[int] = []

    def build(_spec: object, *, reserve: int, **_more: object) -> Layer:
        reserved.append(reserve)
        return layer()

    monkeypatch.setattr(inputs, "build_layer", build)
    inputs.model_layer(MANIFEST, MANIFEST.model_format("joblib"), "x86_64", own_code=large)
    for more in (0, 1):
        packages = (PackageSize("joblib", "1.5.2", LIMIT_UNZIPPED - reserved[0] + more),)
        monkeypatch.setattr(sizes, "_kept_sizes", lambda *_, packages=packages: packages)
        if more:
            with pytest.raises(PublishError, match="does not fit into a function"):
                fitting(MANIFEST, large)
        else:
            fitting(MANIFEST, large)


def test_packages_without_wheels_for_lambda_are_refused() -> None:
    packages = {**SMALL.packages, "scikit-learn": "1.9.1"}
    with pytest.raises(PublishError, match=r"scikit-learn 1\.9\.1 has no wheel for Lambda's python3\.11 on x86_64"):
        fitting(made(environment=Environment(python="3.11", machine="x86_64", packages=packages)), {})


def test_an_index_that_does_not_answer_stops_it_unless_the_size_is_known_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path / "ours"))
    known = fitting(MANIFEST, {})
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    assert fitting(MANIFEST, {}) == known
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path / "others"))
    with pytest.raises(PublishError, match=r"does not answer: (.|\n)*publish later, or with `--proof process`"):
        fitting(MANIFEST, {})


def test_a_missing_wheel_is_explained_once_a_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def refusing(_packages: dict[str, str], _python: str, architecture: str, **_more: object) -> LayerSize:
        asked.append(architecture)
        if architecture == "arm64":
            raise WheelNotFoundError("joblib 1.5.2 has no wheel for it")
        return LayerSize((PackageSize("joblib", "1.5.2", 1),), 100)

    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path))
    monkeypatch.setattr(sizes, "layer_size", refusing)
    notes = [fitting(MANIFEST, {}).notes for _ in range(2)]
    assert notes[0] == notes[1]
    assert "not on arm64: joblib 1.5.2 has no wheel for it" in notes[0][0]
    assert sorted(asked) == ["arm64", "x86_64"]
