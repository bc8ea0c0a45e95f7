from collections.abc import Mapping
from typing import Any

import pulumi

from infra.artifact_bucket import ArtifactBucket
from infra.layer_version import DependencyLayer
from tests.infra.examples import layer
from tests.infra.recording import Recording, record


def declare(key: str = "a" * 64) -> Recording:
    def program() -> None:
        DependencyLayer(
            "iris-dev-layer",
            layer=layer(key),
            python="3.12",
            architecture="x86_64",
            artifacts=ArtifactBucket("iris-dev-artifacts"),
        )

    return record(program)


def written(recording: Recording, what: str) -> Mapping[str, Any]:
    """The inputs of an object in the bucket."""
    (found,) = (each for each in recording.all("BucketObjectv2") if each.name == f"iris-dev-layer-{what}")
    return found.inputs


def test_the_zip_goes_through_s3_under_the_address_of_its_content() -> None:
    recording = declare()
    upload = written(recording, "zip")
    version = recording.one("LayerVersion").inputs
    assert isinstance(upload["source"], pulumi.FileAsset)
    assert upload["key"] == version["s3Key"] == f"layers/{'a' * 64}.zip"
    assert version["s3Bucket"] == upload["bucket"]
    assert "code" not in version


def test_other_packages_make_another_layer_version() -> None:
    assert declare("b" * 64).one("LayerVersion").inputs["s3Key"] != declare().one("LayerVersion").inputs["s3Key"]


def test_the_layer_names_its_runtime_and_architecture() -> None:
    version = declare().one("LayerVersion").inputs
    assert version["compatibleRuntimes"] == ["python3.12"]
    assert version["compatibleArchitectures"] == ["x86_64"]


def test_what_it_is_made_of_lies_beside_it() -> None:
    bom = written(declare(), "bom")
    assert bom["key"] == f"layers/{'a' * 64}.cdx.json"
    assert bom["contentType"].startswith("application/vnd.cyclonedx+json")
    assert bom["source"].text == layer().bom
