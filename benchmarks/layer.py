"""The layer: bytes and build time against the guide's way by hand, and whether two builds give the same bytes.

Cold means that neither pip nor uv has a wheel; the wheels then come from the package index. Cached means that nothing
has changed since: pip has the wheels and the guide's reader unpacks and zips again, ours is found by its address.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from benchmarks import guide
from benchmarks.bench import Bench
from benchmarks.cold import ARCHITECTURE
from benchmarks.environments import variable
from benchmarks.measured import Measured
from benchmarks.page import Goal, Section, at_most
from infra.layer.build import Layer, build_layer
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.shipping import function_requirements, layer_packages
from model_runtime.manifest import FormatName

ROUNDS, QUICK_ROUNDS = 2, 1
MOST_UNZIPPED = 0.80
MOST_CACHED_SECONDS = 1
GUIDE = "the guide's way"
_SMALL = ("joblib", "threadpoolctl")
Times = dict[str, list[float]]
Built = TypeVar("Built")


def measure(bench: Bench) -> Section:
    """Build both ways from nothing, then again."""
    rounds = QUICK_ROUNDS if bench.quick else ROUNDS
    by_hand_spec = _few_packages(bench.model_packages) if bench.quick else bench.model_packages
    specs = {
        f"ours, {model_format} format": by_hand_spec if bench.quick else layer_spec(bench, model_format)
        for model_format in bench.formats
    }
    cold: Times = {name: [] for name in (GUIDE, *specs)}
    recompiled: Times = {name: [] for name in specs}
    cached: Times = {name: [] for name in (GUIDE, *specs)}
    built: dict[str, list[Layer]] = {name: [] for name in specs}
    for number in range(rounds):
        folder = bench.folder / f"layers-{number}"
        bench.say(f"building layers, round {number + 1} of {rounds}")
        pip_cache = folder / "pip"
        by_hand = timed(cold[GUIDE], partial(guide.build, folder / "guide", by_hand_spec, pip_cache))
        timed(cached[GUIDE], partial(guide.build, folder / "guide-again", by_hand_spec, pip_cache))
        for name, spec in specs.items():
            own = folder / name
            with variable("UV_CACHE_DIR", str(own / "uv")):
                first = timed(cold[name], partial(build_layer, spec, own / "layers"))
                again = timed(cached[name], partial(build_layer, spec, own / "layers"))
                other = timed(recompiled[name], partial(build_layer, spec, own / "elsewhere" / "layers"))
            if first.cached or not again.cached or other.cached:
                raise RuntimeError("the layer's cache is not as the measure needs it")
            built[name] += [first, other]
        sizes = (by_hand.unzipped_bytes, by_hand.zip_bytes)
        shutil.rmtree(folder)
    table = [["side", "unzipped", "of the guide's", "zip", "build, cold", "build, wheels cached", "again, unchanged"]]
    table.append(_line(GUIDE, sizes, sizes, cold=cold, wheels=cached, cached=cached))
    for name, layers in built.items():
        table.append(
            _line(
                name,
                (layers[0].unzipped_bytes, layers[0].zip_bytes),
                sizes,
                cold=cold,
                wheels=recompiled,
                cached=cached,
            )
        )
    note = (
        f"{rounds} rounds, each with empty caches of its own; median (fastest to slowest). Both ways take the versions "
        f"of the model's manifest; ours has besides what the handler needs ({', '.join(function_requirements())})."
    )
    return Section("layer", [table], note, list(_goals(built, sizes[0], cached)))


def layer_spec(bench: Bench, model_format: FormatName) -> LayerSpec:
    """What the stack's layer for this format is made of, as `infra.inputs.model_layer` has it."""
    environment = bench.release.manifest.model_format(model_format).environment
    return LayerSpec(environment.python, ARCHITECTURE, tuple(layer_packages(environment.packages).items()))


def _few_packages(spec: LayerSpec) -> LayerSpec:
    """Two small ones of them."""
    return replace(spec, packages=tuple((name, version) for name, version in spec.packages if name in _SMALL))


def timed(seconds: list[float], call: Callable[[], Built]) -> Built:
    """Call once and note how long it took."""
    start = time.perf_counter()
    result = call()
    seconds.append(time.perf_counter() - start)
    return result


def _goals(built: Mapping[str, list[Layer]], guide_bytes: int, cached: Times) -> Iterator[Goal]:
    for name, layers in built.items():
        ratio = layers[0].unzipped_bytes / guide_bytes
        yield at_most(f"layer unzipped, {name}, of the guide's", ratio, MOST_UNZIPPED)
        slowest = max(cached[name])
        yield Goal(
            f"layer unchanged, {name}",
            f"under {MOST_CACHED_SECONDS} s",
            f"{slowest:.2f} s",
            slowest < MOST_CACHED_SECONDS,
        )
        digests = {layer.sha256 for layer in layers}
        found = f"{len(layers)} builds in folders and caches of their own, {len(digests)} SHA-256"
        yield Goal(f"layer bytes reproducible, {name}", "one SHA-256", found, len(digests) == 1)


def _line(
    name: str, own: tuple[int, int], guides: tuple[int, int], *, cold: Times, wheels: Times, cached: Times
) -> list[str]:
    unzipped, zipped = own
    times = [_seconds(taken[name]) for taken in (cold, wheels, cached)]
    return [name, f"{unzipped / 1e6:.1f} MB", f"{unzipped / guides[0]:.3f}", f"{zipped / 1e6:.1f} MB", *times]


def _seconds(taken: list[float]) -> str:
    measured = Measured(taken)
    return f"{measured.median:.2f} s ({min(taken):.2f} to {max(taken):.2f})"
