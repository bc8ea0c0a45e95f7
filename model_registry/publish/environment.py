"""The environment of a model: which packages unpickling it needs, and whether this is such an environment.

`environment_of` reads it off an estimator when it is published, `differences` and `mending_command` compare it with the
running one when it is loaded.
"""

import platform
import re
import shlex
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from model_registry.lambda_packages.install import newest_in_lambda
from model_registry.lambda_packages.markers import needed_in_lambda
from model_registry.lambda_packages.spec import is_left_out
from model_registry.publish.wheels import is_editable, is_from_elsewhere
from model_runtime.errors import EnvironmentMismatchError, PublishError
from model_runtime.manifest import Environment, Signature

_ALWAYS_NEEDED = ("joblib", "scikit-learn")
STANDS_IN = {"xgboost": "xgboost-cpu"}
"""Packages, each with one of the same versions and modules that has no code for GPUs."""
_COMMENT = re.compile(r"(^|\s+)#.*")
# What follows a requirement on its line: `--hash=sha256:...`, `--global-option=...`.
_OPTIONS = re.compile(r"\s+--[a-z].*")


def environment_of(distributions: Iterable[str], signature: Signature, *, lock: Path | None = None) -> Environment:
    """These distributions and all that they require, in the versions installed or, with `lock`, in those of that file.

    Raises PublishError for a distribution that is not installed, and for a lock file that does not fit.
    """
    roots = {*_ALWAYS_NEEDED, *distributions}
    if signature.container == "dataframe":
        roots.add("pandas")
    return Environment(
        python=_running_python(),
        machine=platform.machine(),
        packages=_closure(roots) if lock is None else from_lock(lock, roots),
    )


def from_lock(path: Path, roots: Iterable[str]) -> dict[str, str]:
    """The distributions `roots` with everything they require here, in the versions that a lock file pins.

    The file has `name==version ; marker --hash=...` lines, as `uv export`, `uv pip compile` and `pip-compile` write
    them; markers are evaluated for Lambda and the running Python. Raises PublishError where it leaves out a
    distribution, or pins another scikit-learn than the running one, whose pickles no other version may load.
    """
    installed = _closure(roots)
    pinned = read_lock(path)
    # A lock file names these by where they were installed from, and not by a version.
    pinned |= {name: version for name, version in installed.items() if name not in pinned and is_from_elsewhere(name)}
    missing = [name for name in installed if name not in pinned]
    if missing:
        raise PublishError(
            f"{path} does not pin {', '.join(missing)}, which the model needs: lock the environment that trained it "
            "with all that its packages require, say by `uv pip freeze` or `uv export --format requirements.txt`"
        )
    name = "scikit-learn"
    if name in installed and not _same_version(pinned[name], installed[name]):
        raise PublishError(
            f"{path} pins {name} {pinned[name]}, the model is pickled by {installed[name]}, and no other version may "
            "load that: publish from the locked environment"
        )
    return {name: pinned[name] for name in installed}


def with_packages(environment: Environment, names: Iterable[str], *, lock: Path | None = None) -> Environment:
    """The environment with these distributions added, in the versions installed or, with `lock`, in those of that file.

    PublishError where one is not installed, or the lock file pins another version or none: what was tried at
    publishing is what must run.
    """
    pinned = None if lock is None else read_lock(lock)
    added = {}
    for name in names:
        try:
            added[name] = metadata.version(name)
        except metadata.PackageNotFoundError as error:
            raise PublishError(f"this format needs the package {name}, which is not installed: install it") from error
        if pinned is not None and not (name in pinned and _same_version(pinned[name], added[name])):
            raise PublishError(
                f"{lock} pins {name} to {pinned.get(name, 'nothing')}, this format needs it and was tried with "
                f"{added[name]}: lock that"
            )
    return Environment(
        python=environment.python,
        machine=environment.machine,
        packages=dict(sorted({**environment.packages, **added}.items())),
    )


def with_roots(environment: Environment, roots: Iterable[str], *, lock: Path | None = None) -> Environment:
    """The environment with further distributions, and with what they require; PublishError as for `environment_of`."""
    needed = {*environment.packages, *roots}
    packages = _closure(needed) if lock is None else from_lock(lock, needed)
    return msgspec.structs.replace(environment, packages=packages)


