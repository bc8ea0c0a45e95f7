"""Build what a release consists of, and refuse what does not fit together: `.ci/release.py v0.2.0 --to dist`.

The folder then holds the wheel, SHA256SUMS and NOTES.md, the section of CHANGELOG.md. Nothing is published: that is the
last step of .github/workflows/release.yml.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TYPED = ("sklearn_on_lambda/py.typed",)


class ReleaseError(Exception):
    """The tag, the version, the changelog and the wheel do not fit together."""


def version_of(tag: str, project: Path) -> str:
    """The version that a tag names; ReleaseError unless it is that of pyproject.toml."""
    declared = str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])
    if tag != f"v{declared}":
        raise ReleaseError(f"the tag {tag} is not v{declared}, the version in pyproject.toml: change one of them")
    return declared


def notes(changelog: str, version: str) -> str:
    """The changelog's section of a version, without its heading; ReleaseError without a date or without a word."""
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise ReleaseError(f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`: date what is under Unreleased")
    text = re.split(r"^## ", changelog[found.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not text:
        raise ReleaseError(f"CHANGELOG.md says nothing under {version}: write what has changed")
    return text + "\n"


def build(project: Path, version: str, folder: Path) -> Path:
    """Build the wheel into an empty folder; ReleaseError where it lacks what users need."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())]
    subprocess.run(command, cwd=project, check=True, stdout=sys.stderr)  # noqa: S603  # no argument of a stranger's
    (wheel,) = folder.glob("*.whl")
    if f"-{version}-" not in wheel.name:
        raise ReleaseError(f"the wheel is called {wheel.name}, which is not version {version}: look at its metadata")
    with zipfile.ZipFile(wheel) as archive:
        lacking = sorted(set(TYPED) - set(archive.namelist()))
    if lacking:
        raise ReleaseError(f"the wheel lacks {', '.join(lacking)}: callers would have no types")
    return wheel


def release(tag: str, folder: Path, project: Path = ROOT) -> None:
    """Put all files of a release into a folder, which must be empty or absent."""
    if folder.exists() and any(folder.iterdir()):
        raise ReleaseError(f"{folder} is not empty: name another folder, or remove it")
    version = version_of(tag, project)
    text = notes((project / "CHANGELOG.md").read_text(), version)
    folder.mkdir(parents=True, exist_ok=True)
    wheel = build(project, version, folder)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n")
    (folder / "NOTES.md").write_text(text)


def main() -> None:
    """Run the command line; a known error is one line and exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tag", help="the tag, vX.Y.Z")
    parser.add_argument("--to", type=Path, default=Path("dist"), help="folder for the files, empty or absent")
    options = parser.parse_args()
    try:
        release(options.tag, options.to)
    except ReleaseError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
