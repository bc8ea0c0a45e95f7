"""Install wheels for Lambda's platform, whatever this machine is."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from model_registry import uv
from model_registry.lambda_packages.platform import ARCHITECTURES, LINUX, RUNTIMES, Runtime
from model_registry.pace import Progress


def pip_install(
    requirements: Iterable[str],
    target: Path,
    runtime: Runtime,
    architecture: str,
    *,
    system: str = LINUX,
    dry_run: bool = False,
    progress: Progress = lambda _line: None,
) -> uv.Outcome:
    """Install exactly these requirements for Lambda's platform into the folder `target`: wheels only, no dependencies.

    They are lines as `model_registry.uv` writes them, with digests where these are known. A dry run takes some tenths
    of a second and downloads no wheel. `progress` gets a line for each large download.
    """
    arguments = [
        *("--python", sys.executable, "--target", str(target), "--no-compile-bytecode"),
        *("--python-version", runtime.python, "--python-platform", runtime.platform(architecture, system)),
        *(["--dry-run"] if dry_run else []),
    ]
    return uv.install(arguments, list(requirements), progress=progress)


def newest_in_lambda(name: str, specifier: str, python: str) -> str | None:
    """The newest version of a package that has a wheel for Lambda, on any architecture; None where there is none."""
    runtime = RUNTIMES.get(python)
    if runtime is None:
        return None
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="newest-") as folder:  # uv makes it, even in a dry run
            outcome = pip_install([f"{name}{specifier}"], Path(folder), runtime, architecture, dry_run=True)
        if outcome.ok and outcome.packages:
            return outcome.packages[0][1]
    return None
