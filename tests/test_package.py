"""The wheel that users install: it is built, installed elsewhere, run and type-checked from outside the project."""

import json
import subprocess
import sys
import sysconfig
import venv
from collections import Counter
from pathlib import Path

import pytest
import uv

from model_registry.folder import FolderStorage
from model_registry.shipping import function_files
from tests.model_registry.processes import add
from tests.wheel import build_wheel

CALLER = """
from sklearn_on_lambda import Registry, Storage

registry = Registry(Storage.open("s3://models"), actor="a caller")
reveal_type(registry)
reveal_type(registry.resolve("iris/1").manifest)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and this one's packages beside it; the project's folder is not in its path."""
    folder = tmp_path_factory.mktemp("package")
    wheel = build_wheel(folder / "wheels")
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
    assert "publish" in run(str(environment / "bin" / "sklearn-on-lambda"), "--help", cwd=tmp_path)
    python = str(environment / "bin" / "python")
    found = run(python, "-c", "import sklearn_on_lambda as m; print(m.Registry.__module__, m.__file__)", cwd=tmp_path)
    module, file = found.split()
    assert module == "sklearn_on_lambda.model_registry.registry"
    assert Path(file).is_relative_to(environment)


def test_the_wheel_has_one_name_of_ours(environment: Path) -> None:
    """A team has folders `infra` and `handler` of its own, and Kubeflow's client is `model_registry`."""
    (site,) = environment.glob("lib/python*/site-packages")
    (record,) = site.glob("sklearn_on_lambda-*.dist-info/RECORD")
    names = {line.split("/")[0] for line in record.read_text().splitlines() if not line.startswith("..")}
    assert {name.partition("-")[0] for name in names} == {"sklearn_on_lambda"}


def test_what_lambda_gets_is_the_same_from_the_wheel_and_from_the_repository(environment: Path, tmp_path: Path) -> None:
    program = (
        "import json; from sklearn_on_lambda.model_registry.shipping import function_files as f; "
        "print(json.dumps({name: path.read_text() for name, path in f().items()}))"
    )
    installed = run(str(environment / "bin" / "python"), "-c", program, cwd=tmp_path)
    ours = {name: path.read_text(encoding="utf-8") for name, path in function_files().items()}
    assert json.loads(installed) == ours


VERIFIER = """
import shutil
from pathlib import Path
from sklearn_on_lambda.infra.verifier_code import code_files, commands

for name, path in code_files().items():
    Path("code", name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, Path("code", name))
print(commands()["build"][0])
"""


def test_what_the_installed_package_verifies_with_runs_by_itself(environment: Path, tmp_path: Path) -> None:
    """As a build has it: its code in a folder, and the packages of its lock, which are here those of the tests."""
    command = run(str(environment / "bin" / "python"), "-c", VERIFIER, cwd=tmp_path).split()
    assert command == [".verifier/bin/python", "-m", "sklearn_on_lambda.model_registry.verifier"]
    check = "import sys; from sklearn_on_lambda.model_registry import shipping; print(shipping.__file__, end=' '); "
    check += "print(*shipping.layer_packages({'joblib': '1'}))"
    place, *packages = run(sys.executable, "-c", check, cwd=tmp_path / "code").split()
    assert Path(place).is_relative_to(tmp_path)
    assert {"joblib", "msgspec"} <= set(packages)
    started = [sys.executable, *command[1:]]
    done = subprocess.run(started, cwd=tmp_path / "code", capture_output=True, text=True, check=False)
    assert (done.returncode, "'' is not a version reference" in done.stdout) == (1, True), done.stderr


NEIGHBOURS = """
import sys
from sklearn_on_lambda import Registry, open_storage
import model_registry
from model_registry.utils import s3_uri_from

registry = Registry(open_storage("./models"), actor="a caller")
print(model_registry.ModelRegistry.__module__, s3_uri_from("iris", "models", endpoint="e", region="r"))
print(*(model.name for model in registry.models()), Registry.__module__)
"""


def test_kubeflows_client_and_this_package_work_in_one_environment(environment: Path, tmp_path: Path) -> None:
    """Neither has a file of the other's, and both answer in one process."""
    (wheel,) = (environment.parent / "wheels").glob("*.whl")
    venv.create(tmp_path / "both")
    python = str(tmp_path / "both" / "bin" / "python")
    for one in (str(wheel), "model-registry==0.3.18"):
        run(uv.find_uv_bin(), "pip", "install", "--python", python, one, cwd=tmp_path)
    (site,) = (tmp_path / "both").glob("lib/python*/site-packages")
    records = [record.read_text().splitlines() for record in site.glob("*.dist-info/RECORD")]
    files = Counter(line.split(",")[0] for lines in records for line in lines)
    assert [file for file, owners in files.items() if owners > 1] == []
    add(FolderStorage(tmp_path / "models"), "iris", b"1")
    (tmp_path / "neighbours.py").write_text(NEIGHBOURS)
    theirs, ours = run(python, "neighbours.py", cwd=tmp_path).splitlines()
    assert theirs == "model_registry._client s3://models/iris?endpoint=e&defaultRegion=r"
    assert ours == "iris sklearn_on_lambda.model_registry.registry"
    listed = run(str(tmp_path / "both" / "bin" / "sklearn-on-lambda"), "list", "--bucket", "./models", cwd=tmp_path)
    assert "iris" in listed


def test_callers_see_the_types_of_the_package(environment: Path, tmp_path: Path) -> None:
    """Without `py.typed`, `Registry` would be Any and each mistake of a caller fine."""
    said = checked(environment, tmp_path, CALLER)
    assert 'Revealed type is "sklearn_on_lambda.model_registry.registry.Registry"' in said
    assert 'Revealed type is "sklearn_on_lambda.model_runtime.manifest.Manifest"' in said
    assert "error" not in said

    said = checked(environment, tmp_path, CALLER + 'registry.publish(1, nmae="iris")\nregistry.resolve(1)\n')
    assert 'Unexpected keyword argument "nmae"' in said
    assert 'Argument 1 to "resolve" of "Registry" has incompatible type "int"' in said


PUBLISHER = """
import numpy as np
from obstore.store import MemoryStore
from sklearn.linear_model import LogisticRegression

from sklearn_on_lambda import Registry, Storage

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
from sklearn_on_lambda.model_registry.cli import app

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
