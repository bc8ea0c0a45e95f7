"""Own code goes with the model, in every form in which people have it."""

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from model_registry import Registry, Storage, open_storage, own_code
from model_registry.publish import code
from model_registry.verification import verify_version
from model_runtime.errors import IntegrityError, NotFoundError, PublishError
from model_runtime.manifest import CODE_FILE, digest, version_key
from tests import installed, own
from tests.handler.environments import python_of
from tests.package_index import make_wheel

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def memory() -> Registry:
    """A registry in this process's memory, whose publishes are proven in full."""
    return Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="full")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with own.written(tmp_path) as written:
        yield written


@pytest.mark.usefixtures("folder")
def test_what_the_model_needs_is_taken_and_nothing_else(memory: Registry) -> None:
    said: list[str] = []
    release = memory.publish(own.fitted(), name="mine", X_example=own.X[:5], progress=said.append)
    found = release.manifest.code
    assert found is not None
    assert found.artifact is not None
    assert found.modules == ("own_features", "own_features._limits", "own_features.ratios", "own_steps")
    data = memory._versions.file_bytes(release, found.artifact)
    names = ["own_features/__init__.py", "own_features/_limits.py", "own_features/offsets.json"]
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == [*names, "own_features/ratios.py", "own_steps.py"]
    assert any("own code goes with the model" in line and "own_steps.py" in line for line in said)
    assert release.manifest.proof.kind == "full"
    assert str(verify_version(memory, "mine/1")).startswith("mine/1 answers 5 golden examples")


@pytest.mark.usefixtures("folder")
def test_the_same_code_gives_the_same_bytes() -> None:
    step = own.fitted().steps[0][1].func.__module__
    one, other = (code.collect([step]).zipped for _ in range(2))
    assert digest(one) == digest(other)


def test_a_model_is_loaded_where_its_own_code_is_not(memory: Registry, tmp_path: Path) -> None:
    with own.written(tmp_path):
        estimator = own.fitted()
        memory.publish(estimator, name="mine", X_example=own.X[:5], proof="none")
        expected = estimator.predict(own.X).tolist()
    assert "own_steps" not in sys.modules
    assert memory.load("mine/1").predict(own.X).tolist() == expected


def test_lambdas_and_closures_go_by_value(memory: Registry) -> None:
    shift = 3.0
    model = make_pipeline(FunctionTransformer(lambda X: np.log1p(np.abs(X)) + shift), LogisticRegression())
    release = memory.publish(model.fit(own.X, own.Y), name="closure", X_example=own.X[:5])
    assert release.manifest.code is not None
    assert (release.manifest.code.by_value, release.manifest.code.artifact) == (True, None)


SCRIPT = """
import sys
sys.path.insert(0, {project!r})
import numpy as np
from obstore.store import MemoryStore
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from model_registry import Registry, Storage

class Squares(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self
    def transform(self, X):
        return np.column_stack([X, helper(X)])

def helper(X):
    return X ** 2

X = np.arange(20.0).reshape(10, 2)
model = make_pipeline(Squares(), LogisticRegression()).fit(X, [0, 1] * 5)
registry = Registry(Storage(MemoryStore(), "memory"), actor="me", proof="full")
manifest = registry.publish(model, name="script", X_example=X[:3]).manifest
print(manifest.code.by_value, manifest.proof.kind, manifest.proof.rows)
"""


def test_what_a_script_defines_itself_goes_by_value(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT.format(project=str(PROJECT)))
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True full 3\n"), done.stderr


COMPRESSED = """
import sys
sys.path[:0] = [{project!r}, {site!r}]
from pathlib import Path
import joblib
from obstore.store import MemoryStore
from sklearn.linear_model import LogisticRegression
from model_registry import Registry, Storage
from model_registry.publish.estimator import load_file
from tests import installed, own
from tests.handler.environments import python_of

joblib.dump(LogisticRegression().fit(own.X, own.Y), "model.joblib", compress=("lz4", 3))
model = load_file(Path("model.joblib"))
registry = Registry(Storage(MemoryStore(), "memory"), actor="me", proof="full")
manifest = registry.publish(model, name="small", X_example=own.X[:3], model_file=Path("model.joblib")).manifest
print(manifest.environment.packages["lz4"], manifest.proof.kind)
"""


def test_what_reads_a_compressed_file_goes_with_it(tmp_path: Path) -> None:
    """The pickle in it names no lz4, and joblib says only what is to be installed."""
    installed.install(tmp_path / "site", "lz4==4.4.5")
    program = COMPRESSED.format(project=str(PROJECT), site=str(tmp_path / "site"))
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4.4.5 full\n"), done.stderr


