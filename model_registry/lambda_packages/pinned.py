"""The digests that a manifest has of its packages' wheels, for a layer and for environments on this machine."""

import platform
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from packaging.version import InvalidVersion, Version

from model_registry.lambda_packages.platform import ARCHITECTURES, LINUX, RUNTIMES, layer_system, machine
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.shipping import function_hashes, layer_packages
from model_registry.stored_wheels import chosen
from model_runtime.manifest import Environment

Hashes = dict[str, tuple[str, ...]]
"""By a package's name, the SHA-256 of which its wheel must have one."""


def layer_hashes(environment: Environment, architecture: str, *, signing: bool = False) -> Hashes:
    """The wheels that a layer may have: those of the manifest, and of what the handler needs besides."""
    own = {
        name: sha256 for name, sha256 in function_hashes(signing=signing).items() if name not in environment.packages
    }
    return own | {name: (sha256,) for name, sha256 in environment.hashes.get(architecture, {}).items()}


def layer_spec(
    environment: Environment, architecture: str, wheels: Iterable[Path] = (), *, signing: bool = False
) -> LayerSpec:
    """The layer of an environment's packages and of what the handler needs besides, from the wheels of the manifest.

    Args:
        environment: That of the format that is served.
        architecture: Lambda's.
        wheels: Files of packages that are on no index, also of those that this format does without.
        signing: Whether the function checks signatures.

    Raises:
        LayerError: Lambda has no such layer.
        EnvironmentBuildError: a file is not a wheel.

    """
    packages = layer_packages(environment.packages, signing=signing)
    system = layer_system()
    # A manifest has the digests of wheels for Lambda.
    hashes = layer_hashes(environment, architecture, signing=signing) if system == LINUX else {}
    own = chosen(wheels, environment.packages)
    return LayerSpec(environment.python, architecture, tuple(packages.items()), own, hashes, system)


def hashes_here(environment: Environment) -> Hashes:
    """The wheels that an environment on this machine may have; empty where the manifest has none for it.

    Where Lambda's run here they are taken, so that what is proven is what a layer has, byte for byte.
    """
    architecture = this_architecture(environment.python)
    if architecture is not None:
        return layer_hashes(environment, architecture) if architecture in environment.hashes else {}
    return {name: (sha256,) for name, sha256 in environment.hashes.get(sysconfig.get_platform(), {}).items()}


def this_architecture(python: str) -> str | None:
    """The architecture of Lambda's whose wheels for a Python minor version run on this machine; None where none do."""
    runtime = RUNTIMES.get(python)
    library, version = platform.libc_ver()
    if runtime is None or platform.system() != "Linux" or library != "glibc":
        return None
    try:
        if Version(version) < Version(runtime.image.glibc):
            return None
    except InvalidVersion:
        return None
    return next((one for one in ARCHITECTURES if machine(one) == platform.machine()), None)
