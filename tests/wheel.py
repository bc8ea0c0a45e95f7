"""The wheel that users install."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.structure import ROOT


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder, as a release does."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpacked_wheel(folder: Path) -> Path:
    """The wheel's modules in a folder for `PYTHONPATH`, as an installation has them."""
    with zipfile.ZipFile(build_wheel(folder / "wheels")) as archive:
        archive.extractall(folder / "site")
    return folder / "site"
