"""Import every package from a built layer, where this machine can run it."""

import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from packaging.version import Version

from infra.layer import imports
from model_registry import processes
from model_registry.lambda_packages.errors import LayerImportError
from model_registry.lambda_packages.platform import LINUX, MACOS, Runtime, machine

_SECONDS = 300
# Some wheels have these at their top by mistake: nobody imports them, and some are programs.
_BY_MISTAKE = frozenset({"benchmarks", "conftest", "docs", "examples", "setup", "test", "tests"})


def why_not_here(runtime: Runtime, architecture: str, system: str = LINUX) -> str | None:
    """Say why this machine cannot load a layer for the runtime; None where it can."""
    if system == MACOS:  # for the local AWS; its name of an architecture is Lambda's
        here = (sys.platform, platform.machine()) == ("darwin", architecture)
        return None if here else f"it is for macOS on {architecture}"
    libc, version = platform.libc_ver()
    if (sys.platform, libc) != ("linux", "glibc") or platform.machine() != machine(architecture):
        return f"it is for Linux on {architecture}"
    if Version(version) < Version(runtime.image.glibc):
        return f"this machine's glibc {version} is older than the image's {runtime.image.glibc}"
    return None


def import_all(
    archive: Path,
    folder: Path,
    runtime: Runtime,
    *,
    interpreter: str,
    modules: Mapping[str, str],
    command: tuple[str, ...] = (),
) -> None:
    """Unpack a layer into an empty folder and import its modules in a process that has no other packages.

    Args:
        archive: The layer's zip.
        folder: Stands for `/opt`.
        runtime: Whose site-packages are meant.
        interpreter: A Python of the runtime's minor version.
        modules: Top-level modules with the package that each is of.
        command: What starts the interpreter, with arguments; by default it is started itself.

    Raises:
        LayerImportError: a module cannot be imported.

    """
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    home = folder / "home"
    home.mkdir()
    program = [*command, interpreter, "-I", "-S", "-B", "-W", "ignore", imports.__file__]
    try:
        done = processes.run(
            [*program, folder / runtime.site_packages, *modules],
            cwd=home,
            env={"HOME": str(home), "PATH": os.defpath, "LD_LIBRARY_PATH": str(folder / "lib"), "OMP_NUM_THREADS": "1"},
            seconds=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise LayerImportError(
            f"the packages did not import from the layer within {_SECONDS} s: {', '.join(modules)}"
        ) from error
    failed = json.loads(done.stdout) if done.returncode == 0 else dict.fromkeys(modules, _ending(done))
    if failed:
        told = "; ".join(f"{name} of {modules[name]} ({error})" for name, error in failed.items())
        raise LayerImportError(f"cannot be imported from the layer: {told}; train with another release of it")


def top_level_modules(files: Mapping[str, str]) -> dict[str, str]:
    """Choose, of the layer's files and their packages, the modules that people import, with the package of each."""
    found = {}
    for name, package in sorted(files.items()):
        parts = PurePosixPath(name).parts
        module = parts[0] if len(parts) == 2 and parts[1] in {"__init__.py", "__init__.pyc"} else None  # noqa: PLR2004  # folder and file
        if len(parts) == 1 and name.endswith((".py", ".pyc", ".so")):
            module = name.partition(".")[0]
        if module and module.isidentifier() and not module.startswith("_") and module not in _BY_MISTAKE:
            found[module] = package
    return found


def _ending(process: subprocess.CompletedProcess[str]) -> str:
    return process.stderr.strip().rpartition("\n")[2] or f"the process ended with {process.returncode}"
