"""Build the Lambda layer of a model from its pinned packages; cached by content address.

`build_layer(LayerSpec(...))` gives a zip whose bytes are the same on every machine:
the wheels are those of Lambda's platform whatever the machine is, unneeded files are left out (`pruning`),
modules are sourceless bytecode that does not depend on the process that compiled it (`bytecode`), and the
archive is canonical (`zip`, which names the one dependence left: the zlib build). The compiler
is CPython of the layer's minor version; two patch releases could in principle compile a module differently.

The errors are in `infra.layer.errors`, and those of uv in `model_runtime.errors`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from infra.layer import wheels as layer_wheels
from infra.layer.bytecode import compile_tree, undocumented
from infra.layer.errors import LayerTooLargeError, SpecError
from infra.layer.install import pip_install
from infra.layer.installed import owners
from infra.layer.platform import Runtime, check_architecture, runtime_for
from infra.layer.pruning import kept
from infra.layer.zip import write_zip
from model_registry.cache import cache_folder, workspace
from model_registry.environments import find_interpreter
from model_runtime.errors import InterpreterNotFoundError

# Increase when a rule changes what is in a layer of the same packages: it is part of the content address.
RECIPE = 3
# Function and all its layers, unzipped. Source: "Lambda quotas" in the AWS Lambda developer guide.
LIMIT_UNZIPPED = 262_144_000

_LARGEST = 8  # packages named when a layer is too large

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LayerSpec:
    """What a layer is made of. The packages are complete: dependencies are not resolved.

    Names and versions are normalised (PEP 503, PEP 440) and sorted, so equal environments are equal specs.
    Raises SpecError, UnsupportedPythonError and UnsupportedArchitectureError.
    """

    python: str  # "3.12"
    architecture: str  # "x86_64" or "arm64", Lambda's names
    packages: tuple[tuple[str, str], ...]  # (distribution, exact version)

    def __post_init__(self) -> None:
        runtime_for(self.python)
        check_architecture(self.architecture)
        object.__setattr__(self, "packages", _normalized(self.packages))

    @property
    def runtime(self) -> Runtime:
        """Lambda's runtime for this Python."""
        return runtime_for(self.python)

    @property
    def key(self) -> str:
        """The content address: sha256 of all that decides what is in the layer."""
        inputs = {
            "recipe": RECIPE,
            "python": self.python,
            "platform": self.runtime.platform(self.architecture),
            "packages": self.packages,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class PackageSize:
    """What one package takes of the layer."""

    name: str
    version: str
    unzipped_bytes: int


@dataclass(frozen=True)
class Layer:
    """A layer that was built, or found in the cache."""

    path: Path
    key: str
    sha256: str  # of the zip, hex
    content_sha256: str  # of names and contents: equal across zlib builds
    zip_bytes: int
    unzipped_bytes: int
    packages: tuple[PackageSize, ...]  # largest first
    cached: bool

    def report(self) -> str:
        """Sizes for a terminal: the totals against Lambda's limit, then each package."""
        share = self.unzipped_bytes / LIMIT_UNZIPPED
        origin = "from the cache" if self.cached else "built"
        total = (
            f"layer {self.key[:12]} ({origin}): {_mb(self.zip_bytes)} zipped, {_mb(self.unzipped_bytes)} unzipped, "
            f"{share:.0%} of Lambda's limit of {_mb(LIMIT_UNZIPPED)}"
        )
        return "\n".join([total, *_lines(self.packages)])


def build_layer(
    spec: LayerSpec,
    cache: Path | None = None,
    progress: Progress = lambda _line: None,
    *,
    reserve: int = 0,
    limit: int | None = None,
) -> Layer:
    """Give the layer of `spec`, from the cache if it is there and whole.

    `reserve` is what the function's own code takes of `limit` (LIMIT_UNZIPPED by default), both in bytes unzipped.
    Installing comes first, so a missing wheel is known before anything else is done. An interrupted or failed build
    leaves nothing; concurrent builds of one layer are safe, the last one wins.

    Raises:
        LayerError: the layer cannot be built.
        EnvironmentBuildError: uv or the Python that compiles the layer is not on this machine.

    """
    cache = (cache or cache_folder("layers")).absolute()
    limit = LIMIT_UNZIPPED if limit is None else limit
    layer = _load(cache, spec.key)
    if layer is None:
        layer = _build(spec, cache, progress, limit - reserve)
    # A cached layer was built under another reserve, perhaps.
    _check_size(layer.packages, layer.unzipped_bytes, limit - reserve)
    return layer


def _build(spec: LayerSpec, cache: Path, progress: Progress, allowed: int) -> Layer:
    with workspace(cache) as work:
        progress(f"resolving {len(spec.packages)} packages for {spec.runtime} on {spec.architecture}")
        tree = work / "tree"
        requirements = [f"{name}=={version}" for name, version in spec.packages]
        outcome = pip_install(requirements, tree, spec.runtime, spec.architecture, progress=progress)
        if not outcome.ok:
            raise layer_wheels.explain(spec.packages, spec.runtime, spec.architecture, outcome)
        interpreter = _compiler(spec.python)
        owner = owners(tree, spec.packages)
        names = kept(tree, owner)
        progress(f"compiling {sum(name.endswith('.py') for name in names):,} modules for Python {spec.python}")
        prefix = f"/opt/{spec.runtime.site_packages}"
        files = compile_tree(
            names,
            tree,
            work / "bytecode",
            interpreter=interpreter,
            prefix=prefix,
            undocumented=undocumented(spec.packages),
        )
        sizes = _sizes(spec, files, owner)
        total = sum(size.unzipped_bytes for size in sizes)
        _check_size(sizes, total, allowed)
        progress(f"writing zip of {_mb(total)}")
        archive = work / "layer.zip"
        content = write_zip(archive, {f"{spec.runtime.site_packages}/{name}": path for name, path in files.items()})
        record = {
            "sha256": _sha256(archive),
            "content_sha256": content,
            "zip_bytes": archive.stat().st_size,
            "unzipped_bytes": total,
            "packages": [asdict(size) for size in sizes],
        }
        return _commit(cache, spec.key, work, archive, record)


def _compiler(python: str) -> str:
    try:
        return find_interpreter(python)
    except InterpreterNotFoundError as error:
        raise InterpreterNotFoundError(f"Python {python} must compile the layer's bytecode, and {error}") from error


def _commit(cache: Path, key: str, work: Path, archive: Path, record: dict[str, Any]) -> Layer:
    """Move the zip into the cache, then the record that makes it valid."""
    description = work / "layer.json"
    description.write_text(json.dumps(record, indent=1), encoding="utf-8")
    archive.replace(cache / f"{key}.zip")
    description.replace(cache / f"{key}.json")
    return _layer(cache / f"{key}.zip", key, record, cached=False)


def _load(cache: Path, key: str) -> Layer | None:
    """Read a layer from the cache; None unless its zip is exactly what its record says."""
    path = cache / f"{key}.zip"
    try:
        record = json.loads((cache / f"{key}.json").read_text(encoding="utf-8"))
        layer = _layer(path, key, record, cached=True)
        whole = path.stat().st_size == layer.zip_bytes and _sha256(path) == layer.sha256
    except (OSError, ValueError, KeyError, TypeError):  # absent, cut short or not ours: build it again
        return None
    return layer if whole else None


def _layer(path: Path, key: str, record: dict[str, Any], *, cached: bool) -> Layer:
    packages = tuple(PackageSize(**size) for size in record["packages"])
    return Layer(path, key, **{**record, "packages": packages}, cached=cached)


def _sizes(spec: LayerSpec, files: dict[str, Path], owner: dict[str, str]) -> tuple[PackageSize, ...]:
    totals: Counter[str] = Counter()
    for name, path in files.items():
        totals[owner.get(name) or owner[name.removesuffix("c")]] += path.stat().st_size
    sizes = (PackageSize(name, version, totals[name]) for name, version in spec.packages)
    return tuple(sorted(sizes, key=lambda size: (-size.unzipped_bytes, size.name)))


def _check_size(packages: tuple[PackageSize, ...], total: int, allowed: int) -> None:
    if total <= allowed:
        return
    rest = len(packages) - _LARGEST
    fact = (
        f"The layer is {_mb(total)} unzipped and Lambda leaves {_mb(allowed)} for it (function and layers together "
        f"may have {LIMIT_UNZIPPED:,} bytes). Train with fewer or smaller packages. The largest:"
    )
    more = [f"  and {rest} more"] if rest > 0 else []
    raise LayerTooLargeError("\n".join([fact, *_lines(packages[:_LARGEST]), *more]))


def _normalized(packages: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if not packages:
        raise SpecError("The layer has no packages. A model's manifest must list those that it needs.")
    try:
        pins = {(canonicalize_name(name, validate=True), str(Version(version))) for name, version in packages}
    except (InvalidName, InvalidVersion) as error:
        raise SpecError(f"{error}. A layer needs package names with one exact version each.") from error
    counts = Counter(name for name, _ in pins)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise SpecError(f"More than one version is given of: {', '.join(twice)}. State one exact version each.")
    return tuple(sorted(pins))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _lines(packages: tuple[PackageSize, ...]) -> list[str]:
    return [f"  {size.unzipped_bytes / 1e6:8.1f} MB  {size.name} {size.version}" for size in packages]
