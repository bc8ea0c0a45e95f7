"""What a deployment makes of a manifest that has no digests of wheels, or those of one architecture."""

import msgspec
import pulumi
import pytest

from infra import inputs
from infra.inputs import model_layer
from infra.layer.build import Layer
from infra.settings import SettingsError
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import Manifest
from tests.infra.examples import layer, release

MANIFEST = release().manifest


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[LayerSpec]:
    """The layers that were to be built; none is."""
    specs: list[LayerSpec] = []

    def build(spec: LayerSpec, **_: object) -> Layer:
        specs.append(spec)
        return layer()

    monkeypatch.setattr(inputs, "build_layer", build)
    return specs


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    return said


def hashed(architecture: str) -> Manifest:
    hashes = {architecture: dict.fromkeys(MANIFEST.environment.packages, "a" * 64)}
    environment = msgspec.structs.replace(MANIFEST.environment, hashes=hashes)
    return msgspec.structs.replace(MANIFEST, environment=environment)


def test_a_layer_is_made_of_the_wheels_that_the_manifest_names(asked: list[LayerSpec], warned: list[str]) -> None:
    for signing in (False, True):
        manifest = hashed("arm64")
        form = manifest.model_format("joblib")
        model_layer(manifest, form, "arm64", signing=signing, require_hashes=True)
        assert asked[-1].hashes["scikit-learn"] == ("a" * 64,)
        assert asked[-1].unpinned == ()
        assert ("cryptography" in asked[-1].hashes) is signing
    assert not warned


def test_a_version_without_digests_is_warned_of_and_refused_where_they_are_required(
    asked: list[LayerSpec], warned: list[str]
) -> None:
    for manifest in (MANIFEST, hashed("arm64")):
        form = manifest.model_format("joblib")
        with pytest.raises(SettingsError, match=r"requireHashes: .*lacks the digests of wheels for x86_64 \(.*scikit"):
            model_layer(manifest, form, "x86_64", require_hashes=True)
        assert not asked
        model_layer(manifest, form, "x86_64")
        assert asked.pop().unpinned == ("scikit-learn",)
        assert "so its layer takes those that an index has now: publish it again" in warned.pop()
