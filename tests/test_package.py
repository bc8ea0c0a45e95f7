"""The wheel that users install: it is built, installed elsewhere, run and type-checked from outside the project."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import uv

from model_registry.folder import FolderStorage
from tests.model_registry.processes import add
from tests.structure import ROOT

CALLER = """
from model_registry import Registry, Storage
from model_runtime.manifest import Manifest

registry = Registry(Storage.open("s3://models"), actor="a caller")
reveal_type(registry)
reveal_type(registry.resolve("iris/1").manifest)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and this one's packages beside it; the project's folder is not in its path."""
    folder = tmp_path_factory.mktemp("package")
    wheels = folder / "wheels"
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels), cwd=ROOT)
    (wheel,) = wheels.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment)
    python = str(environment / "bin" / "python")
    run(
        uv.find_uv_bin(),
        "pip",
        "install",
        "--no-deps",
        "--offline",
        "--no-index",
        "--python",
        python,
        str(wheel),
        cwd=folder,
    )
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "packages-of-the-tests.pth").write_text(sysconfig.get_path("purelib"))
    return environment


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def checked(environment: Path, folder: Path, program: str) -> str:
    """What mypy says of a program that uses the installed package."""
    (folder / "caller.py").write_text(program)
    python = str(environment / "bin" / "python")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", python, "caller.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_the_installed_command_runs(environment: Path, tmp_path: Path) -> None:
    assert "publish" in run(str(environment / "bin" / "model-registry"), "--help", cwd=tmp_path)
    found = run(
        str(environment / "bin" / "python"), "-c", "import model_registry as m; print(m.__file__)", cwd=tmp_path
    )
    assert Path(found.strip()).is_relative_to(environment)


def test_callers_see_the_types_of_the_package(environment: Path, tmp_path: Path) -> None:
    """Without `py.typed`, `Registry` would be Any and each mistake of a caller fine."""
    said = checked(environment, tmp_path, CALLER)
    assert 'Revealed type is "model_registry.registry.Registry"' in said
    assert 'Revealed type is "model_runtime.manifest.Manifest"' in said
    assert "error" not in said

    said = checked(environment, tmp_path, CALLER + 'registry.publish(1, nmae="iris")\nregistry.resolve(1)\n')
    assert 'Unexpected keyword argument "nmae"' in said
    assert 'Argument 1 to "resolve" of "Registry" has incompatible type "int"' in said


PUBLISHER = """
import numpy as np
from obstore.store import MemoryStore
from sklearn.linear_model import LogisticRegression

from model_registry import Registry, Storage

X = np.arange(8.0).reshape(4, 2)
registry = Registry(Storage(MemoryStore(), "memory"), actor="a caller", proof="process")
manifest = registry.publish(LogisticRegression().fit(X, [0, 0, 1, 1]), name="made", X_example=X).manifest
print(manifest.reference, manifest.proof.kind, manifest.proof.rows)
"""


def test_an_installed_package_proves_what_it_publishes(environment: Path, tmp_path: Path) -> None:
    """The function's own code is in the wheel, as a proof runs it."""
    (tmp_path / "publisher.py").write_text(PUBLISHER)
    printed = run(str(environment / "bin" / "python"), "publisher.py", cwd=tmp_path)
    assert printed == "made/1 process 4\n"


MOVED = """
import sys
from typer.testing import CliRunner
from model_registry.cli import app

commands = ("list", "tag iris/1 prod", "promote iris --version 2 --to prod", "rollback iris@prod", "resolve iris@prod",
            "history iris@prod", "show iris/1", "doctor", "verify iris/1 --quick", "download iris/1 --to there")
for command in commands:
    done = CliRunner().invoke(app, [*command.split(), "--bucket", "./models"])
    assert done.exit_code == 0, (command, done.stderr)
refused = CliRunner().invoke(app, "publish m.joblib -n iris -x rows.json --bucket ./models".split())
print(refused.stderr.strip())
assert not {"numpy", "sklearn", "scipy", "joblib"} & sys.modules.keys()
"""
MOST_MEGABYTES = 90


def test_moving_a_tag_needs_neither_scikit_learn_nor_scipy(environment: Path, tmp_path: Path) -> None:
    """As in a pipeline: what `pip install` without an extra brings, and how much that is."""
    (wheel,) = (environment.parent / "wheels").glob("*.whl")
    venv.create(tmp_path / "bare")
    python = str(tmp_path / "bare" / "bin" / "python")
    run(uv.find_uv_bin(), "pip", "install", "--python", python, str(wheel), cwd=tmp_path)
    (site,) = (tmp_path / "bare").glob("lib/python*/site-packages")
    assert not [one for one in ("numpy", "scipy", "sklearn", "joblib", "uv") if (site / one).exists()]
    megabytes = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6
    assert megabytes < MOST_MEGABYTES
    storage = FolderStorage(tmp_path / "models")
    for data in (b"1", b"2"):
        add(storage, "iris", data)
    (tmp_path / "mover.py").write_text(MOVED)
    said = run(python, "mover.py", cwd=tmp_path)
    assert said == "error: this needs numpy: `pip install 'sklearn-on-lambda[publish]'`\n"
