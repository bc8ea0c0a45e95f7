"""Which wheels an index has for packages, by the SHA-256 of their bytes.

The answer of uv's own index is kept for a day, and longer while it does not answer: files do not change there. Another
index, or a folder that has one of the packages, is asked each time.
"""

import contextlib
import hashlib
import json
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec
from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.utils import parse_wheel_filename

from model_registry import uv
from model_registry.cache import cache_folder, workspace
from model_registry.lambda_packages.platform import RUNTIMES, Runtime, machine
from model_registry.lambda_packages.spec import is_left_out
from model_registry.lambda_packages.wheels import is_unreachable
from model_runtime.errors import EnvironmentBuildError
from model_runtime.manifest import Source

_KEPT_SECONDS = 24 * 3600
_ALIASES = {17: ("manylinux2014",), 12: ("manylinux2010",), 5: ("manylinux1",)}
"""What PEP 600 lets manylinux_2_N be called besides."""

Digests = dict[str, tuple[str, Source]]
"""By a package's name, the SHA-256 of its wheel and what that came from."""


def digests_of(packages: Mapping[str, str], python: str, architecture: str | None) -> Digests:
    """The wheels that uv takes of exact pins for a Python minor version on Lambda, or for this machine.

    Empty where a package has no such wheel, or no index has the package.

    Args:
        packages: Exact versions by name.
        python: Minor version, such as `3.12`.
        architecture: Lambda's, or None for this machine.

    Raises:
        EnvironmentBuildError: the index does not answer.
        UvNotFoundError: uv is not installed.

    """
    lines = sorted(uv.requirement(name, version) for name, version in packages.items() if not is_left_out(name))
    inputs = [lines, python, architecture or sysconfig.get_platform(), uv.origin()]
    kept = cache_folder("digests") / f"{hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()}.json"
    found, seconds = _read(kept)
    if found is not None and seconds < _KEPT_SECONDS:
        return found
    try:
        fresh = _asked(lines, python, architecture)
    except EnvironmentBuildError:
        if found is not None:
            return found
        raise
    if not uv.names_an_index() and all(source == "default" for _, source in fresh.values()):
        with contextlib.suppress(OSError), workspace(kept.parent) as work:  # a cache must not make a publish fail
            (work / kept.name).write_bytes(msgspec.json.encode(fresh))
            (work / kept.name).replace(kept)
    return fresh


def _read(kept: Path) -> tuple[Digests | None, float]:
    """What was kept, if it is whole, and its age in seconds."""
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Digests), time.time() - kept.stat().st_mtime
    except (OSError, msgspec.MsgspecError):
        return None, 0.0


def _asked(lines: list[str], python: str, architecture: str | None) -> Digests:
    with tempfile.TemporaryDirectory(prefix="digests-") as folder:
        asked = Path(folder, "requirements.in")
        asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
        outcome = uv.run(
            [
                *("pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:", "--generate-hashes"),
                *("--format", "pylock.toml", "--no-header", "--no-annotate"),
                *("--python", sys.executable, "--no-python-downloads", "--python-version", python),
                *(["--python-platform", RUNTIMES[python].platform(architecture)] if architecture else []),
                *("--", asked),
            ]
        )
    if not outcome.ok and is_unreachable(outcome):
        raise EnvironmentBuildError(f"uv says: {outcome.tail}")
    if not outcome.ok:
        return {}
    of_index: Source = "named" if uv.names_an_index() else "default"
    found: Digests = {}
    ranks = {tag: rank for rank, tag in enumerate(_tags(python, architecture))}
    for package in tomllib.loads(outcome.printed).get("packages", []):
        wheel = min(package["wheels"], key=lambda each: _rank(each["url"], ranks))
        found[package["name"]] = (wheel["hashes"]["sha256"], "folder" if wheel["url"].startswith("file:") else of_index)
    return found


def _rank(url: str, ranks: Mapping[Tag, int]) -> int:
    """Of several wheels, a package of which fits a platform, uv takes the one that asks for most."""
    *_, tags = parse_wheel_filename(unquote(url.rpartition("/")[2]))
    return min((ranks[tag] for tag in tags if tag in ranks), default=len(ranks))


def _tags(python: str, architecture: str | None) -> Iterator[Tag]:
    """The tags of a platform's wheels, those first that ask for most (PEP 425, PEP 600)."""
    major, minor = map(int, python.split("."))
    platforms = list(platform_tags()) if architecture is None else _lambda_platforms(RUNTIMES[python], architecture)
    yield from cpython_tags((major, minor), abis=[f"cp{major}{minor}"], platforms=platforms)
    yield from compatible_tags((major, minor), f"cp{major}{minor}", platforms)


def _lambda_platforms(runtime: Runtime, architecture: str) -> list[str]:
    newest = {"manylinux2014": 17, "manylinux_2_34": 34}[runtime.image.wheels]
    names = [[f"manylinux_2_{minor}", *_ALIASES.get(minor, ())] for minor in range(newest, 4, -1)]
    return [f"{name}_{machine(architecture)}" for each in names for name in each]
