"""Python environments made from exact pins, each made once and kept.

An environment is named by its content and built beside its place, then renamed into it: it is there whole or not at
all, and processes that build the same one at once end up with one of the two.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from model_registry import uv
from model_registry.cache import cache_folder, file_digest, workspace
from model_registry.pace import Progress
from model_registry.stored_wheels import package_of
from model_runtime.errors import EnvironmentBuildError, InterpreterNotFoundError

# Increase when environments of the same pins must be rebuilt.
_RECIPE = 1
_KEPT_SECONDS = 30 * 24 * 3600  # after the last use

_Package = tuple[str, Version]  # normalised name, version

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The minor version of this Python."""


def environment_for(
    packages: Mapping[str, str],
    python: str,
    *,
    wheels: Sequence[Path] = (),
    hashes: Mapping[str, Collection[str]] = MappingProxyType({}),
    cache: Path | None = None,
    progress: Progress = lambda _line: None,
) -> Path:
    """Return the interpreter of an environment that has exactly these packages and nothing else.

    The first use builds it for this machine, later ones find it in the cache; several processes may ask at once.
    uv takes wheels only, as building a package would run its code, and resolves no dependencies. Where they come from
    is the user's configuration (`model_registry.uv`). An environment that was not used for 30 days is removed when
    another is built. Start the interpreter with `-I`, or the caller's folder and variables are seen too.

    Args:
        packages: Exact version of each distribution by name.
        python: Minor version, such as `3.12`. Without an interpreter here, uv may download one, as configured.
        wheels: Files to install besides, each instead of what `packages` may say about the same distribution.
        hashes: SHA-256 in hex of the wheels that a package may come as, by its name; another one is refused.
        cache: Folder of the environments, by default the user's.
        progress: Gets a line for each step when there is something to build.

    Raises:
        UvNotFoundError: uv is not installed.
        EnvironmentBuildError: a file is not a wheel, or uv cannot make the environment; ends with uv's last lines.

    """
    cache = (cache or cache_folder("environments")).absolute()
    own = {package_of(path.name): (path, file_digest(path)) for path in wheels}
    replaced = {name for name, _ in own}
    pins = sorted(pin for pin in map(_package, packages.items()) if pin[0] not in replaced)
    lines = [uv.requirement(name, str(version), hashes.get(name, ())) for name, version in pins]
    key = _key(python, lines, {path.name: sha256 for path, sha256 in own.values()})

    def fill(interpreter: Path) -> None:
        wheel_lines = [uv.wheel_requirement(name, path, sha256) for (name, _), (path, sha256) in own.items()]
        requirements = [*lines, *wheel_lines]
        count = len(requirements)
        progress(f"installing {count} package{'' if count == 1 else 's'}")
        _install(interpreter, requirements, progress)
        _check_installed(interpreter, {*pins, *own})

    found = cache / f"{python}-{key[:32]}"
    if not _interpreter(found).exists():
        _remove_unused(cache)
        progress(f"making an environment with Python {python}")
    interpreter = kept_environment(found, python, fill)
    with contextlib.suppress(OSError):  # a cache that somebody else owns
        os.utime(found)
    return interpreter


def _key(python: str, lines: Sequence[str], wheels: Mapping[str, str]) -> str:
    """The address of an environment: all that decides what is in it."""
    inputs = {
        "recipe": _RECIPE,
        "python": python,
        "platform": sysconfig.get_platform(),
        "packages": lines,
        "wheels": wheels,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def kept_environment(place: Path, python: str, fill: Callable[[Path], None]) -> Path:
    """Return the interpreter of the environment in the folder `place`, made there when it is absent or broken.

    Args:
        place: Where it is, named by its content.
        python: What `uv venv --python` takes: a minor version, or the path of an interpreter.
        fill: Installs its packages, given the interpreter of the environment that is being built.

    Raises:
        EnvironmentBuildError: uv cannot make it; whatever `fill` raises. Nothing is left then.

    """
    own = _interpreter(place)
    if own.exists():  # a dangling link, where the Python behind it was removed, does not
        return own
    with workspace(place.parent) as work:
        building = work / "environment"
        base = _base_interpreter() if python == RUNNING else python
        _checked(uv.run(["venv", "--quiet", "--no-project", "--relocatable", "--python", base, building]))
        fill(_interpreter(building))
        try:
            building.rename(place)
        except OSError:
            # Another process was first, and its environment is as good; or the place holds a broken one.
            if not own.exists():
                shutil.rmtree(place)
                building.rename(place)
    return own


def find_interpreter(python: str) -> str:
    """Return the path of an interpreter of this minor version: the running one, else one that uv finds.

    Downloads nothing.

    Raises:
        InterpreterNotFoundError: there is none on this machine.

    """
    if python == RUNNING:
        return sys.executable
    found = uv.run(["python", "find", "--no-project", "--no-python-downloads", python])
    path = found.printed.strip()
    if not found.ok or not path:
        raise InterpreterNotFoundError(
            f"there is no Python {python} on this machine (this is Python {sys.version.split()[0]}): "
            f"run `uv python install {python}`"
        )
    return path


def _base_interpreter() -> str:
    """The running interpreter, or the one behind the virtual environment that it runs in and which it outlives."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def _install(interpreter: Path, requirements: Sequence[str], progress: Progress) -> None:
    if requirements:
        _checked(uv.install(["--python", interpreter], requirements, progress=progress))


def _checked(outcome: uv.Outcome) -> None:
    if not outcome.ok:
        raise EnvironmentBuildError(f"uv says: {outcome.tail}")


def _check_installed(interpreter: Path, pins: set[_Package]) -> None:
    folders = interpreter.parents[1].glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages")
    found = {
        _package((each.name, each.version)) for each in importlib.metadata.distributions(path=[*map(str, folders)])
    }
    if found != pins:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(found ^ pins))
        raise EnvironmentBuildError(f"uv installed other packages than asked for, these differ: {listed}")


def _package(item: tuple[str, str]) -> _Package:
    """Normalise a name and a version; neither can be a URL or an option then."""
    try:
        return canonicalize_name(item[0], validate=True), Version(item[1])
    except (InvalidName, InvalidVersion) as error:
        raise EnvironmentBuildError(f"{error}: packages are a name and one exact version each") from error


def _interpreter(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _remove_unused(cache: Path) -> None:
    for environment in cache.glob("3.*-*"):
        try:
            unused = time.time() - environment.stat().st_mtime > _KEPT_SECONDS
        except FileNotFoundError:
            continue
        if unused:
            shutil.rmtree(environment, ignore_errors=True)
