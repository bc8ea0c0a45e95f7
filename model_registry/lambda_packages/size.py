"""What the packages of a layer take, against Lambda's limit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_registry.lambda_packages.errors import LayerTooLargeError
from model_registry.pace import megabytes

# Function and all its layers, unzipped. Source: "Lambda quotas" in the AWS Lambda developer guide.
LIMIT_UNZIPPED = 262_144_000

_LARGEST = 8  # packages named when a layer is too large
# What works for a package that takes much of the limit.
_SMALLER = {"xgboost": "train with `xgboost-cpu`, which is the same library without GPU code"}


@dataclass(frozen=True)
class PackageSize:
    """What one package takes of the layer."""

    name: str
    version: str
    unzipped_bytes: int


def sizes(
    packages: Iterable[tuple[str, str]], files: Mapping[str, Path], owner: Mapping[str, str]
) -> tuple[PackageSize, ...]:
    """Add up the files of each package, the largest package first."""
    totals: Counter[str] = Counter()
    for name, path in files.items():
        totals[owner[name]] += path.stat().st_size
    found = (PackageSize(name, version, totals[name]) for name, version in packages)
    return tuple(sorted(found, key=lambda size: (-size.unzipped_bytes, size.name)))


def check_size(packages: Sequence[PackageSize], *, limit: int, reserve: int) -> None:
    """Raise LayerTooLargeError where the packages take more than is left.

    `reserve` is what the function's own code takes of `limit`, both in bytes.
    """
    if sum(size.unzipped_bytes for size in packages) > limit - reserve:
        raise LayerTooLargeError(too_large(packages, limit - reserve, limit))


def too_large(packages: Sequence[PackageSize], allowed: int, limit: int = LIMIT_UNZIPPED) -> str:
    """Say by how much packages exceed what is allowed, what helps, and which are the largest."""
    total, rest = sum(size.unzipped_bytes for size in packages), len(packages) - _LARGEST
    fact = (
        f"the layer is {megabytes(total)} unzipped, {megabytes(total - allowed)} over the {megabytes(allowed)} that "
        f"Lambda leaves for it (function and layers together may have {limit:,} bytes): {_remedy(packages, allowed)}; "
        "the largest are"
    )
    more = [f"  and {rest} more"] if rest > 0 else []
    return "\n".join([fact, *lines(packages[:_LARGEST]), *more])


def _remedy(packages: Sequence[PackageSize], allowed: int) -> str:
    onnx = "publish with `--onnx` and deploy that format"
    replaced = next((_SMALLER[size.name] for size in packages if size.name in _SMALLER), None)
    if replaced is None and packages[0].unzipped_bytes > allowed:
        return f"no function has room for {packages[0].name}; {onnx}"
    return f"{replaced or 'train with fewer or smaller packages'}, or {onnx}"


def lines(packages: Sequence[PackageSize]) -> list[str]:
    """Write a package a line, with its size first."""
    return [f"  {size.unzipped_bytes / 1e6:8.1f} MB  {size.name} {size.version}" for size in packages]
