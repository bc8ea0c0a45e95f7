"""The registry against MLflow's registry and modelstore.

All run on this machine, one after the other. The peers come from PyPI into environments of their own below `.local`.
`--quick` has fewer versions, no MLflow files and no publish.
"""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from benchmarks.bench import Bench
from benchmarks.environments import ROOT, environment
from benchmarks.measured import Measured
from benchmarks.page import Section, Table
from benchmarks.peers.timing import FEW, NAME, timed
from benchmarks.proxy import Proxy, running
from local.ministack import LocalAws
from model_registry import Registry, Storage, history
from model_registry.records import tag_key
from model_registry.reference import TagRef
from model_registry.versions import Versions
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, digest, encode, version_key

OURS = "this registry"
VERBS = (
    "publish",
    "add",
    "resolve a version",
    "pin a tag",
    "resolve a tag",
    "history",
    "history --last 20",
    "list --last 20",
    "list",
    "promote",
)
WRITERS = 8


@dataclass(frozen=True)
class Size:
    """How much a registry holds when it is measured."""

    versions: int
    moves: int
    repeats: int
    at_scale: bool


FULL = (Size(10, 10, 31, at_scale=False), Size(10_000, 1_000, 31, at_scale=True))
QUICK = (Size(10, 10, 7, at_scale=True), Size(500, 100, 7, at_scale=True))


@dataclass(frozen=True)
class Peer:
    """Another registry: what is installed for it, and the script and kind of store that is measured."""

    label: str
    requirement: str
    script: str
    kind: str
    most: int = 10_000
    """How many versions it can have to be measured within minutes."""


PEERS = (
    Peer("MLflow, SQLite", "mlflow==3.17.2", "mlflow_store.py", "sqlite"),
    Peer("MLflow, files", "mlflow==3.17.2", "mlflow_store.py", "file", most=500),
    Peer("modelstore, files", "modelstore==0.0.82", "modelstore_files.py", "files"),
)
QUICK_PEERS = tuple(peer for peer in PEERS if peer.kind != "file")


Results = dict[str, Measured]


# -- this registry -------------------------------------------------------------------------------------------


def measure_ours(aws: LocalAws, proxy: Proxy, bucket: str, size: Size) -> Results:
    """Fill a bucket of its own and measure each verb: the time directly, the requests once more through the proxy."""
    aws.client("s3").create_bucket(Bucket=bucket)
    storage = Storage.open(bucket)
    os.environ["AWS_ENDPOINT_URL"] = proxy.url
    counted_storage = Storage.open(bucket)
    os.environ["AWS_ENDPOINT_URL"] = aws.url
    registry, counted = (Registry(store, actor="benchmark") for store in (storage, counted_storage))

    examples, labels = load_iris(return_X_y=True)
    estimator = RandomForestClassifier(random_state=0).fit(examples, labels)
    release = registry.publish(estimator, name=NAME, X_example=examples[:3])
    data = registry.read_model(release)
    fill(storage, release.manifest, data, size)

    def add(versions: Versions) -> None:
        versions.add(NAME, data, lambda version: msgspec.structs.replace(release.manifest, version=version))

    verbs: dict[str, tuple[int, Callable[[Registry, Storage, int], object]]] = {
        "resolve a version": (size.repeats, lambda r, _, n: r.resolve(f"{NAME}/{1 + n % size.versions}")),
        "pin a tag": (size.repeats, lambda r, _s, _n: r.pin(f"{NAME}@prod")),
        "resolve a tag": (size.repeats, lambda r, _s, _n: r.resolve(f"{NAME}@prod")),
        "history": (size.repeats, lambda r, _s, _n: r.history(f"{NAME}@prod")),
        "history --last 20": (size.repeats, lambda r, _s, _n: r.history(f"{NAME}@prod", last=20)),
        "promote": (size.repeats, lambda r, _, n: r.tag(f"{NAME}/{1 + n % 2}", "prod")),
        "list --last 20": (size.repeats, lambda r, _s, _n: r.page(NAME)),
        "list": (FEW, lambda r, _s, _n: r.model(NAME)),
        "add": (FEW, lambda _r, s, _n: add(Versions(s))),
        "publish": (FEW, lambda r, _s, _n: r.publish(estimator, name=NAME, X_example=examples[:3])),
    }
    results = {}
    for verb, (repeats, call) in verbs.items():
        seconds = timed(lambda number, call=call: call(registry, storage, number), repeats)  # type: ignore[misc]  # call is bound
        proxy.requests.clear()
        call(counted, counted_storage, repeats + 1)
        results[verb] = Measured(seconds, len(proxy.requests))
    return results


