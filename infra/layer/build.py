"""Build the Lambda layer of a model from its pinned packages; cached by content address.

`build_layer(LayerSpec(...))` gives a zip whose bytes are the same on every machine:
the wheels are those of Lambda's platform whatever the machine is, unneeded files are left out (`pruning`),
shared objects have only what is loaded (`shared_objects`), modules are sourceless bytecode that does not depend on the
process that compiled it (`bytecode`), and the archive is canonical (`zip`, which names the one dependence left: the
zlib build). The compiler is CPython of the layer's minor version; two patch releases could in principle compile a
module differently.

The errors are in `model_registry.lambda_packages.errors`, and those of uv in `model_runtime.errors`.
"""

import hmac
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.layer import deferred_imports
from infra.layer.bytecode import DEFERRED_IMPORTS, compile_tree, deferred
from infra.layer.importing import import_all, top_level_modules, why_not_here
from infra.layer.zip import write_zip
from model_registry.cache import cache_folder, file_digest, seal, workspace
from model_registry.environments import find_interpreter
from model_registry.lambda_packages import wheels as layer_wheels
from model_registry.lambda_packages.bom import bom
from model_registry.lambda_packages.docstrings import undocumented
from model_registry.lambda_packages.install import pip_install
from model_registry.lambda_packages.installed import owners
from model_registry.lambda_packages.linking import supplements
from model_registry.lambda_packages.pruning import kept
from model_registry.lambda_packages.shared_objects import with_trimmed
from model_registry.lambda_packages.size import LIMIT_UNZIPPED, PackageSize, check_size, lines, sizes
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.pace import Pace, Progress, megabytes
from model_runtime.errors import InterpreterNotFoundError

Trial = Callable[[Path, str], None]
"""Takes the folder in which a new layer is unpacked, as `/opt`, and an interpreter of its Python; raises LayerError."""


@dataclass(frozen=True)
class Layer:
    """A layer that was built, or found in the cache."""

    path: Path
    key: str
    sha256: str  # of the zip, hex
    zip_bytes: int
    unzipped_bytes: int
    packages: tuple[PackageSize, ...]  # largest first
    bom: str  # the bill of materials
    cached: bool

    def report(self) -> str:
        """Sizes for a terminal: the totals against Lambda's limit, then each package."""
        share = self.unzipped_bytes / LIMIT_UNZIPPED
        origin = "from the cache" if self.cached else "built"
        total = (
            f"layer {self.key[:12]} ({origin}): {megabytes(self.zip_bytes)} zipped, "
            f"{megabytes(self.unzipped_bytes)} unzipped, {share:.0%} of Lambda's limit of {megabytes(LIMIT_UNZIPPED)}"
        )
        return "\n".join([total, *lines(self.packages)])


def build_layer(
    spec: LayerSpec,
    cache: Path | None = None,
    progress: Progress = lambda _line: None,
    *,
    reserve: int = 0,
    trial: Trial | None = None,
) -> Layer:
    """Give the layer of `spec`, from the cache if it is there and whole.

    `reserve` is what the function's own code takes of LIMIT_UNZIPPED, both in bytes unzipped. A layer that is built
    and that this machine can run is imported, and must pass the `trial`, before it is kept.
    Installing comes first, so a missing wheel is known before anything else is done. An interrupted or failed build
    leaves nothing; concurrent builds of one layer are safe, the last one wins.

    Raises:
        LayerError: the layer cannot be built.
        EnvironmentBuildError: uv or the Python that compiles the layer is not on this machine.

    """
    cache = (cache or cache_folder("layers")).absolute()
    layer = _load(cache, spec)
    if layer is None:
        layer = _build(spec, cache, progress, reserve, trial)
    # A cached layer was built under another reserve, perhaps.
    check_size(layer.packages, limit=LIMIT_UNZIPPED, reserve=reserve)
    return layer


def _build(spec: LayerSpec, cache: Path, progress: Progress, reserve: int, trial: Trial | None) -> Layer:
    with workspace(cache) as work:
        tree = _install(spec, work / "tree", progress)
        interpreter = _compiler(spec.python)
        files, owner = _files(spec, tree, work / "bytecode", interpreter, progress)
        files = with_trimmed(files, work / "objects")
        found = sizes(spec.packages, files, owner)
        check_size(found, limit=LIMIT_UNZIPPED, reserve=reserve)
        total = sum(size.unzipped_bytes for size in found)
        progress(f"writing zip of {megabytes(total)}")
        archive = work / "layer.zip"
        write_zip(archive, files, Pace("writing zip", total, progress))
        if (reason := why_not_here(spec.runtime, spec.architecture, spec.system)) is None:
            _import(spec, archive, work / "opt", owner, progress)
            if trial:
                trial(work / "opt", find_interpreter(spec.python))
        else:
            progress(f"neither importing from the layer nor asking it here: {reason}")
        record = {
            "sha256": file_digest(archive),
            "zip_bytes": archive.stat().st_size,
            "unzipped_bytes": total,
            "packages": [asdict(size) for size in found],
        }
        return _commit(cache, spec, work, archive, record)


