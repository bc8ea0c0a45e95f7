"""Why packages cannot be installed for Lambda, in words that lead to a remedy.

uv names the first package that it fails on. Here each package is tried alone (dry runs, some tenths of a second), so
that the message names all of them, and other Pythons, architectures and versions are tried, so that the remedy is known
to work and not guessed.
"""

import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_registry.lambda_packages.errors import (
    IndexUnreachableError,
    InstallError,
    PackageNotFoundError,
    WheelChangedError,
    WheelNotFoundError,
)
from model_registry.lambda_packages.install import pip_install
from model_registry.lambda_packages.platform import ARCHITECTURES, RUNTIMES, Runtime
from model_registry.uv import Outcome

_PARALLEL = 4  # uv is idle most of the time, waiting for the index

# What uv has said since 0.9 at least, when the index does not answer ...
_UNREACHABLE = ("failed to fetch", "error sending request", "network was disabled", "network connectivity is disabled")
_OTHER_BYTES = ("hash mismatch", "no matching hash", "hashes do not match")
# ... and when it does, and the answer is no.
_UNKNOWN_PACKAGE = ("was not found in", "was not found,")
_UNKNOWN_VERSION = ("there is no version of", "there are no versions of")
_NO_WHEEL = ("no usable wheels", "no wheels", "wheels are required")

Package = tuple[str, str]  # name and exact version


def explain(packages: Iterable[Package], runtime: Runtime, architecture: str, failed: Outcome) -> InstallError:
    """Turn a failed installation of `packages` into the error that describes it best."""
    if is_unreachable(failed):
        return _unreachable(failed)
    if _says(failed, _OTHER_BYTES):
        return WheelChangedError(
            "the package index has other wheels than the model was published with: find out who replaced them, or "
            f"publish again if that was right; uv says:\n{failed.tail}"
        )
    packages = tuple(packages)
    outcomes = dict(
        zip(packages, _try_all([[_text(package)] for package in packages], runtime, architecture), strict=True)
    )
    bad = {package: outcome for package, outcome in outcomes.items() if not outcome.ok}
    for outcome in bad.values():
        if is_unreachable(outcome):
            return _unreachable(outcome)
    unknown = [package for package, outcome in bad.items() if _says(outcome, (*_UNKNOWN_PACKAGE, *_UNKNOWN_VERSION))]
    if unknown:
        return _not_found(unknown, bad)
    missing = [package for package, outcome in bad.items() if _says(outcome, _NO_WHEEL)]
    if missing and len(missing) == len(bad):
        return _no_wheel(packages, missing, runtime, architecture)
    return InstallError(f"uv could not install the layer's packages for {runtime} and says:\n{failed.tail}")


def without_wheel(packages: Iterable[Package], runtime: Runtime, architecture: str) -> list[Package]:
    """Those of the packages that the index has, without a wheel for this platform.

    Raises IndexUnreachableError where the index does not answer.
    """
    packages = tuple(packages)
    outcomes = _try_all([[_text(package)] for package in packages], runtime, architecture)
    for outcome in outcomes:
        if not outcome.ok and is_unreachable(outcome):
            raise _unreachable(outcome)
    tried = zip(packages, outcomes, strict=True)
    return [package for package, outcome in tried if not outcome.ok and _says(outcome, _NO_WHEEL)]


def is_unreachable(outcome: Outcome) -> bool:
    """Whether uv failed because an index does not answer."""
    return _says(outcome, _UNREACHABLE)


def _says(outcome: Outcome, phrases: Iterable[str]) -> bool:
    text = outcome.text.lower()
    return any(phrase in text for phrase in phrases)


def _unreachable(outcome: Outcome) -> InstallError:
    return IndexUnreachableError(
        "the package index does not answer: check the network, or name your own index with UV_DEFAULT_INDEX; "
        f"uv says:\n{outcome.tail}"
    )


def _not_found(unknown: list[Package], bad: dict[Package, Outcome]) -> InstallError:
    facts = [
        f"there is no package {name!r}"
        if _says(bad[name, version], _UNKNOWN_PACKAGE)
        else f"{name} has no version {version}"
        for name, version in unknown
    ]
    return PackageNotFoundError(
        f"the package index does not have what the model was trained with: {', '.join(facts)}: train with published "
        f"packages, or name the index that has them with UV_INDEX; uv says:\n{bad[unknown[0]].tail}"
    )


def _no_wheel(
    packages: tuple[Package, ...], missing: list[Package], runtime: Runtime, architecture: str
) -> InstallError:
    names = ", ".join(f"{name} {version}" for name, version in missing)
    verb = "has" if len(missing) == 1 else "have"
    remedies = [
        *_other_python(packages, runtime, architecture),
        *_other_architecture(packages, runtime, architecture),
        *_earlier_versions(missing, runtime, architecture),
    ]
    remedy = ", or ".join(remedies) if remedies else "use packages that publish wheels for Linux"
    return WheelNotFoundError(
        f"{names} {verb} no wheel for Lambda's {runtime.name} on {architecture} ({runtime.image.system}, glibc "
        f"{runtime.image.glibc}): {remedy}"
    )


def _other_python(packages: tuple[Package, ...], runtime: Runtime, architecture: str) -> list[str]:
    others = [other for other in RUNTIMES.values() if other != runtime]
    works = [other.python for other in others if _installs(packages, other, architecture)]
    return [f"train with Python {_either(works)}"] if works else []


def _other_architecture(packages: tuple[Package, ...], runtime: Runtime, architecture: str) -> list[str]:
    others = [other for other in ARCHITECTURES if other != architecture]
    works = [other for other in others if _installs(packages, runtime, other)]
    return [f"deploy to {_either(works)}"] if works else []


def _earlier_versions(missing: list[Package], runtime: Runtime, architecture: str) -> list[str]:
    tries = _try_all([[f"{name}<{version}"] for name, version in missing], runtime, architecture)
    found = [package for outcome in tries if outcome.ok for package in outcome.packages]
    if len(found) != len(missing):
        return []
    earlier = ", ".join(f"{name} {version}" for name, version in found)
    return [f"train with earlier versions that have one ({earlier})"]


def _either(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _installs(packages: tuple[Package, ...], runtime: Runtime, architecture: str) -> bool:
    return _try([_text(package) for package in packages], runtime, architecture).ok


def _try_all(requirements: list[list[str]], runtime: Runtime, architecture: str) -> list[Outcome]:
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(lambda some: _try(some, runtime, architecture), requirements))


def _try(requirements: list[str], runtime: Runtime, architecture: str) -> Outcome:
    # Even in a dry run, uv makes the target folder and a lock file in it.
    with tempfile.TemporaryDirectory(prefix="sklearn-on-lambda-") as folder:
        return pip_install(requirements, Path(folder), runtime, architecture, dry_run=True)


def _text(package: Package) -> str:
    return f"{package[0]}=={package[1]}"
