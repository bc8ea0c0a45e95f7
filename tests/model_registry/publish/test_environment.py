import io
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest
import uv
from sklearn.naive_bayes import GaussianNB

from model_registry import Registry, Storage
from model_registry.publish import environment
from model_registry.publish.environment import differences, from_lock, mending_command, read_lock
from model_registry.publish.estimator import describe
from model_registry.reference import VersionRef
from model_registry.versions import Versions
from model_runtime.errors import EnvironmentMismatchError, IntegrityError, PublishError
from model_runtime.manifest import Environment, digest, encode, version_key

X = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
ESTIMATOR = GaussianNB().fit(X, [0, 0, 1, 1])
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOTS = ("joblib", "scikit-learn")
INSTALLED = describe(ESTIMATOR, X).environment.packages

Lock = Callable[..., Path]


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    """Write a lock file with these lines."""

    def written(*lines: str) -> Path:
        path = tmp_path / "requirements.lock"
        path.write_text("\n".join(lines))
        return path

    return written


def pins(**changes: str) -> list[str]:
    return [f"{name}=={version}" for name, version in {**INSTALLED, **changes}.items()]


EXTENDED = """
import dill
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import StandardScaler
model = make_column_transformer((StandardScaler(), slice(0, 1))).fit([[0.0, 1.0], [2.0, 3.0]])
from model_registry.publish.pickles import pickled
print(*sorted({name.partition(".")[0] for name in pickled(model).modules}))
"""


@pytest.mark.parametrize(("program", "names"), [(EXTENDED, True), (EXTENDED.replace("import dill", ""), False)])
def test_a_package_that_pickles_in_joblib_s_place_is_the_model_s(program: str, names: bool) -> None:  # noqa: FBT001  # of pytest
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ("dill" in done.stdout.split()) is names
    assert "sklearn" in done.stdout


# -- lock files ----------------------------------------------------------------------------------------------


def test_versions_come_from_the_lock_file_and_not_from_what_is_installed(lock: Lock) -> None:
    path = lock(*pins(numpy="1.0"), "pytest==1.0")
    assert from_lock(path, ROOTS) == {**INSTALLED, "numpy": "1.0"}, "and pytest is not needed"


def test_a_lock_file_is_read_as_uv_and_pip_write_it(lock: Lock) -> None:
    path = lock(
        "# made by a tool",
        "--index-url https://example.org/simple",
        "-e .",
        "plain==1.0",
        "Under_Score[extra]==2.0  # via something",
        'marked==3.0 ; python_version >= "3.8"',
        'elsewhere==4.0 ; sys_platform == "none-such"',
        "hashed==5.0 \\",
        "    --hash=sha256:00 \\",
        "    --hash=sha256:11",
        'both==6.0 ; python_version < "3" \\',
        "    --hash=sha256:00",
        'both==6.1 ; python_version >= "3" \\',
        "    --hash=sha256:00",
        "loose>=1",
        "star==1.*",
        "url @ https://example.org/url-1.0-py3-none-any.whl",
    )
    assert read_lock(path) == {"plain": "1.0", "under-score": "2.0", "marked": "3.0", "hashed": "5.0", "both": "6.1"}


def test_the_project_s_own_lock_file_pins_what_a_model_needs() -> None:
    path = Path(__file__).parents[3] / "requirements.lock"
    assert from_lock(path, ROOTS).keys() == INSTALLED.keys()


def test_all_packages_that_a_lock_file_leaves_out_are_named(lock: Lock) -> None:
    with pytest.raises(
        PublishError, match=r"requirements\.lock does not pin numpy, scipy, which the model needs: lock"
    ):
        from_lock(lock(*[pin for pin in pins() if not pin.startswith(("numpy", "scipy"))]), ROOTS)


def test_a_lock_file_with_another_scikit_learn_than_the_one_that_pickles_is_refused(lock: Lock) -> None:
    with pytest.raises(PublishError, match=r"pins scikit-learn 0\.1, the model is pickled by"):
        from_lock(lock(*pins(**{"scikit-learn": "0.1"})), ROOTS)


def test_a_lock_file_that_contradicts_itself_or_is_not_there_is_refused(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"pins numpy to 1\.0 and to 2\.0: lock one version"):
        read_lock(lock("numpy==1.0", "numpy==2.0"))
    with pytest.raises(PublishError, match=r"cannot read the lock file .*none"):
        read_lock(tmp_path / "none")