def _install(spec: LayerSpec, tree: Path, progress: Progress) -> Path:
    progress(f"resolving {len(spec.packages)} packages for {spec.runtime} on {spec.architecture}")
    outcome = pip_install(
        spec.requirements, tree, spec.runtime, spec.architecture, system=spec.system, progress=progress
    )
    if not outcome.ok:
        raise layer_wheels.explain(spec.pins, spec.runtime, spec.architecture, outcome)
    return tree


def _files(
    spec: LayerSpec, tree: Path, bytecode: Path, interpreter: str, progress: Progress
) -> tuple[dict[str, Path], dict[str, str]]:
    """Choose and compile; returns where each file of the layer is on disk, and its package."""
    site_packages = spec.runtime.site_packages
    owner = owners(tree, spec.packages)
    packages_deferred = deferred(spec.packages)
    if packages_deferred:
        shutil.copyfile(deferred_imports.__file__, tree / DEFERRED_IMPORTS)
        *_, owner[DEFERRED_IMPORTS] = packages_deferred
    names = kept(tree, owner)
    added = supplements({name: tree / name for name in names}, spec.runtime, owner)
    progress(f"compiling {sum(name.endswith('.py') for name in names):,} modules for Python {spec.python}")
    compiled = compile_tree(
        names,
        tree,
        bytecode,
        interpreter=interpreter,
        prefix=f"/opt/{site_packages}",
        undocumented=undocumented(spec.packages),
        deferred=packages_deferred.values(),
    )
    files = {f"{site_packages}/{name}": path for name, path in compiled.items()}
    of_file = {f"{site_packages}/{name}": owner.get(name) or owner[name.removesuffix("c")] for name in compiled}
    for library, path in added.items():
        files[f"lib/{library}"] = path
        of_file[f"lib/{library}"] = owner[path.relative_to(tree).as_posix()]
    return files, of_file


def _import(spec: LayerSpec, archive: Path, folder: Path, owner: dict[str, str], progress: Progress) -> None:
    site_packages = f"{spec.runtime.site_packages}/"
    modules = top_level_modules({name.removeprefix(site_packages): package for name, package in owner.items()})
    progress(f"importing {', '.join(modules)} from the layer")
    import_all(archive, folder, spec.runtime, interpreter=find_interpreter(spec.python), modules=modules)


def _compiler(python: str) -> str:
    try:
        return find_interpreter(python)
    except InterpreterNotFoundError as error:
        raise InterpreterNotFoundError(f"Python {python} must compile the layer's bytecode, and {error}") from error


def _commit(cache: Path, spec: LayerSpec, work: Path, archive: Path, record: dict[str, Any]) -> Layer:
    """Move the zip into the cache, then the record that makes it valid."""
    description = work / "layer.json"
    sealed = {"seal": _seal(spec, record["sha256"]), **record}
    description.write_text(json.dumps(sealed, indent=1), encoding="utf-8")
    archive.replace(cache / f"{spec.key}.zip")
    description.replace(cache / f"{spec.key}.json")
    return _layer(cache / f"{spec.key}.zip", spec, record, cached=False)


def _load(cache: Path, spec: LayerSpec) -> Layer | None:
    """Read a layer from the cache; None unless its zip is exactly what this user built for the spec."""
    path = cache / f"{spec.key}.zip"
    try:
        record = json.loads((cache / f"{spec.key}.json").read_text(encoding="utf-8"))
        sealed = record.pop("seal")
        layer = _layer(path, spec, record, cached=True)
        ours = hmac.compare_digest(sealed, _seal(spec, layer.sha256))
        whole = ours and path.stat().st_size == layer.zip_bytes and file_digest(path) == layer.sha256
    except (OSError, ValueError, KeyError, TypeError):  # absent, cut short or not ours: build it again
        return None
    return layer if whole else None


def _seal(spec: LayerSpec, sha256: str) -> str:
    """The record alone vouches for nothing, as whoever can replace the zip can replace that too."""
    return seal(f"layer {spec.key} {sha256}")


def _layer(path: Path, spec: LayerSpec, record: dict[str, Any], *, cached: bool) -> Layer:
    packages = tuple(PackageSize(**size) for size in record["packages"])
    return Layer(path, spec.key, **{**record, "packages": packages}, bom=bom(spec), cached=cached)
