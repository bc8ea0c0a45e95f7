"""Programs of others that the tests use and that no index of Python has: Go builds them, once."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[str], None]

PROGRAMS = {
    # The last release that has it as a package of a module that Go's proxy has. Engine and SDK are newer, as their
    # protocol allows; on PATH there is one of the same release as `pulumi`.
    "pulumi-language-nodejs": ("github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs", "v3.68.0"),
    "actionlint": ("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12"),
    "pulumi-language-yaml": ("github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", "v1.25.0"),
}
"""Go's package and the version of its module, checked by Go's checksum database."""


class ProgramNotFoundError(Exception):
    """A program is not there, and cannot be built; the message says why and what to do."""


def find_program(name: str, progress: Progress) -> Path:
    """Return the path of a program: the one on PATH, else the one in the cache, which Go builds if it is not there.

    Raises:
        ProgramNotFoundError: there is neither the program nor Go, or Go could not build it.

    """
    package, version = PROGRAMS[name]
    built = cache() / version / name
    on_path, go = shutil.which(name), shutil.which("go")
    if on_path or built.exists():
        return Path(on_path or built)
    if go is None:
        raise ProgramNotFoundError(f"neither {name} nor Go is on PATH: install one of them; Go builds it once")
    progress(f"building {name} {version} with Go, once: about a minute")
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=built.parent) as folder:
        # Not by `go install`, which refuses a module that replaces another, as a release of Pulumi's does.
        for command in (
            ["mod", "init", "of-the-tests"],
            ["get", f"{package}@{version}"],
            ["build", "-ldflags", "-s -w", "-o", name, package],
        ):
            done = subprocess.run([go, *command], cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ProgramNotFoundError(
                    f"Go could not build {name} {version}: install it, or check that Go reaches its module proxy. "
                    f"Go said: {done.stderr[-500:]}"
                )
        (Path(folder) / name).replace(built)
    return built


def cache() -> Path:
    """Name the folder of built programs: in the user's cache folder (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sklearn-on-lambda" / "engine"