def test_a_version_is_published_with_the_packages_of_its_lock_file(registry: Registry, lock: Lock) -> None:
    release = registry.publish(ESTIMATOR, name="iris", X_example=X, lock=lock(*pins(numpy="1.0")))
    assert release.manifest.environment.packages == {**INSTALLED, "numpy": "1.0"}
    with pytest.raises(PublishError, match=r"does not pin .*joblib, .*scikit-learn"):
        registry.publish(ESTIMATOR, name="iris", X_example=X, lock=lock("numpy==1.0"))
    assert registry.model("iris").versions == (1,)


# -- the running environment ---------------------------------------------------------------------------------


def test_the_environment_that_published_does_not_differ_from_itself_on_any_machine() -> None:
    assert differences(Environment(python=RUNNING, machine="another", packages=INSTALLED)) == []


def test_each_difference_is_told_with_both_versions() -> None:
    needed = Environment(python="3.7", machine="x86_64", packages={**INSTALLED, "numpy": "1.0", "none-such": "2.0"})
    assert differences(needed) == [
        f"Python 3.7 is needed, this is {RUNNING}",
        f"numpy 1.0 is needed, {INSTALLED['numpy']} is installed",
        "none-such 2.0 is needed, it is not installed",
    ]


def test_versions_are_compared_as_pep_440_has_it() -> None:
    packages = {"numpy": INSTALLED["numpy"] + ".0"}
    assert differences(Environment(python=RUNNING, machine="x86_64", packages=packages)) == []
    packages = {"numpy": INSTALLED["numpy"] + "+local"}
    assert len(differences(Environment(python=RUNNING, machine="x86_64", packages=packages))) == 1


def test_the_mending_command_makes_an_environment_that_does_not_differ(tmp_path: Path) -> None:
    needed = Environment(python=RUNNING, machine="x86_64", packages={"joblib": "1.5.0", "threadpoolctl": "3.5.0"})
    assert len(differences(needed)) == 2, "the versions are other ones than this environment's"
    command = mending_command(needed)
    assert command == f"uv venv --python {RUNNING} && uv pip install joblib==1.5.0 threadpoolctl==3.5.0"
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True, env=with_uv())  # noqa: S602  # people paste it into a shell
    code = "from importlib.metadata import version; print(version('joblib'), version('threadpoolctl'))"
    python = tmp_path / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "1.5.0 3.5.0\n"


def with_uv() -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # The interpreter of the tests need not be on PATH, where uv looks for one of its version.
    folders = [str(Path(program).resolve().parent) for program in (uv.find_uv_bin(), sys.executable)]
    return {**variables, "PATH": os.pathsep.join([*folders, os.environ["PATH"]])}


def test_a_version_number_cannot_run_a_command() -> None:
    needed = Environment(python="3.11; echo", machine="x86_64", packages={"a": "1 && echo"})
    assert shlex.split(mending_command(needed)) == [
        *("uv", "venv", "--python", "3.11; echo", "&&", "uv", "pip", "install", "a==1 && echo")
    ]


# -- load ----------------------------------------------------------------------------------------------------


def craft(registry: Registry, storage: Storage, *, data: bytes | None = None, **environment: Any) -> None:
    """Put a version with another environment, or other bytes, beside the first."""
    release = registry.resolve("iris/1")
    data = registry.read_model(release) if data is None else data
    artifact = msgspec.structs.replace(release.manifest.artifact, sha256=digest(data))
    needed = msgspec.structs.replace(release.manifest.environment, **environment)
    manifest = msgspec.structs.replace(release.manifest, version=2, artifact=artifact, environment=needed)
    Versions(storage).put(VersionRef("iris", 2), [("model.joblib", data)], encode(manifest))


@pytest.fixture
def published(registry: Registry) -> Registry:
    registry.publish(ESTIMATOR, name="iris", X_example=X)
    return registry


def test_a_loaded_model_answers_as_the_published_one(published: Registry) -> None:
    published.tag("iris/1", "prod")
    for address in ("iris/1", "iris@prod"):
        assert published.load(address).predict(X).tolist() == ESTIMATOR.predict(X).tolist()


