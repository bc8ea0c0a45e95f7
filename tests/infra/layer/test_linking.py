"""What a layer's shared objects link to. Real wheels, of both architectures; they are read, not loaded."""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NoReturn

import pytest

from infra.layer.build import build_layer
from infra.layer.importing import import_all, top_level_modules, why_not_here
from model_registry.environments import find_interpreter
from model_registry.lambda_packages.errors import LinkingError
from model_registry.lambda_packages.install import pip_install
from model_registry.lambda_packages.installed import owners
from model_registry.lambda_packages.linking import supplements
from model_registry.lambda_packages.platform import Runtime, runtime_for
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.errors import InterpreterNotFoundError

# LightGBM's wheels need a newer glibc than the image of Python 3.11 has.
PYTHON = "3.12" if sys.version_info < (3, 12) else f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "x86_64")
LIGHTGBM, SKLEARN = ("lightgbm", "4.7.0"), ("scikit-learn", "1.9.1")
ALL = (
    *(LIGHTGBM, SKLEARN, ("numpy", "2.5.5"), ("scipy", "1.18.1"), ("joblib", "1.6.0"), ("threadpoolctl", "3.8.0")),
    *(("narwhals", "2.29.0"), ("cloudpickle", "3.1.3")),
)
OPENMP = "libgomp.so.1"

TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
import lightgbm
from sklearn.ensemble import HistGradientBoostingClassifier
X = [[i % 7, i % 3] for i in range(200)]
y = [i % 2 for i in range(200)]
for model in (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1), HistGradientBoostingClassifier(max_iter=3)):
    print(len(model.fit(X, y).predict(X)))
"""


class Tree:
    """Packages installed for Lambda."""

    def __init__(self, folder: Path, architecture: str, packages: tuple[tuple[str, str], ...]) -> None:
        outcome = pip_install([f"{n}=={v}" for n, v in packages], folder, runtime_for("3.12"), architecture)
        assert outcome.ok, outcome.tail
        self.owner = owners(folder, packages)
        self.files = {name: folder / name for name in self.owner}

    def supplements(self, runtime: Runtime) -> dict[str, Path]:
        return supplements(self.files, runtime, self.owner)


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"), request.param, (LIGHTGBM, SKLEARN))


def test_lightgbm_gets_the_openmp_runtime_of_scikit_learns_wheel(tree: Tree) -> None:
    added = tree.supplements(runtime_for("3.12"))
    assert added.keys() == {OPENMP}
    assert added[OPENMP].parent.name == "scikit_learn.libs"


def test_without_a_copy_the_message_names_object_library_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(LinkingError) as caught:
        Tree(tmp_path, "arm64", (LIGHTGBM,)).supplements(runtime_for("3.12"))
    assert str(caught.value) == (
        "lightgbm cannot be loaded in Lambda: lightgbm/lib/lib_lightgbm.so needs libgomp.so.1, which neither the layer "
        "nor python3.12 (Amazon Linux 2023, glibc 2.34) has; add scikit-learn to the model's packages, whose wheel "
        "has a copy"
    )


def test_an_object_that_is_too_new_for_the_image_is_named_with_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(LinkingError) as caught:
        Tree(tmp_path, "x86_64", (LIGHTGBM, SKLEARN)).supplements(runtime_for("3.11"))
    assert str(caught.value).splitlines()[0] == (
        "lightgbm cannot be loaded in Lambda: lightgbm/lib/lib_lightgbm.so needs GLIBC_2.27, for which python3.11 "
        "(Amazon Linux 2, glibc 2.26) is too old; train with an earlier release of it, or with a Python whose runtime "
        "has a newer system"
    )


def cannot(reason: str) -> NoReturn:
    """Skip, and say why; CI must be able to."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def hidden() -> tuple[str, ...]:
    """The start of a command that runs without this machine's libgomp, in its own mount namespace."""
    names = [path for folder in ("/lib", "/usr/lib") for path in Path(folder).glob(f"*/{OPENMP}")]
    names += [path for folder in ("/lib64", "/usr/lib64") for path in Path(folder).glob(OPENMP)]
    mounts = [f"mount --bind /dev/null {path}" for path in {path.resolve() for path in names}]
    command = ("unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh")
    if not mounts:
        return ()
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        cannot("libgomp cannot be hidden here: unshare --mount and mount --bind are not allowed")
    return command


@pytest.fixture(scope="module")
def interpreter() -> str:
    reason = why_not_here(runtime_for(PYTHON), ARCHITECTURE)
    try:
        found = find_interpreter(PYTHON)
    except InterpreterNotFoundError as error:
        reason = str(error)
        found = ""
    return cannot(reason) if reason is not None else found


def test_every_package_of_a_lightgbm_layer_imports_and_trains_where_there_is_no_libgomp(
    tmp_path: Path, interpreter: str, hidden: tuple[str, ...]
) -> None:
    """As in Lambda's image."""
    layer = build_layer(LayerSpec(PYTHON, ARCHITECTURE, ALL), tmp_path / "layers")
    runtime, opt = runtime_for(PYTHON), tmp_path / "opt"
    with zipfile.ZipFile(layer.path) as archive:
        files = [name.removeprefix(f"{runtime.site_packages}/") for name in archive.namelist()]
    assert f"lib/{OPENMP}" in files
    modules = top_level_modules({name: name for name in files})
    assert {"lightgbm", "sklearn", "numpy", "scipy", "joblib", "threadpoolctl", "narwhals"} <= modules.keys()
    import_all(layer.path, opt, runtime, interpreter=interpreter, modules=modules, command=hidden)

    def train(libraries: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*hidden, interpreter, "-I", "-S", "-W", "ignore", "-c", TRAIN, str(opt / runtime.site_packages)],
            env={"LD_LIBRARY_PATH": str(libraries), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    assert train(opt / "lib").stdout.split() == ["200", "200"]
    without = train(tmp_path)
    assert without.returncode != 0, "libgomp was not hidden"
    assert OPENMP in without.stderr
