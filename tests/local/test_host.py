"""What depends on the machine, for each machine that people have."""

import os
import platform
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from infra.layer.build import build_layer
from infra.layer.importing import why_not_here
from local import iris
from local.errors import LocalError
from local.host import Host, host_of, layers_for
from local.ministack import LocalAws
from model_registry.lambda_packages.pinned import layer_spec, this_architecture
from model_registry.lambda_packages.platform import LINUX, MACOS, RUNTIMES, SYSTEM_VARIABLE, layer_system, runtime_for
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import Environment

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
GLIBC = ("glibc", "2.39")
HOSTS = {
    "macOS x86_64": ("Darwin", "x86_64", ("", ""), Host(MACOS, "x86_64"), "x86_64-apple-darwin"),
    "macOS arm64": ("Darwin", "arm64", ("", ""), Host(MACOS, "arm64"), "aarch64-apple-darwin"),
    "Linux x86_64": ("Linux", "x86_64", GLIBC, Host(LINUX, "x86_64"), "x86_64-manylinux_2_34"),
    "Linux arm64": ("Linux", "aarch64", GLIBC, Host(LINUX, "arm64"), "aarch64-manylinux_2_34"),
    "WSL": ("Linux", "x86_64", ("glibc", "2.35"), Host(LINUX, "x86_64"), "x86_64-manylinux_2_34"),
}


@pytest.fixture(params=HOSTS)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Host, str]:
    """One of the five, as Python sees it; and uv's name of it."""
    system, machine, libc, host, name = HOSTS[request.param]
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(sys, "platform", system.lower())
    return host, name


def test_the_local_aws_makes_layers_for_it(
    here: tuple[Host, str], aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the stack's settings say, and only while it deploys."""
    given: dict[str, Any] = {}

    def deploy(*_: object, config: dict[str, str], **__: object) -> dict[str, Any]:
        given.update(config, system=layer_system())
        return {}

    monkeypatch.setattr(iris, "deploy", deploy)
    iris.deploy_model(aws, tmp_path, print)
    host, name = here
    assert (given["architecture"], given["system"]) == (host.architecture, host.system)
    assert runtime_for("3.12").platform(host.architecture, host.system) == name
    assert SYSTEM_VARIABLE not in os.environ


def test_a_layer_for_it_is_tried_there_and_no_other_is(here: tuple[Host, str]) -> None:
    host, _ = here
    runtime = RUNTIMES["3.12"]
    tried = {
        (system, architecture)
        for system in (LINUX, MACOS)
        for architecture in ("x86_64", "arm64")
        if why_not_here(runtime, architecture, system) is None
    }
    assert tried == {(host.system, host.architecture)}


def test_what_runs_in_lambda_is_taken_for_proofs_on_linux_alone(here: tuple[Host, str]) -> None:
    host, _ = here
    assert this_architecture("3.12") == (host.architecture if host.system == LINUX else None)


@pytest.mark.parametrize(
    ("system", "machine", "remedy"),
    [
        ("Windows", "AMD64", "run it in WSL"),
        ("FreeBSD", "amd64", "use Linux or macOS"),
        ("Linux", "riscv64", "on x86_64"),
    ],
)
def test_other_machines_have_a_remedy(system: str, machine: str, remedy: str) -> None:
    with pytest.raises(LocalError, match=remedy):
        host_of(system, machine)


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", b"\x0c\x00\x00\x01"), ("x86_64", b"\x07\x00\x00\x01")])
def test_a_layer_for_macos_has_its_libraries_and_an_address_of_its_own(
    architecture: str, machine: bytes, tmp_path: Path
) -> None:
    """Made here, where it cannot be tried: its shared objects are Mach-O's for that processor."""
    packages = (("msgspec", version("msgspec")),)
    spec = LayerSpec(PYTHON, architecture, packages, system=MACOS)
    said: list[str] = []
    layer = build_layer(spec, tmp_path, said.append)
    with zipfile.ZipFile(layer.path) as archive:
        objects = [name for name in archive.namelist() if name.endswith(".so")]
        assert objects
        assert all("darwin" in name for name in objects)
        assert {archive.read(name)[:8] for name in objects} == {b"\xcf\xfa\xed\xfe" + machine}
    assert spec.key != LayerSpec(PYTHON, architecture, packages).key
    assert any(f"it is for macOS on {architecture}" in line for line in said) or sys.platform == "darwin"


def test_digests_of_lambda_s_wheels_hold_for_lambda_alone() -> None:
    """A manifest has none of wheels for macOS."""
    digests = {"x86_64": {"joblib": "a" * 64}}
    environment = Environment(python=PYTHON, machine="x86_64", packages={"joblib": "1.6.0"}, hashes=digests)
    assert "joblib" in layer_spec(environment, "x86_64").hashes
    with layers_for(Host(MACOS, "x86_64")):
        assert layer_spec(environment, "x86_64").hashes == {}