def test_in_another_environment_nothing_is_loaded_unless_the_caller_insists(
    published: Registry, storage: Storage
) -> None:
    craft(published, storage, python="3.7", packages={**INSTALLED, "numpy": "1.0"})
    with pytest.raises(EnvironmentMismatchError) as raised:
        published.load("iris/2")
    assert str(raised.value) == (
        f"iris/2 cannot be loaded here (Python 3.7 is needed, this is {RUNNING}; numpy 1.0 is needed, "
        f"{INSTALLED['numpy']} is installed): run uv venv --python 3.7 && uv pip install {' '.join(pins(numpy='1.0'))}"
    )
    assert published.load("iris/2", anywhere=True).predict(X).tolist() == ESTIMATOR.predict(X).tolist()


def test_a_pickle_of_another_scikit_learn_is_never_loaded(published: Registry, storage: Storage) -> None:
    installed = INSTALLED["scikit-learn"].encode()
    data = published.read_model(published.resolve("iris/1"))
    assert installed in data
    craft(published, storage, data=data.replace(installed, b"0" * (len(installed) - 2) + b".1"))
    for anywhere in (False, True):
        with pytest.raises(EnvironmentMismatchError, match=r"iris/2 cannot be loaded here .*from version 0+\.1"):
            published.load("iris/2", anywhere=anywhere)


def test_a_module_that_is_not_here_is_an_environment_that_does_not_fit(published: Registry, storage: Storage) -> None:
    file = io.BytesIO()
    joblib.dump(GaussianNB(), file)
    data = file.getvalue().replace(b"sklearn.naive_bayes", b"sklearn.naive_none!")
    craft(published, storage, data=data)
    with pytest.raises(EnvironmentMismatchError, match=r"iris/2 cannot be loaded here \(No module named"):
        published.load("iris/2")


def test_other_bytes_are_never_unpickled(published: Registry, storage: Storage) -> None:
    file = io.BytesIO()
    joblib.dump(Explosive(), file)
    key = version_key("iris", 1, "model.joblib")
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, file.getvalue(), stored.etag)
    with pytest.raises(IntegrityError, match="do not load it"):
        published.load("iris/1", anywhere=True)
    with pytest.raises(AssertionError, match="unpickled"):
        joblib.load(io.BytesIO(file.getvalue()))


class Explosive:
    """Tells that it was unpickled."""

    def __reduce__(self) -> Any:
        return _explode, ()


def _explode() -> None:
    raise AssertionError("unpickled")


# -- what packages require -----------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make distributions of version 1.0 that require these."""

    def made(name: str, *requires: str) -> None:
        info = tmp_path / "site" / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {it}" for it in requires)]
        (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")

    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return made


def test_markers_are_evaluated_for_lambda_and_extras_followed(installed: Callable[..., None]) -> None:
    """On every machine the same: this one may be a Mac, and what it needs itself does not count."""
    installed(
        "acme",
        "part[fast] ; sys_platform == 'linux'",
        "for-windows ; sys_platform == 'win32'",
        "for-macs ; platform_system == 'Darwin'",
        "acme-plots ; extra == 'plots'",
        "nvidia-nccl-cu13 ; platform_system == 'Linux'",
    )
    installed("part", "speed ; extra == 'fast'", "slow ; extra == 'slow'", "acme")
    installed("speed")
    assert environment._closure(["acme"]) == {"acme": "1.0", "part": "1.0", "speed": "1.0"}


def test_what_is_needed_in_lambda_and_not_here_is_looked_up_for_lambda(installed: Callable[..., None]) -> None:
    """As a Mac does with what its packages require on Linux; here it is the other architecture."""
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    installed("acme", f"docstring-to-markdown==0.15 ; platform_machine == '{other}'")
    assert environment._closure(["acme"]) == {"acme": "1.0", "docstring-to-markdown": "0.15"}


def test_what_is_needed_here_and_not_installed_is_named(installed: Callable[..., None]) -> None:
    installed("acme", "no-such-thing ; sys_platform == 'linux'")
    with pytest.raises(PublishError, match="no-such-thing, which is not installed: install it"):
        environment._closure(["acme"])


def test_a_lock_file_s_markers_are_evaluated_for_lambda(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    path = lock("a==1.0 ; sys_platform == 'linux'", "a==2.0 ; sys_platform == 'darwin'", "b==1.0")
    assert read_lock(path) == {"a": "1.0", "b": "1.0"}
