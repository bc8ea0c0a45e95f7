"""Environments: Python's for what this project is measured against, kept below `.local`, and variables for a while."""

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from model_registry import uv

ROOT = Path(__file__).parents[1]


def environment(requirement: str) -> Path:
    """Return the interpreter of the environment that has a peer, and the scikit-learn and pandas that are here."""
    ours = [f"{name}=={metadata.version(name)}" for name in ("scikit-learn", "pandas")]
    name = hashlib.sha256(f"{requirement} {ours} {platform.python_version()}".encode()).hexdigest()[:12]
    folder = ROOT / ".local" / "benchmarks" / f"{requirement.partition('=')[0]}-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        # The interpreter behind this environment: by its version alone, uv may not find it.
        run_uv("venv", "--clear", "--python", Path(sys.executable).resolve(), folder)
        run_uv("pip", "install", "--python", python, "--compile-bytecode", requirement, *ours)
        ready.touch()
    return python


def packages(*requirements: str) -> Path:
    """Return a folder with these packages, without what they require; it can be added to `sys.path`."""
    name = hashlib.sha256(f"{requirements} {platform.python_version()}".encode()).hexdigest()[:12]
    folder = ROOT / ".local" / "benchmarks" / f"packages-{name}"
    ready = folder / ".ready"
    if not ready.exists():
        python = Path(sys.executable)
        run_uv("pip", "install", "--no-deps", "--python", python, "--target", folder, *requirements)
        ready.touch()
    return folder


def run_uv(*arguments: str | Path) -> None:
    """Run uv; RuntimeError with the end of what it said if it fails."""
    done = uv.run(arguments)
    if not done.ok:
        raise RuntimeError(f"uv {arguments[0]} ended with {done.code}: {done.tail}")


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
