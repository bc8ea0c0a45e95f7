"""Run what may be anybody's code without network, without the caller's files, and blind for other processes.

Linux lets users do that, by bubblewrap where it is installed, else by namespaces of the user's own, where neither a
policy (AppArmor, seccomp of a container) nor a setting forbids them. Nobody can tell but by trying. Elsewhere there is
nothing of the kind that a program may rely on.

What is inside sees the system's programs and libraries and the folders that it is given, all read-only, one folder that
it may write, empty `/tmp` and `/dev/shm`, no network interface that is up, and in `/proc` nothing but itself.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system/cpu")
"""Programs, libraries, and how many processors there are, which libraries of numbers ask."""
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/passwd")
"""The linker's paths, the clock's zone, and users' names, which some packages ask for when they are imported."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_TRIAL_SECONDS = 120

# Run as root of a user namespace of its own, in which everything below is allowed. Arguments: the folder to write
# to, the folder to start in, what to read, --, the command. The privileges of that namespace are given up at the end,
# so that nothing can be mounted again: in a namespace inside of it, these mounts are locked.
_ENTER = r"""
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$1 start=$2 root=$1/.walls
shift 2
mkdir -p "$root"
place() {
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; : > "$root$1"; fi
}
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root"
mkdir "$root/proc" "$root/dev" "$root/tmp" "$root/before"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
    place "$1"
    case "$1" in
        /dev/*) mount --bind "$1" "$root$1" ;;
        *) mount --bind "$1" "$root$1"; mount -o remount,bind,ro,nosuid,nodev "$root$1" ;;
    esac
    shift
done
shift
place "$work"
mount --bind "$work" "$root$work"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
cd "$root"
pivot_root . before
umount -l /before
mount -o remount,bind,ro,nosuid,nodev /
cd "$start"
exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs -- "$@"
"""


def isolated(
    command: Sequence[str | Path], *, variables: Mapping[str, str], cwd: Path, writable: Path, readable: Sequence[Path]
) -> list[str] | None:
    """The command that runs another one inside walls; None where this system has none.

    Args:
        command: The interpreter of an environment and its arguments; the environment can be read.
        variables: All environment variables that it has.
        cwd: The folder that it starts in, inside of what it can see.
        writable: The one folder that it may write to.
        readable: Folders that it may read besides.

    """
    if sys.platform != "linux":
        return None
    python = Path(command[0])
    seen = [*_existing(_SYSTEM, _FILES), *_environment(python), *map(str, readable)]
    shown = list(dict.fromkeys(path for path in seen if path != "/" and not path.startswith("/usr/")))
    for wall in _WALLS:
        inside = wall(shown, str(writable.resolve()), str(cwd.resolve()), variables)
        if inside is not None and _works([*inside, str(python), "-I", "-S", "-c", ""]):
            return [*inside, *map(str, command)]
    return None


def _existing(*groups: Sequence[str]) -> Iterator[str]:
    return (path for group in groups for path in group if Path(path).exists())


def _environment(python: Path) -> Iterator[str]:
    """The environment of an interpreter, and each that it is a link to: the last has the standard library."""
    while True:
        yield str(python.parents[1])
        if not python.is_symlink():
            yield str(python.resolve().parents[1])
            return
        python = python.parent / python.readlink()


def _bubblewrap(shown: Sequence[str], writable: str, cwd: str, variables: Mapping[str, str]) -> list[str] | None:
    program = shutil.which("bwrap")
    if program is None:
        return None
    walls = [
        "--unshare-all",
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--new-session",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/dev/shm",  # noqa: S108  # inside
        "--remount-ro",
        "/dev",
    ]
    reads = [part for path in shown for part in ("--ro-bind", path, path)]
    return [
        *(program, *walls, "--tmpfs", "/tmp", *reads, "--bind", writable, writable),  # noqa: S108  # inside
        *("--remount-ro", "/", "--chdir", cwd),
        *_with(variables),
    ]


def _namespaces(shown: Sequence[str], writable: str, cwd: str, variables: Mapping[str, str]) -> list[str] | None:
    program = shutil.which("unshare")
    if program is None:
        return None
    apart = ["--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    enter = ["/bin/sh", "-c", _ENTER, "enter", writable, cwd, *shown, *_existing(_DEVICES), "--"]
    return [program, *apart, *enter, *_with(variables)]


_WALLS = (_bubblewrap, _namespaces)


def _with(variables: Mapping[str, str]) -> list[str]:
    """Start a program with these variables alone: shells add some of their own."""
    return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())]


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  # no shell of the caller's, and programs that we chose
            command, stdin=subprocess.DEVNULL, capture_output=True, env={}, timeout=_TRIAL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
