"""What the owner changes about the packages that were found: some in another version or added, some left out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import msgspec
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from model_registry.lambda_packages.install import newest_in_lambda
from model_registry.publish.environment import STANDS_IN, with_roots
from model_runtime.errors import PublishError
from model_runtime.manifest import Environment


@dataclass(frozen=True)
class Changes:
    """Packages by normalised name, with exact versions, and names of those that are left out.

    `packages` are added or replace others; `pins` only say in which version a package comes that is there.
    """

    packages: Mapping[str, str]
    without: frozenset[str]
    pins: Mapping[str, str] = field(default_factory=dict)

    def applied(self, environment: Environment, roots: Iterable[str] = (), *, lock: Path | None = None) -> Environment:
        """The environment with further distributions and what these require, changed as the owner wants it.

        What an added package requires comes along where just that version is installed here, and no lock decides.
        """
        added = () if lock else (name for name, version in self.packages.items() if _installed(name) == version)
        roots = {*roots, *added}
        if not (roots or self.packages or self.without or self.pins):
            return environment
        found = {name: version for name, version in environment.packages.items() if name not in self.packages}
        bare = msgspec.structs.replace(environment, packages=found)
        packages = with_roots(bare, roots, lock=lock).packages
        if lock is None:
            packages |= {name: version for name, version in self.pins.items() if name in packages}
        packages |= self.packages
        kept = {name: version for name, version in sorted(packages.items()) if name not in self.without}
        return msgspec.structs.replace(environment, packages=kept)

    def without_gpu_code(self, environment: Environment) -> tuple["Changes", tuple[str, ...]]:
        """The same, with a package that has no code for GPUs instead of one that has; and what is to be said of it.

        Only where an index has just that version of it for Lambda, and the owner has not decided about the two.
        """
        packages, without, notes = dict(self.packages), set(self.without), []
        for name, smaller in STANDS_IN.items():
            version = environment.packages.get(name)
            if version is None or {name, smaller} & {*packages, *without, *(environment.packages.keys() - {name})}:
                continue
            if newest_in_lambda(smaller, f"=={version}", environment.python):
                packages[smaller] = version
                without.add(name)
                notes.append(
                    f"a function gets {smaller} {version} for {name}, the same library without code for GPUs "
                    f"(`--package {name}=={version}` keeps it)"
                )
        return Changes(packages, frozenset(without)), tuple(notes)

    def check(self, environment: Environment) -> None:
        """Raise PublishError where a package is left out that the environment does not have, or is needed as it is."""
        unknown = sorted(self.without - environment.packages.keys())
        if unknown:
            raise PublishError(
                f"{', '.join(unknown)} cannot be left out, the model has {', '.join(environment.packages)}: name some "
                "of these"
            )
        name = "scikit-learn"
        used = environment.packages.get(name)
        wanted = {**self.pins, **self.packages}.get(name)
        if used and wanted and Version(wanted) != Version(used):
            raise PublishError(
                f"{name} {wanted} cannot load what {name} {used} has pickled: publish from an environment that has it"
            )


def checked_changes(
    packages: Mapping[str, str] | None, without: Collection[str], pins: Mapping[str, str] | None = None
) -> Changes:
    """Read what the owner gave; PublishError where one is not valid, or both given and left out."""
    if isinstance(without, str):
        raise PublishError(f"without is {without!r}: give a list of packages' names")
    given = {_name(name): _version(name, version) for name, version in (packages or {}).items()}
    left_out = frozenset(map(_name, without))
    both = sorted(left_out & given.keys())
    if both:
        raise PublishError(f"{', '.join(both)} is both given and left out: choose one of them")
    if len(given) < len(packages or {}):
        raise PublishError(f"packages are {', '.join(packages or ())}: name each of them once")
    return Changes(given, left_out, {_name(name): _version(name, version) for name, version in (pins or {}).items()})


def _name(text: str) -> str:
    try:
        return str(canonicalize_name(text, validate=True))
    except (InvalidName, TypeError) as error:
        raise PublishError(
            f"{text!r} is not a package's name: write it as an index does, for example pandas"
        ) from error


def _version(name: str, text: str) -> str:
    try:
        return str(Version(text))
    except (InvalidVersion, TypeError) as error:
        raise PublishError(f"package {name}: {text!r} is not an exact version: give one, for example 2.3.2") from error


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
