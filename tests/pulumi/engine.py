"""Find Pulumi's engine, or build it.

It is the program `pulumi`, written in Go. People have it from Pulumi; where only package registries can be reached it
builds as a Go module, whose version and checksums are in `tests/pulumi/engine`.
"""

import fcntl
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from aws_check.engine import OLDEST, engine_version
from tests.go_programs import ProgramNotFoundError, Progress, cache

MODULE = Path(__file__).parent / "engine"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3"
_SHOWN_SECONDS = 15


def find_engine(progress: Progress) -> Path:
    """Return the path of `pulumi`: the one on PATH, else the one in the cache, which Go builds if it is not there.

    Raises:
        ProgramNotFoundError: there is neither Pulumi nor Go, or Go could not build it.

    """
    on_path = shutil.which("pulumi")
    if on_path and engine_version(on_path) >= OLDEST:
        return Path(on_path)
    engine = cache() / pinned_version() / "pulumi"
    if not engine.exists():
        go = shutil.which("go")
        if go is None:
            raise ProgramNotFoundError(
                f"Neither Pulumi {'.'.join(map(str, OLDEST))} or newer nor Go is on PATH: install one of them. With Go "
                f"the engine is built once into {engine.parent}."
            )
        _build(go, engine, progress)
    return engine


def pinned_version() -> str:
    """Return the version that `go.mod` requires, `v3.259.0`."""
    required = re.search(rf"^require {re.escape(PACKAGE)} (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert required, "go.mod requires the engine in a line of its own"
    return required[1]


def _build(go: str, engine: Path, progress: Progress) -> None:
    """Build into a folder beside the engine's place and rename it: it is there whole or not at all."""
    engine.parent.mkdir(parents=True, exist_ok=True)
    # Two builds at once would take twice as long each: the second waits, and finds what the first has built.
    with (engine.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if engine.exists():
            return
        with tempfile.TemporaryDirectory(prefix=".building-", dir=engine.parent) as folder:
            built = Path(folder) / "pulumi"
            _go(go, built, progress)
            built.replace(engine)


def _go(go: str, target: Path, progress: Progress) -> None:
    version = pinned_version()
    # Without its version the engine calls itself v0, which the SDK refuses.
    flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}"
    command = [go, "build", "-v", "-mod=readonly", "-ldflags", flags, "-o", str(target), f"{PACKAGE}/cmd/pulumi"]
    started = shown = time.monotonic()
    progress(f"building Pulumi's engine {version} with Go, once: about 4 minutes")
    lines: list[str] = []
    with subprocess.Popen(command, cwd=MODULE, stderr=subprocess.PIPE, text=True) as building:
        assert building.stderr
        for line in building.stderr:
            lines.append(line)
            if time.monotonic() - shown > _SHOWN_SECONDS:
                shown = time.monotonic()
                progress(f"building Pulumi's engine: {len(lines)} lines of Go's, {shown - started:.0f} s")
    if building.returncode:
        raise ProgramNotFoundError(
            f"Go could not build Pulumi's engine {version}: install Pulumi, or check that Go reaches its module proxy. "
            f"Go said: {''.join(lines[-10:]).strip()}"
        )