def fill(storage: Storage, first: Any, data: bytes, size: Size) -> None:
    """Write versions 2, 3, ... and a tag with its history as objects: one by one they would take minutes."""

    def manifest_of(version: int) -> bytes:
        return encode(msgspec.structs.replace(first, version=version))

    def write(version: int) -> None:
        storage.create(version_key(NAME, version, MODEL_FILE), data)
        storage.create(version_key(NAME, version, MANIFEST_FILE), manifest_of(version))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(2, size.versions + 1)))
    tag = history.unset(TagRef(NAME, "prod"))
    for number in range(size.moves):
        version = 1 + number % size.versions
        tag = history.moved(
            tag,
            version,
            manifest_sha256=digest(manifest_of(version)),
            action="promote",
            by="benchmark",
            at=datetime.now(UTC),
            reason="better",
        )
    storage.create(tag_key(NAME, "prod"), encode(msgspec.structs.replace(tag, format=1)))
    # The layout of 0.1.0 is carried over by the first move, and the counter set by the first publish: not measured.
    Registry(storage, actor="benchmark").tag(f"{NAME}/2", "prod")
    Versions(storage).add(NAME, data, lambda version: msgspec.structs.replace(first, version=version))


# -- peers ---------------------------------------------------------------------------------------------------


def measure_peer(peer: Peer, folder: Path, size: Size) -> Results:
    """Run a peer's script in its environment; it has no AWS settings, and no settings of whoever runs this."""
    script = ROOT / "benchmarks" / "peers" / peer.script
    scale = ["at-scale"] if size.at_scale else []
    versions, repeats, note = size.versions, size.repeats, ""
    if versions > peer.most:
        versions, repeats, note = peer.most, FEW, f", at {peer.most} versions"
    done = subprocess.run(  # noqa: S603  # the project's own script
        [environment(peer.requirement), script, peer.kind, folder, str(versions), str(repeats), *scale],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "HOME": str(folder.parent), "LANG": "C.UTF-8"},
    )
    if done.returncode:
        raise SystemExit(f"{peer.label} failed:\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return {verb: Measured(seconds, note=note) for verb, seconds in answer["seconds"].items()}


# -- report --------------------------------------------------------------------------------------------------


def rows(sizes: Sequence[Size], results: dict[tuple[str, Size], Results]) -> Table:
    """The table's lines: what was done, with how much was there, and what each took."""
    labels = list(dict.fromkeys(label for label, _ in results))
    lines = [["verb", "versions; moves", *labels]]
    for verb in VERBS:
        for size in sizes:
            found = [results[label, size].get(verb) for label in labels]
            if any(found):
                amount = f"{size.versions:,}; {size.moves:,}"
                lines.append([verb, amount, *(str(cell) if cell else "-" for cell in found)])
    return lines


def measure(bench: Bench) -> Section:
    """Measure this registry and the peers at each size."""
    sizes, peers = (QUICK, QUICK_PEERS) if bench.quick else (FULL, PEERS)
    results = {}
    with running(Proxy(bench.aws.port)) as proxy:
        for size in sizes:
            bench.say(f"{OURS}, {size.versions:,} versions")
            results[OURS, size] = measure_ours(bench.aws, proxy, f"size-{size.versions}", size)
    for peer in peers:
        environment(peer.requirement)
        for size in sizes:
            bench.say(f"{peer.label}, {size.versions:,} versions")
            folder = bench.folder / f"{peer.script}-{peer.kind}-{size.versions}"
            results[peer.label, size] = measure_peer(peer, folder, size)
    versions = ", ".join(dict.fromkeys(peer.requirement.replace("==", " ") for peer in peers))
    note = (
        f"Median (fastest to slowest) of {sizes[0].repeats} calls, {FEW} of publish, add and list. Peers: {versions}."
    )
    return Section("registry", [rows(sizes, results)], note)
