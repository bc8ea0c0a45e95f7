"""How other programs are run, a Python of another environment or git: fed nothing, and what they say kept as text."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    command: Sequence[str | Path], *, cwd: Path | None, env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code; subprocess.TimeoutExpired where it takes longer."""
    return subprocess.run(  # noqa: S603  # no shell, and a program that we chose
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
    )


def bare_environment(home: Path) -> dict[str, str]:
    """Variables with nothing of the caller's, as in a function; Windows starts no program without its own folder."""
    system = {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}
    return {"HOME": str(home), "TMPDIR": str(home), "PATH": os.defpath, **system}
