"""Which package each installed file belongs to."""

import csv
import importlib.metadata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from model_registry.lambda_packages.errors import InstallError


def owners(tree: Path, packages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map each installed file, relative to the tree, to the normalised name of its package.

    Raises InstallError when the installed packages are not exactly `packages`.
    """
    found = list(importlib.metadata.distributions(path=[str(tree)]))
    installed = {(canonicalize_name(item.name), item.version) for item in found}
    difference = installed ^ set(packages)
    if difference:
        listed = ", ".join(sorted(f"{name} {version}" for name, version in difference))
        raise InstallError(f"uv installed other packages than the model's: {listed} differ: check the package index")
    owner: dict[str, str] = {}
    for item in found:
        package = canonicalize_name(item.name)  # once: each access parses the metadata again
        names = (name for name in _record(item) if ".." not in PurePosixPath(name).parts)
        owner.update((name, package) for name in names if (tree / name).is_file())
    return owner


def _record(item: importlib.metadata.Distribution) -> Iterator[str]:
    for row in csv.reader((item.read_text("RECORD") or "").splitlines()):
        yield row[0].replace("\\", "/")
