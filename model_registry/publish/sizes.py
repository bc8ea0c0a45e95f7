"""Whether the formats of a version fit into a function, found before anything is written."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from model_registry import shipping
from model_registry.cache import cache_folder, workspace
from model_registry.lambda_packages.errors import IndexUnreachableError, LayerError, WheelNotFoundError
from model_registry.lambda_packages.estimate import LayerSize, layer_size
from model_registry.lambda_packages.platform import ARCHITECTURES
from model_registry.lambda_packages.size import LIMIT_UNZIPPED, PackageSize
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.pace import Progress, megabytes
from model_registry.stored_wheels import chosen
from model_runtime.errors import PublishError
from model_runtime.manifest import FormatName, Manifest

_DECIDES = "x86_64"
"""The architecture that a stack has unless it is told otherwise: what does not fit there is refused."""
# Increase when a rule of `layer_size` changes the size of the same layer.
_RECIPE = 1
_REFUSED_SECONDS = 24 * 3600

_Outcome = LayerSize | LayerError


@dataclass(frozen=True)
class Fitting:
    """The formats that fit, empty for all as the manifest has it, and what is to be said of each."""

    deployable: tuple[FormatName, ...]
    notes: tuple[str, ...]


def fitting(
    manifest: Manifest,
    own_code: Mapping[str, Path],
    wheels: Sequence[Path] = (),
    *,
    progress: Progress = lambda _line: None,
) -> Fitting:
    """Add up the layer of each format from its wheels for Lambda, for both architectures.

    Raises:
        PublishError: no format fits into a function on x86_64, by how much and what helps; or the package index does
            not answer, so that nobody knows.
        UvNotFoundError: uv is not installed.

    """
    progress("adding up the sizes of the packages")
    names: list[FormatName] = ["joblib", *(name for name in ("skops", "onnx") if name in manifest.formats)]
    wanted = [(name, architecture) for name in names for architecture in ARCHITECTURES]
    with ThreadPoolExecutor(len(ARCHITECTURES)) as pool:
        outcomes = pool.map(lambda each: _outcome(manifest, each, own_code, wheels, progress), wanted)
        found = dict(zip(wanted, outcomes, strict=True))
    unfit = {name: why for name in names if (why := _why_not(found[name, _DECIDES]))}
    if len(unfit) == len(names):
        raise PublishError(f"{manifest.name} does not fit into a function: {unfit['joblib']}")
    notes = tuple(_note(name, {one: found[name, one] for one in ARCHITECTURES}) for name in names)
    fit = tuple(name for name in names if name not in unfit)
    if "joblib" in unfit:
        notes = (*notes, f"deploy it with `pulumi config set format {fit[0]}`")
    return Fitting(fit if unfit else (), notes)


def _outcome(
    manifest: Manifest,
    wanted: tuple[FormatName, str],
    own_code: Mapping[str, Path],
    wheels: Sequence[Path],
    progress: Progress,
) -> _Outcome:
    name, architecture = wanted
    environment = manifest.model_format(name).environment
    reserve = shipping.reserved_bytes({} if name == "onnx" else own_code)
    packages = tuple(shipping.layer_packages(environment.packages).items())
    try:
        spec = LayerSpec(environment.python, architecture, packages, chosen(wheels, environment.packages))
        return LayerSize(_kept_sizes(spec, progress), LIMIT_UNZIPPED - reserve)
    except IndexUnreachableError as error:
        if architecture != _DECIDES:
            return error
        raise PublishError(
            f"{error}; without it, whether {manifest.name} fits into a function is not known: publish later, or with "
            "`--proof process`"
        ) from error
    except LayerError as error:
        return error


def _kept_sizes(spec: LayerSpec, progress: Progress) -> tuple[PackageSize, ...]:
    """The sizes of a layer's packages, added up once for the same layer."""
    kept = cache_folder("sizes") / f"{spec.key[:32]}-{_RECIPE}.json"
    try:
        sizes = msgspec.json.decode(kept.read_bytes(), type=tuple[PackageSize, ...])
    except (OSError, msgspec.MsgspecError):  # not there, or cut off
        sizes = _added_up(spec, progress)
        with contextlib.suppress(OSError), workspace(kept.parent) as work:  # a cache must not make a publish fail
            (work / kept.name).write_bytes(msgspec.json.encode(sizes))
            (work / kept.name).replace(kept)
    return sizes


def _added_up(spec: LayerSpec, progress: Progress) -> tuple[PackageSize, ...]:
    """The sizes of the packages. That one has no wheel takes long to explain and is kept for a day: it may get one."""
    of_index = LayerSpec(spec.python, spec.architecture, spec.pins)
    refused = cache_folder("sizes") / f"{of_index.key[:32]}-{_RECIPE}.txt"
    with contextlib.suppress(OSError):
        if time.time() - refused.stat().st_mtime < _REFUSED_SECONDS:
            raise WheelNotFoundError(refused.read_text(encoding="utf-8"))
    try:
        packages, wheels = dict(spec.packages), spec.wheels
        return layer_size(packages, spec.python, spec.architecture, wheels=wheels, progress=progress).packages
    except WheelNotFoundError as error:
        with contextlib.suppress(OSError), workspace(refused.parent) as work:
            (work / refused.name).write_text(str(error), encoding="utf-8")
            (work / refused.name).replace(refused)
        raise


def _why_not(outcome: _Outcome) -> str:
    """Why a function cannot have it; empty where it can."""
    return str(outcome) if isinstance(outcome, LayerError) or outcome.over else ""


def _note(name: str, outcomes: Mapping[str, _Outcome]) -> str:
    parts = []
    for architecture, outcome in outcomes.items():
        reason = _why_not(outcome)
        if reason or isinstance(outcome, LayerError):
            parts.append(f"not on {architecture}: {reason.splitlines()[0].removesuffix('; the largest are')}")
        else:
            used, limit = megabytes(outcome.unzipped_bytes), megabytes(outcome.limit)
            parts.append(f"about {used} of {limit} on {architecture}")
    return f"packages of {name} in a function: {'; '.join(parts)}"
