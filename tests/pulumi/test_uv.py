"""`toolchain: uv`, which only Pulumi's own host of Python programs reads: docs/pulumi.md."""

import os
import shutil
from pathlib import Path

import pytest
from uv import find_uv_bin

from aws_check import engine
from local.iris import PROJECT
from model_registry import Registry
from tests.pulumi.conftest import BUCKET
from tests.pulumi.stacks import Project
from tests.pulumi.ways import TEMPLATE
from tests.wheel import build_wheel

SOURCES = (".ci", "LICENSE", "README.md", "local", "pyproject.toml", "sklearn_on_lambda")
"""What an installation of this repository reads beside what a deployment does."""
pytestmark = pytest.mark.soak


@pytest.fixture
def variables(project: Project, models: Registry, tmp_path: Path) -> dict[str, str]:
    """With Pulumi's host and uv first on PATH, and none of the packages of the tests."""
    host = shutil.which("pulumi-language-python")
    if host is None:
        pytest.skip("pulumi-language-python is not on PATH: it comes with the Pulumi CLI, and from no registry")
    models.tag("iris/1", "dev")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pulumi-language-python").symlink_to(Path(host).resolve())
    (tools / "uv").symlink_to(find_uv_bin())
    return {**project.environment, "PATH": f"{tools}{os.pathsep}{project.environment['PATH']}"}


def deploy(project: engine.Project) -> None:
    """Make a stack, deploy it and remove it again."""
    project.pulumi("stack", "init", "by-uv")
    for key, value in {"registryBucket": BUCKET, "model": "iris", "tag": "dev", "aws:region": "us-east-1"}.items():
        project.pulumi("config", "set", key, value)
    said = project.pulumi("up", "--yes", "--skip-preview")
    assert "iris@dev: new, version 1" in said
    assert (project.folder / "uv.lock").exists()
    assert list(project.folder.glob("*venv/bin/python"))
    project.pulumi("destroy", "--yes", "--skip-preview")


def test_a_project_of_the_template_has_its_packages_by_uv(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    address = build_wheel(tmp_path / "wheels").as_uri()
    served = engine.Project(tmp_path / "served", {**variables, "SKLEARN_ON_LAMBDA": address})
    new = ("new", str(TEMPLATE), "--yes", "--name", "by-uv", "--description", "Ours", "--generate-only")
    served.pulumi(*new, "--runtime-options", "toolchain=uv")
    # Not by `new`, which would have Pulumi's server give it the provider of AWS.
    served.pulumi("install", "--no-plugins")
    deploy(served)


def test_a_fork_of_this_repository_has_its_packages_by_uv(variables: dict[str, str], tmp_path: Path) -> None:
    """One word in Pulumi.yaml, and nothing is installed before."""
    fork = tmp_path / "fork"
    engine.copy_project(fork)
    (fork / ".venv").unlink()
    for name in SOURCES:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, fork / name)
        else:
            shutil.copy(PROJECT / name, fork / name)
    settings = (fork / "Pulumi.yaml").read_text()
    assert "toolchain: pip" in settings
    (fork / "Pulumi.yaml").write_text(settings.replace("toolchain: pip", "toolchain: uv"))
    deploy(engine.Project(fork, variables))
