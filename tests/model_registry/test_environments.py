"""Environments from exact pins: made once, whole or not at all. Real uv, wheels made here."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_registry import uv
from model_registry.environments import RUNNING, environment_for, find_interpreter
from model_runtime.errors import EnvironmentBuildError, InterpreterNotFoundError
from tests.package_index import make_wheel

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only source of packages: `one`, which requires `two`, and `two`."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "one", "1.0", {"one.py": "WHICH = 'from the index'\n"}, requires=["two"])
    make_wheel(folder, "two", "1.0", {"two.py": ""})
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return folder


def run(python: Path, program: str) -> str:
    return subprocess.check_output([python, "-I", "-c", program], text=True).strip()


def test_an_environment_has_its_packages_and_nothing_else(wheels: Path, tmp_path: Path) -> None:
    """Not even what they require: the pins are complete, or the proof is to fail."""
    said: list[str] = []
    python = environment_for({"One": "1.0"}, RUNNING, cache=tmp_path / "envs", progress=said.append)
    found = run(python, "import importlib.metadata as m; print([d.name for d in m.distributions()])")
    assert found == "['one']"
    assert run(python, "import sys; print(sys.version_info[:2])") == str(sys.version_info[:2])
    assert said == [f"making an environment with Python {RUNNING}", "installing 1 package"]
    assert wheels.is_dir()


@pytest.mark.usefixtures("wheels")
def test_the_second_use_finds_it_and_needs_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment_for({"one": "1.0", "two": "1.0"}, RUNNING, cache=tmp_path / "envs")
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    assert (
        environment_for({"Two": "1.0", "One": "1.0"}, RUNNING, cache=tmp_path / "envs", progress=said.append) == first
    )
    assert said == []


def test_each_input_makes_another(wheels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    own = make_wheel(folder, "one", "1.0", {"one.py": "WHICH = 'own'\n"})
    plain = environment_for({"one": "1.0"}, RUNNING, cache=tmp_path / "envs")
    more = environment_for({"one": "1.0", "two": "1.0"}, RUNNING, cache=tmp_path / "envs")
    given = environment_for({"one": "1.0"}, RUNNING, wheels=[own], cache=tmp_path / "envs")
    assert [run(python, "import one; print(one.WHICH)") for python in (plain, given)] == ["from the index", "own"]
    own.unlink()
    make_wheel(folder, "one", "1.0", {"one.py": "WHICH = 'changed'\n"})
    changed = environment_for({"one": "1.0"}, RUNNING, wheels=[own], cache=tmp_path / "envs")
    assert run(changed, "import one; print(one.WHICH)") == "changed"
    assert len({plain, more, given, changed}) == 4
    assert wheels.is_dir()


@pytest.mark.usefixtures("wheels")
def test_a_failed_or_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"(?s)uv says: .*one==2\.0"):
        environment_for({"one": "2.0"}, RUNNING, cache=tmp_path / "envs")

    def interrupt(line: str) -> None:
        if line.startswith("installing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        environment_for({"one": "1.0"}, RUNNING, cache=tmp_path / "envs", progress=interrupt)
    assert list((tmp_path / "envs").iterdir()) == []


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"evil @ https://a.example/evil.whl": "1.0"}, "name is invalid.*one exact version"),
        ({"--index-url": "1.0"}, "name is invalid"),
        ({"one": "1.0 --hash=x"}, "Invalid version"),
        ({"one": ">=1"}, "Invalid version"),
    ],
)
def test_a_name_or_a_version_cannot_be_a_url_or_an_option(packages: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=said):
        environment_for(packages, RUNNING, cache=tmp_path)


def test_a_file_that_is_not_a_wheel_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"one\.tar\.gz is not a wheel .*: name a \.whl file"):
        environment_for({}, RUNNING, wheels=[tmp_path / "one.tar.gz"], cache=tmp_path)


@pytest.mark.usefixtures("wheels")
def test_an_environment_whose_python_is_gone_is_built_again(tmp_path: Path) -> None:
    python = environment_for({"one": "1.0"}, RUNNING, cache=tmp_path / "envs")
    python.unlink()
    python.symlink_to(tmp_path / "removed")
    assert environment_for({"one": "1.0"}, RUNNING, cache=tmp_path / "envs") == python
    assert run(python, "import one; print(one.WHICH)") == "from the index"


@pytest.mark.usefixtures("wheels")
def test_several_processes_at_once_get_the_same_whole_environment(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from model_registry.environments import *;"
        "print(environment_for({'one': '1.0'}, RUNNING, cache=Path(sys.argv[1])))"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "envs")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    found = {builder.communicate()[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    (python,) = map(Path, found)
    assert run(python, "import one; print(one.WHICH)") == "from the index"
    assert [path.name for path in (tmp_path / "envs").iterdir()] == [python.parents[1].name]


@pytest.mark.usefixtures("wheels")
def test_what_nobody_used_for_a_month_is_removed_when_another_is_built(tmp_path: Path) -> None:
    cache = tmp_path / "envs"
    old, used = (environment_for({name: "1.0"}, RUNNING, cache=cache) for name in ("one", "two"))
    for python in (old, used):
        os.utime(python.parents[1], (time.time() - 31 * 24 * 3600,) * 2)
    assert environment_for({"two": "1.0"}, RUNNING, cache=cache) == used
    environment_for({"one": "1.0", "two": "1.0"}, RUNNING, cache=cache)
    assert (old.exists(), used.exists()) == (False, True)


def test_a_uv_that_installs_another_version_is_refused(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel whose file name is not true, for example: nothing that a user can configure does that."""
    make_wheel(wheels, "one", "0.9", {"one.py": ""})
    install = uv.install
    monkeypatch.setattr(
        uv, "install", lambda words, lines, **_: install(words, [line.replace("==1.0", "==0.9") for line in lines])
    )
    with pytest.raises(EnvironmentBuildError, match=r"other packages than asked for, these differ: one 0\.9, one 1\.0"):
        environment_for({"one": "1.0"}, RUNNING, cache=tmp_path / "envs")


def test_a_python_that_is_not_here_is_named_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InterpreterNotFoundError, match=r"no Python 3\.99 .*run `uv python install 3\.99`"):
        find_interpreter("3.99")
    with pytest.raises(EnvironmentBuildError, match=r"uv says: .*3\.99"):
        environment_for({}, "3.99", cache=tmp_path)
