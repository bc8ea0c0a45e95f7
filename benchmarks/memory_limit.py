"""Run a cold start within a limit of memory that the operating system enforces.

Lambda limits the memory of the whole environment. A control group does the same: what its processes hold, page cache
included, and the kernel ends them when nothing can be reclaimed. Where none can be made (it takes root, or a delegated
group), RLIMIT_DATA limits what the process may allocate, which is stricter in one way (reserved memory counts) and
weaker in another (mapped files do not). `RLIMIT_AS` would count mapped files that are never read.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cold import ColdStart, FirstAnswer

_ROOT = Path("/sys/fs/cgroup")
_JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
_RLIMIT = (
    "import os, resource, sys; limit = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Limited:
    """What a start within a limit gave."""

    mechanism: str
    """What enforced the limit."""
    first: FirstAnswer | None
    """None if it did not get to an answer."""
    reason: str = ""
    """Why there is none."""


def run_within(start: ColdStart, limit: int) -> Limited:
    """Start once with at most `limit` bytes of memory, the files of function and layer not in the page cache before.

    A group is charged for the pages that its processes read first; what was in the cache would be free.
    """
    _evict(Path(folder) for folder in start.environment["PYTHONPATH"].split(os.pathsep))
    with _control_group(limit) as group:
        if group is None:
            mechanism, limited = "RLIMIT_DATA", start.under(sys.executable, "-S", "-c", _RLIMIT, str(limit))
        else:
            mechanism, limited = "a control group", start.under("/bin/sh", "-c", _JOIN, str(group))
        try:
            return Limited(mechanism, limited.run())
        except RuntimeError as error:
            return Limited(mechanism, None, str(error))


def _evict(folders: Iterable[Path]) -> None:
    os.sync()  # what is not on the disk yet stays in the cache
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _control_group(limit: int) -> Iterator[Path | None]:
    """A new group with this limit and no swap, in version 2 or 1 of control groups; None where none can be made."""
    group = _made(_parent_v2(), "memory.max", "memory.swap.max", limit) or _made(
        _parent_v1(), "memory.limit_in_bytes", "memory.swappiness", limit
    )
    try:
        yield group
    finally:
        if group is not None:
            group.rmdir()


def _parent_v2() -> Path | None:
    """The nearest group above this process that shares memory out to its children (only leaves hold processes)."""
    groups = [_ROOT / path, *(_ROOT / path).parents] if (path := _own("")) is not None else []
    return next((group for group in groups if "memory" in _read(group / "cgroup.subtree_control").split()), None)


def _parent_v1() -> Path | None:
    """The group of the memory controller that this process is in."""
    return None if (path := _own("memory")) is None else _ROOT / "memory" / path


def _own(controllers: str) -> str | None:
    """Path of this process's group in a hierarchy, as cgroups(7) describes /proc/self/cgroup; version 2 has no name."""
    lines = (line.split(":", 2) for line in _read(Path("/proc/self/cgroup")).splitlines())
    return next((path.lstrip("/") for _, names, path in lines if names == controllers), None)


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _made(parent: Path | None, limit_file: str, swap_file: str, limit: int) -> Path | None:
    if parent is None or not parent.is_dir():
        return None
    group = parent / f"sklearn-on-lambda-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:  # not ours to divide
        return None
    try:
        with (group / limit_file).open("r+") as file:  # the kernel has made it, or this is not a control group
            file.write(str(limit))
        subprocess.run(["/bin/sh", "-c", _JOIN, str(group), "true"], check=True, capture_output=True)  # noqa: S603  # a fixed line
    except (OSError, subprocess.CalledProcessError):  # not ours to set, or to move a process into
        group.rmdir()
        return None
    with suppress(OSError), (group / swap_file).open("r+") as file:  # not every kernel accounts for swap
        file.write("0")
    return group
