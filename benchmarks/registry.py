"""The registry against MLflow's registry and modelstore: `python -m benchmarks.registry [--quick]`.

All run on this machine, one after the other. The peers come from PyPI into environments of their own below `.local`.
The full run writes its table into docs/benchmarks.md; `--quick` has fewer versions, and only prints.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from uv import find_uv_bin

from benchmarks.peers.timing import FEW, NAME, timed
from benchmarks.proxy import Proxy, proxy_to
from local.ministack import LocalAws, local_aws
from model_registry import Registry, Storage, history
from model_registry.manifest import MANIFEST_FILE, MODEL_FILE, digest, encode, tag_key, version_key
from model_registry.reference import TagRef
from model_registry.versions import Versions

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- python -m benchmarks.registry: begin -->", "<!-- python -m benchmarks.registry: end -->"
OURS = "this registry"
VERBS = ("publish", "add", "resolve a version", "pin a tag", "resolve a tag", "history", "list", "promote")
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


@dataclass(frozen=True)
class Measured:
    """The seconds that a verb took each time and, where it talks to a service, the requests that it made."""

    seconds: Sequence[float]
    requests: int | None = None
    note: str = ""

    def __str__(self) -> str:
        low, middle, high = (_milliseconds(f(self.seconds)) for f in (min, statistics.median, max))
        calls = "" if self.requests is None else f", {self.requests} request{'s' * (self.requests != 1)}"
        return f"{middle} ms ({low} to {high}){calls}{self.note}"


def _milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004  # three digits are enough


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
        "history": (size.repeats, lambda r, _s, _n: r.tag_of(f"{NAME}@prod").history),
        "promote": (size.repeats, lambda r, _, n: r.tag(f"{NAME}/{1 + n % 2}", "prod")),
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
    ref, tag = TagRef(NAME, "prod"), None
    for number in range(size.moves):
        version = 1 + number % size.versions
        tag = history.moved(
            ref,
            tag,
            version,
            manifest_sha256=digest(manifest_of(version)),
            action="promote",
            by="benchmark",
            at=datetime.now(UTC),
            reason="better",
        )
    if tag:
        storage.create(tag_key(NAME, "prod"), encode(tag))


# -- peers ---------------------------------------------------------------------------------------------------


def environment(requirement: str) -> Path:
    """Return the interpreter of the environment that has a peer, and the scikit-learn that is measured here."""
    sklearn = f"scikit-learn=={metadata.version('scikit-learn')}"
    name = hashlib.sha256(f"{requirement} {sklearn} {platform.python_version()}".encode()).hexdigest()[:12]
    folder = ROOT / ".local" / "benchmarks" / f"{requirement.partition('=')[0]}-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        _uv("venv", "--clear", "--python", platform.python_version(), str(folder))
        _uv("pip", "install", "--python", str(python), requirement, sklearn)
        ready.touch()
    return python


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments, "--quiet"], check=True)  # noqa: S603  # the project's own uv


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


def rows(sizes: Sequence[Size], results: dict[tuple[str, Size], Results]) -> list[list[str]]:
    """The table's lines: what was done, with how much there, and what each took."""
    labels = list(dict.fromkeys(label for label, _ in results))
    lines = [["verb", "versions; moves", *labels]]
    for verb in VERBS:
        for size in sizes:
            found = [results[label, size].get(verb) for label in labels]
            if any(found):
                amount = f"{size.versions:,}; {size.moves:,}"
                lines.append([verb, amount, *(str(cell) if cell else "-" for cell in found)])
    return lines


def setting() -> str:
    """The machine and the versions that were measured, in a sentence each."""
    packages = [f"{name} {metadata.version(name)}" for name in ("scikit-learn", "obstore", "msgspec")]
    ours = f"{platform.python_implementation()} {platform.python_version()}, {', '.join(packages)}"
    peers = ", ".join(dict.fromkeys(peer.requirement.replace("==", " ") for peer in PEERS))
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors; {ours}; {peers}."


def write_page(lines: list[list[str]]) -> None:
    """Put the table between the markers of the page."""
    table = ["| " + " | ".join(line) + " |" for line in lines]
    table.insert(1, "| " + " | ".join("---" for _ in lines[0]) + " |")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, "", setting(), "", *table, "", END]) + after)


def measure(
    sizes: Sequence[Size], peers: Sequence[Peer], say: Callable[[str], object]
) -> dict[tuple[str, Size], Results]:
    """Measure this registry and the peers at each size."""
    results = {}
    for peer in peers:
        environment(peer.requirement)
    with tempfile.TemporaryDirectory() as temporary, local_aws(Path(temporary, "aws")) as aws, aws.activated():
        with proxy_to(aws.port) as proxy:
            for size in sizes:
                say(f"{OURS}, {size.versions:,} versions")
                results[OURS, size] = measure_ours(aws, proxy, f"size-{size.versions}", size)
        for peer in peers:
            for size in sizes:
                say(f"{peer.label}, {size.versions:,} versions")
                folder = Path(temporary, f"{peer.script}-{peer.kind}-{size.versions}")
                results[peer.label, size] = measure_peer(peer, folder, size)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, but for `--quick`, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer versions, no MLflow files and no publish; writes nothing"
    )
    quick = parser.parse_args(arguments).quick
    sizes, peers = (QUICK, QUICK_PEERS) if quick else (FULL, PEERS)
    console = Console()
    lines = rows(sizes, measure(sizes, peers, Console(stderr=True).print))
    table = Table(*lines[0], title="median (fastest to slowest)", caption=setting())
    for line in lines[1:]:
        table.add_row(*line)
    console.print(table)
    if not quick:
        write_page(lines)
        console.print(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
