"""Environments: Python's for what this project is measured against, kept below `.local`, and variables for a while."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).parents[1]


def environment(requirement: str) -> Path:
    """Return the interpreter of the environment that has a peer, and the scikit-learn that is measured here."""
    sklearn = f"scikit-learn=={metadata.version('scikit-learn')}"
    name = hashlib.sha256(f"{requirement} {sklearn} {platform.python_version()}".encode()).hexdigest()[:12]
    folder = ROOT / ".local" / "benchmarks" / f"{requirement.partition('=')[0]}-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        # The interpreter behind this environment: by its version alone, uv may not find it.
        _uv("venv", "--clear", "--python", str(Path(sys.executable).resolve()), str(folder))
        _uv("pip", "install", "--python", str(python), "--compile-bytecode", requirement, sklearn)
        ready.touch()
    return python


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments, "--quiet"], check=True)  # noqa: S603  # the project's own uv


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the length of the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
