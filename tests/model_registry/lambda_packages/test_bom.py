"""What a layer is made of, for scanners: CycloneDX."""

import json
from pathlib import Path

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from model_registry.lambda_packages.bom import bom, version_bom
from model_registry.lambda_packages.pinned import layer_spec
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import Artifact, Environment, ModelFormat, digest
from tests.model_registry.processes import manifest
from tests.package_index import make_wheel

ENVIRONMENT = Environment(
    python="3.12",
    machine="x86_64",
    packages={"numpy": "2.5.5", "torch": "2.0+cpu", "own-wheel": "1.0"},
    hashes={"x86_64": {"numpy": "a" * 64, "torch": "b" * 64}, "arm64": {"numpy": "c" * 64}},
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, "own-wheel", "1.0", {"own_wheel.py": ""})


def test_each_package_has_its_version_its_url_and_the_digest_of_its_wheel(wheel: Path) -> None:
    written = json.loads(bom(layer_spec(ENVIRONMENT, "x86_64", [wheel])))
    assert (written["bomFormat"], written["specVersion"], written["version"]) == ("CycloneDX", "1.5", 1)
    found = {each["name"]: each for each in written["components"]}
    assert found.keys() == {"msgspec", "numpy", "obstore", "own-wheel", "torch"}
    assert found["numpy"] == {
        "type": "library",
        "bom-ref": "numpy@2.5.5",
        "name": "numpy",
        "version": "2.5.5",
        "purl": "pkg:pypi/numpy@2.5.5",
        "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
    }
    assert found["torch"]["purl"] == "pkg:pypi/torch@2.0%2Bcpu"
    assert "purl" not in found["own-wheel"], "no index has it"
    assert found["own-wheel"]["hashes"] == [{"alg": "SHA-256", "content": digest(wheel.read_bytes())}]
    assert "hashes" not in found["msgspec"], "the handler's may be one of several wheels"
    assert written["dependencies"][0]["dependsOn"] == [each["bom-ref"] for each in written["components"]]


def test_the_same_layer_gives_the_same_bytes_and_another_one_another_number(wheel: Path) -> None:
    one, other = (layer_spec(ENVIRONMENT, architecture, [wheel]) for architecture in ("x86_64", "arm64"))
    again = LayerSpec(one.python, one.architecture, tuple(reversed(one.packages)), one.wheels, one.hashes)
    assert bom(one) == bom(again)
    assert json.loads(bom(one))["serialNumber"] != json.loads(bom(other))["serialNumber"]


def test_a_version_has_the_packages_of_each_of_its_layers() -> None:
    wheel = Artifact(file="own_wheel-1.0-py3-none-any.whl", sha256="f" * 64, size=1)
    made = manifest("iris", 1, b"model")
    onnx = ModelFormat(
        artifact=Artifact(file="model.onnx", sha256="0" * 64, size=1),
        environment=Environment(python="3.13", machine="x86_64", packages={"numpy": "2.5.5", "nvidia-nccl-cu12": "2"}),
    )
    made = msgspec.structs.replace(made, environment=ENVIRONMENT, wheels=(wheel,), formats={"onnx": onnx})
    written = json.loads(version_bom(made))
    depends = {each["ref"]: each["dependsOn"] for each in written["dependencies"]}
    found = {each["bom-ref"]: each for each in written["components"]}
    layers = [f"layer-{form}-{architecture}" for form in ("joblib", "onnx") for architecture in ("x86_64", "arm64")]
    assert depends["model"] == layers
    assert depends["layer-joblib-x86_64"] == [
        f"numpy@2.5.5#{'a' * 12}",
        f"own-wheel@1.0#{'f' * 12}",
        f"torch@2.0+cpu#{'b' * 12}",
    ]
    assert depends["layer-joblib-arm64"] == [f"numpy@2.5.5#{'c' * 12}", f"own-wheel@1.0#{'f' * 12}", "torch@2.0+cpu"]
    assert depends["layer-onnx-arm64"] == ["numpy@2.5.5"], "no function has what is for GPUs alone"
    assert found.keys() == {ref for each in depends.values() for ref in each}
    assert found[f"numpy@2.5.5#{'c' * 12}"]["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
    assert "purl" not in found[f"own-wheel@1.0#{'f' * 12}"]
    assert written["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": made.artifact.sha256}]
    without_arm = msgspec.structs.replace(ENVIRONMENT, hashes={"x86_64": {"numpy": "a" * 64}})
    deployable = json.loads(version_bom(msgspec.structs.replace(made, environment=without_arm, formats={})))
    assert deployable["dependencies"][0]["dependsOn"] == ["layer-joblib-x86_64"]
    assert version_bom(msgspec.structs.replace(made, version=2)) == version_bom(made)


def test_bills_are_what_the_official_schema_says(wheel: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_5)
    for text in (bom(layer_spec(ENVIRONMENT, "x86_64", [wheel])), version_bom(manifest("iris", 1, b"model")).decode()):
        assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace("SHA-256", "SHA256")) is not None, "the validator finds faults"
