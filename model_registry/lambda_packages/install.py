"""Install wheels for Lambda's platform, whatever this machine is."""

import sys
from collections.abc import Iterable
from pathlib import Path

from model_registry import uv
from model_registry.lambda_packages.platform import Runtime


def pip_install(
    requirements: Iterable[str],
    target: Path,
    runtime: Runtime,
    architecture: str,
    *,
    dry_run: bool = False,
    progress: uv.Progress = lambda _line: None,
) -> uv.Outcome:
    """Install exactly these requirements for Lambda's platform into the folder `target`: wheels only, no dependencies.

    A dry run takes some tenths of a second and downloads no wheel. `progress` gets a line for each large download.
    """
    command = [
        *("pip", "install", "--python", sys.executable, "--target", str(target)),
        *("--python-version", runtime.python, "--python-platform", runtime.platform(architecture)),
        *("--only-binary", ":all:", "--no-deps", "--no-compile-bytecode"),
        *(["--dry-run"] if dry_run else []),
    ]
    return uv.run([*command, "--", *requirements], progress=progress)
