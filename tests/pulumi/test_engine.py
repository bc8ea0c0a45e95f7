"""Where the engine comes from."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.go_programs import ProgramNotFoundError
from tests.pulumi.conftest import engine_or_skip
from tests.pulumi.engine import MODULE, find_engine, pinned_version

FAKE_GO = """#!/bin/sh
echo run >> "{log}"
while [ "$1" != -o ]; do shift; done
echo a-package >&2
sleep 0.3
{end}
"""


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with neither Pulumi nor Go nor a cache; programs put into the folder are on PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tools


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def _go(tools: Path, end: str) -> Path:
    """Put a Go on PATH that notes its calls, and ends as said; `$2` is where the engine belongs."""
    log = tools / "calls"
    path = os.pathsep.join(["/bin", "/usr/bin"])
    _program(tools / "go", FAKE_GO.format(log=log, end=end).replace("#!/bin/sh", f"#!/bin/sh\nPATH={path}"))
    return log


def test_the_one_on_path_is_taken_if_it_is_new_enough(nothing: Path) -> None:
    on_path = _program(nothing / "pulumi", "#!/bin/sh\necho v3.259.0\n")
    assert find_engine(print) == on_path
    _program(on_path, "#!/bin/sh\necho v3.10.0\n")
    with pytest.raises(ProgramNotFoundError):
        find_engine(print)


def test_without_pulumi_and_go_the_reason_names_both(nothing: Path) -> None:  # noqa: ARG001  # it empties PATH
    with pytest.raises(ProgramNotFoundError, match=r"Neither Pulumi 3\.200 or newer nor Go is on PATH"):
        find_engine(print)


def test_it_is_built_once_however_many_want_it(nothing: Path) -> None:
    said: list[str] = []
    calls = _go(nothing, 'echo engine > "$2"')
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(find_engine, [said.append] * 3))
    (engine,) = found
    assert engine.read_text() == "engine\n"
    assert calls.read_text() == "run\n"
    assert "once: about 4 minutes" in said[0]
    assert sorted(path.name for path in engine.parent.iterdir()) == [".lock", "pulumi"]


def test_a_failed_build_says_what_go_said_and_leaves_nothing(nothing: Path, tmp_path: Path) -> None:
    _go(nothing, 'echo half > "$2"; echo "no such module" >&2; exit 1')
    with pytest.raises(ProgramNotFoundError, match="no such module"):
        find_engine(print)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_go_knows_the_checksums_of_all_that_the_engine_is_built_from() -> None:
    """The pinned version is in both files, so that a build takes exactly what is pinned."""
    version = pinned_version()
    assert f"github.com/pulumi/pulumi/pkg/v3 {version} h1:" in (MODULE / "go.sum").read_text()


@pytest.mark.parametrize(("ci", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_an_engine_the_tests_are_skipped_and_fail_in_ci(
    nothing: Path,  # noqa: ARG001  # it empties PATH
    monkeypatch: pytest.MonkeyPatch,
    ci: str,
    outcome: type[BaseException],
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="Neither Pulumi"):
        engine_or_skip(print)
