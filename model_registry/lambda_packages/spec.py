"""What a layer is made of, and the address of its content."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from model_registry.cache import file_digest
from model_registry.lambda_packages.errors import SpecError
from model_registry.lambda_packages.platform import LINUX, Runtime, check_architecture, runtime_for
from model_registry.stored_wheels import package_of
from model_registry.uv import requirement, wheel_requirement

# Increase when a rule changes what is in a layer of the same packages: it is part of the content address.
RECIPE = 8

# A function has no GPU. xgboost requires one of these, 360 MB, and never loads it without several GPUs.
_LEFT_OUT = "nvidia-"


@dataclass(frozen=True)
class LayerSpec:
    """What a layer is made of. The packages are complete: dependencies are not resolved.

    Names and versions are normalised (PEP 503, PEP 440) and sorted, so equal environments are equal specs. Packages of
    GPU libraries (`nvidia-*`) are left out. What comes as a wheel file counts among the packages, and instead of what
    they may say of the same distribution. Only what has one of the `hashes` of a package is installed for it.

    Raises:
        SpecError: the packages are not names with one exact version each.
        EnvironmentBuildError: a file is not a wheel.
        UnsupportedPythonError: Lambda has no runtime for this Python.
        UnsupportedArchitectureError: Lambda has no such architecture.

    """

    python: str  # "3.12"
    architecture: str  # "x86_64" or "arm64", Lambda's names
    packages: tuple[tuple[str, str], ...]  # (distribution, exact version)
    wheels: tuple[Path, ...] = ()  # of packages that are on no index
    hashes: Mapping[str, Collection[str]] = field(default_factory=dict)  # SHA-256 of which a package's wheel has one
    system: str = LINUX  # another than Lambda's for the local AWS

    def __post_init__(self) -> None:
        runtime_for(self.python)
        check_architecture(self.architecture)
        own = self._own
        pins = [(name, version) for name, version in self.packages if canonicalize_name(name) not in own]
        object.__setattr__(self, "packages", _normalized([*pins, *((name, own[name][0]) for name in own)]))
        hashes = {str(canonicalize_name(name)): tuple(sorted(found)) for name, found in self.hashes.items() if found}
        object.__setattr__(self, "hashes", {name: hashes[name] for name, _ in self.pins if name in hashes})

    @property
    def requirements(self) -> list[str]:
        """What `uv pip install` is asked for, as lines of a file of requirements."""
        own = [wheel_requirement(name, path, self._digests[path]) for name, (_, path) in self._own.items()]
        return sorted([*own, *(requirement(name, version, self.hashes.get(name, ())) for name, version in self.pins)])

    @property
    def pins(self) -> tuple[tuple[str, str], ...]:
        """The packages that come from an index."""
        own = self._own
        return tuple(pin for pin in self.packages if pin[0] not in own)

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The packages of which any wheel is taken that an index has."""
        return tuple(name for name, _ in self.pins if name not in self.hashes)

    @property
    def stored(self) -> dict[str, str]:
        """The SHA-256 of each package that comes as a file."""
        return {name: self._digests[path] for name, (_, path) in self._own.items()}

    @cached_property
    def _digests(self) -> dict[Path, str]:
        return {path: file_digest(path) for path in self.wheels}

    @cached_property
    def _own(self) -> dict[str, tuple[str, Path]]:
        return {name: (str(version), path) for path in self.wheels for name, version in [package_of(path.name)]}

    @property
    def runtime(self) -> Runtime:
        """Lambda's runtime for this Python."""
        return runtime_for(self.python)

    @cached_property
    def key(self) -> str:
        """The content address: sha256 of all that decides what is in the layer. Wheel files are read for it, once."""
        inputs: dict[str, Any] = {
            "recipe": RECIPE,
            "python": self.python,
            "platform": self.runtime.platform(self.architecture, self.system),
            "packages": self.packages,
        }
        if self.wheels:
            inputs["wheels"] = sorted(self._digests.values())
        if self.hashes:
            inputs["hashes"] = self.hashes
        return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_left_out(name: str) -> bool:
    """Whether a layer does without a package, by its normalised name, though another requires it."""
    return name.startswith(_LEFT_OUT)


def _normalized(packages: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    if not packages:
        raise SpecError("the layer has no packages: a model's manifest must list those that it needs")
    try:
        pins = {(canonicalize_name(name, validate=True), str(Version(version))) for name, version in packages}
    except (InvalidName, InvalidVersion) as error:
        raise SpecError(f"{error}: a layer needs package names with one exact version each") from error
    pins = {pin for pin in pins if not is_left_out(pin[0])}
    counts = Counter(name for name, _ in pins)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise SpecError(f"more than one version is given of {', '.join(twice)}: state one exact version each")
    return tuple(sorted(pins))
