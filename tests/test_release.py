"""A release is built by `.ci/release.py`, dry runs included, and its workflows run nothing that is not pinned."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.structure import ROOT

SCRIPT = ROOT / ".ci" / "release.py"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the script and the wheel are made from."""
    packages = ("handler", "infra", "model_registry", "model_runtime", "sklearn_on_lambda")
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".ci", *packages):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(ROOT / name), str(copy)], check=True)
    return tmp_path


def release(project: Path, tag: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / ".ci" / "release.py"), tag, "--to", str(project / "dist")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_has_the_wheel_its_digest_and_the_notes_of_its_version(project: Path) -> None:
    done = release(project, f"v{VERSION}")
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (project / "dist" / "SHA256SUMS").read_text() == f"{digest}  {wheel.name}\n"
    notes = (project / "dist" / "NOTES.md").read_text()
    assert notes.startswith("### ")
    assert "\n## " not in notes
    assert notes.strip() in (ROOT / "CHANGELOG.md").read_text()


def edit(file: Path, pattern: str, replacement: str) -> None:
    text = re.sub(pattern, replacement, file.read_text(), count=1, flags=re.MULTILINE)
    assert text != file.read_text()
    file.write_text(text)


def test_what_does_not_fit_together_is_refused_before_anything_is_built(project: Path) -> None:
    assert release(project, "v9.9.9").stderr == (
        f"error: the tag v9.9.9 is not v{VERSION}, the version in pyproject.toml: change one of them\n"
    )
    edit(project / "pyproject.toml", r'^version = ".*"$', 'version = "9.9.9"')
    assert "CHANGELOG.md has no heading `## [9.9.9] - YYYY-MM-DD`" in release(project, "v9.9.9").stderr
    edit(project / "CHANGELOG.md", r"^## \[Unreleased\]$", "## [9.9.9] - 2030-01-01\n\n## [9.9.8] - 2029-01-01")
    assert "CHANGELOG.md says nothing under 9.9.9" in release(project, "v9.9.9").stderr
    assert not (project / "dist").exists()


def test_a_wheel_without_types_is_refused(project: Path) -> None:
    (project / "sklearn_on_lambda" / "py.typed").unlink()
    done = release(project, f"v{VERSION}")
    assert done.returncode == 1
    assert done.stderr.endswith("error: the wheel lacks sklearn_on_lambda/py.typed: callers would have no types\n")
    assert "is not empty" in release(project, f"v{VERSION}").stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_say_which_version_that_is(file: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in file.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+(;.*)?", line), line


def test_the_workflows_run_what_is_run_here() -> None:
    """No second list of checks: CI and a release run `.ci/run`; a dry run never reaches the job that publishes."""
    workflows = {file.stem: yaml.safe_load(file.read_text())["jobs"] for file in WORKFLOWS}
    for job in (workflows["ci"]["test"], workflows["release"]["build"]):
        assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert f".venv/bin/python {SCRIPT.relative_to(ROOT)}" in str(workflows["release"]["build"]["steps"])
    publishing = workflows["release"]["release"]
    assert publishing["if"] == "github.event_name == 'push'"
    assert publishing["needs"] == "build"
    jobs = [job for file in workflows.values() for job in file.values()]
    writers = [job for job in jobs if job.get("permissions", {}).get("contents") == "write"]
    assert writers == [publishing]