def read_lock(path: Path) -> dict[str, str]:
    """The pins of a lock file that hold for the running Python in Lambda, by normalised name.

    Lines that are not exact pins are left out: options, URLs, the project itself. PublishError where the file cannot
    be read, or pins one distribution twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise PublishError(f"cannot read the lock file {path} ({error}): give a requirements file") from error
    pins: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        pin = _pin(line)
        if pin is None:
            continue
        name, version = pin
        if pins.setdefault(name, version) != version:
            raise PublishError(f"{path} pins {name} to {pins[name]} and to {version}: lock one version for this Python")
    return pins


def differences(environment: Environment) -> list[str]:
    """How the running environment is not the one that a model needs, a sentence each; none where it fits.

    The machine does not matter: pickles of numpy arrays and scikit-learn estimators hold their byte order and types,
    and are the same on every 64-bit little-endian machine, which is what all of Lambda's and most others are.
    """
    found = []
    running = _running_python()
    if environment.python != running:
        found.append(f"Python {environment.python} is needed, this is {running}")
    for name, version in environment.packages.items():
        try:
            installed = _installed_version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} {version} is needed, it is not installed")
            continue
        if not _same_version(installed, version):
            found.append(f"{name} {version} is needed, {installed} is installed")
    return found


def _installed_version(name: str) -> str:
    """The version of a package, or of what it stands in for; PackageNotFoundError where neither is installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        for larger, smaller in STANDS_IN.items():
            if name == smaller:
                return metadata.version(larger)
        raise


def mending_command(environment: Environment, stored: str | None = None) -> str:
    """The shell command that makes an environment in which the model can be loaded.

    `stored` is the address of a version that has wheels of some packages itself.
    """
    pins = [f"{name}=={version}" for name, version in environment.packages.items()]
    made = f"uv venv --python {shlex.quote(environment.python)}"
    if stored is None:
        return f"{made} && uv pip install {shlex.join(pins)}"
    fetched = f"python -m model_registry download {stored} --to wheels"
    # All is pinned; what such a wheel requires may be own code of the version, which no index has either.
    return f"{fetched} && {made} && uv pip install --no-deps --find-links wheels {shlex.join(pins)}"


def mismatch(what: str, environment: Environment, why: str, *, has_wheels: bool = False) -> EnvironmentMismatchError:
    """The error for a version, `what`, that cannot be loaded here."""
    command = mending_command(environment, what if has_wheels else None)
    return EnvironmentMismatchError(f"{what} cannot be loaded here ({why}): run {command}")


def _running_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _same_version(one: str, other: str) -> bool:
    """Whether two versions are equal by PEP 440: 1.0 is 1.0.0."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _pin(line: str) -> tuple[str, str] | None:
    text = _OPTIONS.sub("", _COMMENT.sub("", line)).strip()
    if not text or text.startswith("-"):
        return None
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    specifiers = list(requirement.specifier)
    is_exact = len(specifiers) == 1 and specifiers[0].operator in {"==", "==="} and "*" not in specifiers[0].version
    if not is_exact or not needed_in_lambda(requirement, _running_python()):
        return None
    return str(canonicalize_name(requirement.name)), specifiers[0].version


def _closure(roots: Iterable[str]) -> dict[str, str]:
    """The distributions with everything they require in Lambda, extras that are asked for too, in installed versions.

    Libraries for GPUs are left out: a function has none. So are editable installations, but not what they require:
    their modules go as own code.
    """
    versions: dict[str, str] = {}
    todo = [Requirement(name) for name in sorted(roots)]
    seen: set[tuple[str, str]] = set()
    while todo:
        wanted = todo.pop()
        name = str(canonicalize_name(wanted.name))
        if is_left_out(name):
            continue
        if name not in versions and not is_editable(name):
            versions[name] = _version(name, wanted)
        for extra in {"", *wanted.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += _requirements(name, extra)
    return dict(sorted(versions.items()))


def _version(name: str, wanted: Requirement) -> str:
    """The installed version or, of what is required in Lambda and not on this machine, the newest that fits there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        here = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        found = None if here else newest_in_lambda(name, str(wanted.specifier), _running_python())
        if found is None:
            raise PublishError(f"the model needs the package {name}, which is not installed: install it") from error
        return found


def _requirements(name: str, extra: str) -> list[Requirement]:
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    return [each for each in map(Requirement, texts) if needed_in_lambda(each, _running_python(), extra=extra)]
