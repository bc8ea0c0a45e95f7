"""What uv does for a layer: install wheels of another platform, find an interpreter.

Private indexes keep working: uv's own environment variables, its user-level `uv.toml` (index, certificates, keyring)
and pip's `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL` are honoured. Nothing else that a machine or a project configures
may change a layer: a project's `pyproject.toml` is out of sight, the variables of `_DROPPED` are removed, and what
was installed is compared with what was asked for (`layer_tree.owners`).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.layer.errors import InterpreterNotFoundError, UvNotFoundError
from infra.layer.platform import Runtime
from model_registry import interpreters

# Each would change which files are installed, or refuse pins that are right.
_DROPPED = frozenset(
    {
        "UV_BUILD_CONSTRAINT",
        "UV_CONSTRAINT",
        "UV_EXCLUDE",
        "UV_EXCLUDE_NEWER",
        "UV_MANAGED_PYTHON",
        "UV_NO_BINARY",
        "UV_NO_BINARY_PACKAGE",
        "UV_OVERRIDE",
        "UV_PROJECT",
        "UV_PYTHON",
        "UV_REQUIRE_HASHES",
        "UV_TORCH_BACKEND",
        "UV_WORKING_DIR",
    }
)
_PIP_NAMES = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}
_UV_INDEX_NAMES = frozenset({"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"})
_TAIL = 6


@dataclass(frozen=True)
class Outcome:
    """How one run of uv ended."""

    code: int
    text: str  # all that uv wrote, one line; older versions wrap it at the terminal's width
    tail: str  # its last lines as they were

    @property
    def ok(self) -> bool:
        """Whether uv did what it was asked."""
        return self.code == 0

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The packages that were, or in a dry run would be, installed: (name, version)."""
        return tuple(re.findall(r"\+ ([A-Za-z0-9._-]+)==(\S+)", self.text))


def pip_install(
    requirements: Iterable[str],
    target: Path,
    runtime: Runtime,
    architecture: str,
    *,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Install exactly these requirements for Lambda's platform into the folder `target`: wheels only, no dependencies.

    A dry run takes some tenths of a second and downloads no wheel. `progress` gets a line for each large download.
    """
    command = [
        *(find_uv(), "pip", "install", "--color", "never", "--no-progress"),
        *("--python", sys.executable, "--target", str(target)),
        *("--python-version", runtime.python, "--python-platform", runtime.platform(architecture)),
        *("--only-binary", ":all:", "--no-deps", "--no-compile-bytecode"),
        *(["--dry-run"] if dry_run else []),
        *requirements,
    ]
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - uv's own path, and pins that LayerSpec has checked
        command,
        cwd=target.anchor,  # uv looks for a project in this folder and above it: the root has none
        env=environment(dict(os.environ)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stderr or ():
                lines.append(line.rstrip())
                if line.startswith("Downloading "):
                    progress(f"downloading {line.split(' ', 1)[1].strip()}")
        except BaseException:
            process.kill()
            raise
    tail = [line for line in lines if line and not line.startswith("Using ")][-_TAIL:]
    return Outcome(process.returncode, " ".join(" ".join(lines).split()), "\n".join(tail))


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Give the environment in which uv runs: index and network settings stay, the rest of `_DROPPED` goes."""
    kept = {name: value for name, value in variables.items() if name not in _DROPPED}
    if not _UV_INDEX_NAMES & kept.keys():
        kept |= {uv: kept[pip] for pip, uv in _PIP_NAMES.items() if kept.get(pip)}
    return kept


def find_uv() -> str:
    """Give the path of the uv program.

    Raises UvNotFoundError.
    """
    try:
        import uv  # here: uv is in the `deploy` extra, and a cached layer needs none

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        on_path = shutil.which("uv")
        if on_path is None:
            raise UvNotFoundError(
                "uv is needed to build a layer and is not installed. Run: pip install 'sklearn-on-lambda[deploy]'"
            ) from error
        return on_path


def find_interpreter(python: str) -> str:
    """Give the path of an interpreter of this minor version: the running one, else one that uv finds.

    Raises InterpreterNotFoundError; downloads nothing.
    """
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = subprocess.run(  # noqa: S603 - uv's own path and a version of the table of runtimes
        [find_uv(), "python", "find", "--no-project", "--no-python-downloads", "--color", "never", python],
        cwd=Path(sys.executable).anchor,
        env=environment({**os.environ, "PATH": interpreters.search_path()}),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    path = found.stdout.strip()
    if found.returncode or not path:
        raise InterpreterNotFoundError(
            f"Bytecode for Lambda's python{python} must be compiled by Python {python}, and there is none on this "
            f"machine (this is Python {sys.version.split()[0]}). Run: uv python install {python}"
        )
    return path