CELLS = [
    """
import sys
sys.path[:0] = [{project!r}, {packages!r}]
""",
    """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from model_registry import Registry, open_storage
from own_beside import shifted

class Squares(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self
    def transform(self, X):
        return np.column_stack([X, squared(X)])
""",
    """
def squared(X):
    return X ** 2

X = np.arange(20.0).reshape(10, 2)
model = make_pipeline(FunctionTransformer(shifted), Squares(), LogisticRegression()).fit(X, [0, 1] * 5)
registry = Registry(open_storage("./models"), actor="me", proof="full")
release = registry.publish(model, name="notebook", X_example=X[:3])
""",
]
RUN = """
import sys, nbclient, nbformat
cells = [nbformat.v4.new_code_cell(cell) for cell in sys.argv[1:]]
nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), kernel_name="python3").execute()
"""


def test_what_a_notebook_defines_goes_by_value_and_the_module_beside_it_as_code(tmp_path: Path) -> None:
    (tmp_path / "own_beside.py").write_text("def shifted(X):\n    return X + 1\n")
    python = python_of(Path(__file__).parent / "notebook.txt")
    packages = sysconfig.get_path("purelib")
    cells = [cell.format(project=str(PROJECT), packages=packages) if not at else cell for at, cell in enumerate(CELLS)]
    variables = {**os.environ, "IPYTHONDIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    command = [str(python), "-c", RUN, *cells]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = Registry(open_storage(str(tmp_path / "models")), actor="me").resolve("notebook/1").manifest
    assert manifest.code is not None
    assert (manifest.code.by_value, manifest.code.modules) == (True, ("own_beside",))
    assert (manifest.proof.kind, manifest.proof.rows) == ("full", 3)


def test_a_module_that_only_predicting_imports_is_found(memory: Registry, tmp_path: Path) -> None:
    """By reading the source; and by the proof, where only running it tells."""
    (tmp_path / "own_late.py").write_text("SHIFT = 2.0\n")
    (tmp_path / "own_hidden.py").write_text("SHIFT = 2.0\n")
    source = """
        import importlib

        def shifted(X):
            from own_late import SHIFT
            return X + SHIFT + importlib.import_module("own_" + "hidden").SHIFT
    """
    (tmp_path / "own_steps.py").write_text(textwrap.dedent(source))
    with own.written(tmp_path / "other"):
        sys.path.insert(0, str(tmp_path))
        sys.modules.pop("own_steps", None)
        import own_steps  # type: ignore[import-not-found]  # made above

        model = make_pipeline(FunctionTransformer(own_steps.shifted), LogisticRegression()).fit(own.X, own.Y)
        release = memory.publish(model, name="late", X_example=own.X[:3])
        sys.path.remove(str(tmp_path))
    assert release.manifest.code is not None
    assert release.manifest.code.modules == ("own_hidden", "own_late", "own_steps")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own_features/_limits.py", "LARGEST = (\n", "own_features._limits, and _limits.py cannot be read as Python"),
        ("own_features/server.pem", "", "own_features/server.pem, which looks like a credential: move it out"),
        ("own_features/_limits.py", "LARGEST = 3.0\nKEY = 'AKIAABCDEFGHIJKLMNOP'\n", "looks like a credential"),
        ("own_features/_limits.py", f"LARGEST = 3.0\nKEY = 'ghp_{'a' * 36}'\n", "whose line 2 looks like a credential"),
        (
            "own_features/_fast.cpython-311-darwin.so",
            "",
            "the compiled file own_features/_fast.cpython-311-darwin.so: ",
        ),
        ("own_features/table.bin", "x" * 10_000_001, r"10,\d+,\d+ bytes, more than 10,000,000 \(the largest: own_feat"),
    ],
)
def test_code_that_cannot_go_is_refused_in_one_line(
    memory: Registry, folder: Path, name: str, content: str, message: str
) -> None:
    model = own.fitted()
    (folder / name).write_text(content)
    with pytest.raises(PublishError, match=message) as caught:
        memory.publish(model, name="mine", X_example=own.X[:5], proof="none")
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFoundError):
        memory.model("mine")


def _deleted(folder: Path) -> dict[str, Any]:
    (folder / "own_steps.py").unlink()
    return {}


def _deleted_with_its_folder(folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder / "own_features")
    return {}


def _oversized(folder: Path) -> dict[str, Any]:
    with (folder / "own_features" / "rows.bin").open("wb") as file:
        file.truncate(3_000_000_000)
    return {"code": [folder / "own_features"]}


def _not_to_be_taken(_folder: Path) -> dict[str, Any]:
    return {"code": False}


def _path_of_modules(folder: Path) -> dict[str, Any]:
    return {"code": [folder]}


