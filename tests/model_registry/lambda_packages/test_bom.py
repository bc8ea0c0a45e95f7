"""What a layer is made of, for scanners: CycloneDX."""

import json
from pathlib import Path

import pytest

from model_registry.lambda_packages.bom import bom
from model_registry.lambda_packages.pinned import layer_spec
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import Environment, digest
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
    assert found.keys() == {"msgspec", "numpy", "obstore", "own-wheel", "torch", "typing-extensions"}
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
