"""What a cold start may cost, in numbers that are the same on every machine: modules, bytes and requests, not times.

A budget that is exceeded has a reason, to be found (`make profile` shows where it comes from) or to be accepted: then
the number here is changed, in the same commit. All were measured with the guide's forest.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

import pytest

from benchmarks.cold import ARCHITECTURE, ColdStart, FirstAnswer
from benchmarks.proxy import Proxy, running
from infra.inputs import model_layer
from infra.layer.build import Layer
from local.ministack import LocalAws
from model_registry import Storage
from model_runtime.manifest import decode_manifest, version_key

STDLIB, OURS = "standard library", "handler and model_runtime"
SLACK = 0.05
"""Patch releases of packages and of Python may add this much."""
FEW = 2
"""And this many modules, where 5 % are less than that."""


@dataclass(frozen=True)
class Budget:
    """Modules imported by the start, and unzipped bytes of the layer, by package; bytes of the layer's zip."""

    modules: Mapping[str, int]
    unzipped: Mapping[str, int]
    zipped: int


# By the minor version of scikit-learn: Python 3.11 has 1.7, as Lambda's image takes no later one.
BUDGETS = {
    "1.7": Budget(
        modules={
            STDLIB: 204,
            OURS: 28,
            "scipy": 486,
            "sklearn": 239,
            "numpy": 147,
            "joblib": 37,
            "msgspec": 12,
            "obstore": 5,
            "cloudpickle": 2,
            "threadpoolctl": 1,
        },
        unzipped={
            "scipy": 86_583_625,
            "numpy": 44_019_068,
            "scikit-learn": 21_440_543,
            "obstore": 13_212_176,
            "joblib": 516_956,
            "msgspec": 508_255,
            "threadpoolctl": 124_919,
            "cloudpickle": 69_287,
        },
        zipped=56_295_216,
    ),
    "1.9": Budget(
        modules={
            STDLIB: 204,
            OURS: 28,
            "scipy": 159,
            "sklearn": 65,
            "numpy": 144,
            "narwhals": 58,
            "joblib": 37,
            "msgspec": 12,
            "obstore": 5,
            "cloudpickle": 2,
        },
        unzipped={
            "scipy": 81_558_311,
            "numpy": 39_319_404,
            "scikit-learn": 18_275_620,
            "obstore": 13_205_336,
            "narwhals": 2_172_838,
            "joblib": 465_234,
            "msgspec": 511_367,
            "threadpoolctl": 116_962,
            "cloudpickle": 65_466,
        },
        zipped=55_729_220,
    ),
}

REQUESTS = ["manifest.json", "model.joblib"]
"""What the start reads from S3: a GET each, and nothing else."""


def over(found: Mapping[str, int], budget: Mapping[str, int], unit: str, few: int = 0) -> list[str]:
    """A sentence for each that has grown beyond its budget, or has none."""
    sentences = []
    for name, count in sorted(found.items(), key=lambda item: -item[1]):
        allowed = budget.get(name)
        if allowed is None:
            sentences.append(f"{name}: {count:,} {unit}, and it is not in the budget")
        elif count > max(allowed * (1 + SLACK), allowed + few):
            sentences.append(f"{name}: {count:,} {unit}, {count / allowed - 1:+.0%} over {allowed:,}")
    return sentences


def modules_by_package(first: FirstAnswer) -> Counter[str]:
    """The standard library as one, ours as one, and no modules that extension modules make up as they are loaded."""
    counts: Counter[str] = Counter()
    for top, count in first.modules.items():
        if top in sys.stdlib_module_names:
            counts[STDLIB] += count
        elif top in {"handler", "model_runtime"}:
            counts[OURS] += count
        elif not top.startswith("_") and top != "cython_runtime":
            counts[top] += count
    return counts


@pytest.fixture(scope="module")
def budget() -> Budget:
    minor = ".".join(metadata.version("scikit-learn").split(".")[:2])
    assert minor in BUDGETS, f"there is no budget for scikit-learn {minor}: measure it, and add it to BUDGETS"
    return BUDGETS[minor]


@pytest.fixture(scope="module")
def layer(aws: LocalAws, iris: ColdStart) -> Layer:
    with aws.activated():
        stored = Storage.open(iris.environment["MODEL_BUCKET"]).read(version_key("iris", 1, "manifest.json"))
    assert stored is not None
    manifest = decode_manifest(stored.data)
    return model_layer(manifest, manifest.model_format("joblib"), ARCHITECTURE)


def test_the_start_imports_no_more_than_its_budget(iris: ColdStart, budget: Budget) -> None:
    found = modules_by_package(iris.run())
    # No patch release adds to ours: what only some starts and requests need is imported where they do.
    grown = over(found, budget.modules, "modules", FEW) + over(
        {OURS: found[OURS]}, {OURS: budget.modules[OURS]}, "modules"
    )
    assert not grown, "the start imports more than it did: " + "; ".join(grown)


def test_the_layer_is_no_larger_than_its_budget(layer: Layer, budget: Budget) -> None:
    grown = over({each.name: each.unzipped_bytes for each in layer.packages}, budget.unzipped, "bytes unzipped")
    assert not grown, "the layer is larger than it was: " + "; ".join(grown)
    assert not over({"the layer": layer.zip_bytes}, {"the layer": budget.zipped}, "bytes zipped")


def test_the_start_makes_two_requests(aws: LocalAws, iris: ColdStart) -> None:
    with running(Proxy(aws.port)) as proxy:
        first = iris.with_variables(AWS_ENDPOINT_URL=proxy.url).run()
        requests = sorted(proxy.requests)
    assert first.answer["statusCode"] == 200
    folder = f"/{iris.environment['MODEL_BUCKET']}/models/iris/versions/1"
    assert requests == [("GET", f"{folder}/{file}") for file in REQUESTS], "each costs a round trip at every start"


def test_the_start_compiles_none_of_our_modules(iris: ColdStart) -> None:
    """Their bytecode is in the function, which is read-only in Lambda: each start would compile them again."""
    sources = {path: path.read_bytes() for path in (iris.folder / "task").rglob("*.py")}
    try:
        for path in sources:
            path.write_text("this is no Python")
        assert iris.run().answer["statusCode"] == 200
    finally:
        for path, source in sources.items():
            path.write_bytes(source)


def test_what_has_grown_is_named_with_its_numbers() -> None:
    budget = {"numpy": 100, "obstore": 5}
    assert over({"numpy": 105, "obstore": 7}, budget, "modules", FEW) == []
    assert over({"numpy": 106, "obstore": 8, "boto3": 1}, budget, "modules", FEW) == [
        "numpy: 106 modules, +6% over 100",
        "obstore: 8 modules, +60% over 5",
        "boto3: 1 modules, and it is not in the budget",
    ]