BAD: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "deleted": (
        _deleted,
        r"own_steps, and its file .*own_steps\.py cannot be read \(No such file or directory\): put it",
    ),
    "a folder deleted": (_deleted_with_its_folder, r"own_features, and its file .*__init__\.py cannot be read"),
    "larger than a function": (
        _oversized,
        r"3,000,000,\d+ bytes, more than 262,144,000 \(the largest: own_features/rows",
    ),
    "not to be taken": (_not_to_be_taken, r"needs own_steps, own code that must not be taken: leave out `--no-code`"),
    "where modules are found": (_path_of_modules, "is where modules are found and no package: name the modules and"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_cannot_go_is_refused_in_one_line(memory: Registry, folder: Path, name: str) -> None:
    spoil, message = BAD[name]
    model = own.fitted()
    with pytest.raises(PublishError, match=message) as caught:
        memory.publish(model, name="mine", X_example=own.X[:5], proof="none", **spoil(folder))
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFoundError):
        memory.model("mine")


def test_what_a_module_without_a_file_defines_is_refused(memory: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_dynamic")
    exec("def shifted(X):\n    return X + 1\n", module.__dict__)  # noqa: S102  # as what runs a cell or a template does
    monkeypatch.setitem(sys.modules, "own_dynamic", module)
    model = make_pipeline(FunctionTransformer(module.shifted), LogisticRegression()).fit(own.X, own.Y)
    with pytest.raises(PublishError, match="needs own_dynamic, and there is no file of it here: define what it has in"):
        memory.publish(model, name="mine", X_example=own.X[:5], proof="none")


def test_folders_that_contain_themselves_and_modules_that_import_each_other_end(memory: Registry, folder: Path) -> None:
    features = folder / "own_features"
    (features / "_limits.py").write_text("import own_steps\nLARGEST = 3.0\n")
    (features / "again").symlink_to(features)
    (features / "loop").symlink_to("loop")
    model = own.fitted()
    release = memory.publish(model, name="mine", X_example=own.X[:5], proof="none", code=[features])
    assert "own_features/_limits.py" in memory.own_code(release)


def test_a_file_that_two_distributions_have_installed_is_of_neither(memory: Registry, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, name, "1.0", {"own_both.py": installed.step(1.0)}) for name in ("one", "two")]
    site = tmp_path / "site"
    installed.install(site, *wheels)
    sys.path.insert(0, str(site))
    try:
        model = installed.fitted("own_both")
        with pytest.raises(PublishError, match="needs own_both, whose file one and two have both installed: uninstall"):
            memory.publish(model, name="mine", X_example=own.X[:5], proof="none")
        shutil.rmtree(site)
        installed.install(site, wheels[0])
        release = memory.publish(model, name="mine", X_example=own.X[:5], proof="none")
    finally:
        sys.path.remove(str(site))
        sys.modules.pop("own_both", None)
    assert release.manifest.environment.packages["one"] == "1.0"


def test_paths_are_taken_whole_and_without_a_limit(memory: Registry, folder: Path) -> None:
    (folder / "own_features" / "table.bin").write_bytes(b"x" * 10_000_001)
    paths = [folder / "own_features", folder / "own_steps.py"]
    release = memory.publish(own.fitted(), name="mine", X_example=own.X[:5], proof="none", code=paths)
    names = list(memory.own_code(release))
    assert "own_features/table.bin" in names
    assert not any("tests" in name or ".env" in name or "ipynb" in name for name in names)


def test_a_path_that_is_not_there_is_named(memory: Registry, folder: Path) -> None:
    with pytest.raises(PublishError, match=r"there is no .*nowhere: name a Python file or a package folder"):
        memory.publish(own.fitted(), name="mine", X_example=own.X[:5], proof="none", code=[folder / "nowhere"])


def zip_of(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\evil.py"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "")
    with pytest.raises(IntegrityError, match="mine/1 has a file outside its folder"):
        own_code.unpack(buffer.getvalue(), what="mine/1", cache=tmp_path)
    assert list(tmp_path.rglob("evil.py")) == []


def test_bytes_that_are_not_a_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="the own code of mine/1 is not a zip"):
        own_code.unpack(b"PK", what="mine/1", cache=tmp_path)


@pytest.mark.usefixtures("folder")
def test_changed_code_is_not_loaded(memory: Registry) -> None:
    memory.publish(own.fitted(), name="mine", X_example=own.X[:5], proof="none")
    storage: Any = memory._versions._storage
    key = version_key("mine", 1, CODE_FILE)
    storage.delete(key)
    storage.create(key, zip_of(own_steps="raise SystemExit"))
    with pytest.raises(IntegrityError, match=r"code\.zip of mine/1 has SHA-256"):
        memory.load("mine/1")
