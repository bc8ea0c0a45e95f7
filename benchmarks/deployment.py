"""A deployment of what is deployed already, and of another version, against the first one: what is built and sent.

The project's own program runs on the local AWS through a proxy, which counts requests. Without Pulumi's engine: its
start and its state are not in the figures.
"""

import time
from collections import Counter
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.environments import variable
from benchmarks.measured import Measured
from benchmarks.page import Goal, Section
from benchmarks.proxy import Proxy, running
from local.deployment import deploy
from local.iris import PROJECT
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.cache import CACHE_VARIABLE, cache_folder
from training.train_iris import publish, train

BUCKET = "deployed-models"
ROUNDS, QUICK_ROUNDS = 5, 1
MOST_CHANGES = 5
"""Function, version, its call and alias are needed."""
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Deployment:
    """What one deployment did."""

    seconds: float
    actions: Counter[str]
    layer_builds: int
    uploads: int
    """Requests that send an object to S3."""
    changed: tuple[str, ...]
    """Requests that may change something, all but GET and HEAD: each with its path."""

    @property
    def changes(self) -> int:
        """How many these are."""
        return len(self.changed)


def measure(bench: Bench) -> Section:
    """Deploy once from nothing, then again with nothing changed, then another version of the model."""
    # A quick run takes the layer from the user's cache if it is cached: building it takes most of a deployment.
    cache = cache_folder("layers").parent if bench.quick else bench.folder / "deployed-layers"
    state = bench.folder / "deployed"
    with running(Proxy(bench.aws.port)) as proxy, variable(CACHE_VARIABLE, str(cache)):
        aws = replace(bench.aws, url=proxy.url)
        run = _Runner(aws, proxy, cache, state)
        bench.say("deploying for the first time")
        run.deploy("registry")
        with aws.activated():
            registry = Registry(Storage.open(BUCKET), actor="benchmark")
            publish(registry, train(), "Random forest of the guide")
            registry.tag("iris/1", "dev")
        first = run.deploy("dev")
        bench.say("deploying again")
        again = [run.deploy("dev") for _ in range(QUICK_ROUNDS if bench.quick else ROUNDS)]
        bench.say("deploying another version")
        with aws.activated():
            publish(registry, train(), "The same again")
            registry.tag("iris/2", "dev")
        other = run.deploy("dev")
    table = [["deployment", "time", "layers built", "objects uploaded", "resources", "requests but GET and HEAD"]]
    table.append(["first, no layer built before", f"{first.seconds:.1f} s", *_counts(first)])
    measured = Measured([one.seconds for one in again])
    table.append(["again, nothing changed", str(measured), *_counts(again[-1])])
    table.append(["another version, layer unchanged", f"{other.seconds:.1f} s", *_counts(other)])
    note = f"One first deployment, then {len(again)} more; median (fastest to slowest). Then one of another version."
    return Section("deployment", [table], note, [*_goals(again), _goal_of_a_version(other)])


def _goals(again: list[Deployment]) -> list[Goal]:
    builds, uploads = (max(getattr(one, name) for one in again) for name in ("layer_builds", "uploads"))
    changes = max(one.changes for one in again)
    return [
        Goal("no-op deployment: layers built", "none", str(builds), builds == 0),
        Goal("no-op deployment: objects uploaded", "none", str(uploads), uploads == 0),
        Goal("no-op deployment: requests that change anything", "none", str(changes), changes == 0),
    ]


def _goal_of_a_version(other: Deployment) -> Goal:
    what = "another version, layer unchanged: requests that change anything"
    return Goal(what, f"at most {MOST_CHANGES}", str(other.changes), other.changes <= MOST_CHANGES)


def _counts(one: Deployment) -> list[str]:
    actions = ", ".join(f"{count} {action}" for action, count in sorted(one.actions.items()))
    return [str(one.layer_builds), str(one.uploads), actions, str(one.changes)]


@dataclass(frozen=True)
class _Runner:
    aws: LocalAws
    proxy: Proxy
    cache: Path
    state: Path

    def deploy(self, stack: str) -> Deployment:
        actions: Counter[str] = Counter()
        before = self._layers()
        self.proxy.requests.clear()
        start = time.perf_counter()
        config = {"registryBucket": BUCKET}

        def note(_kind: str, _name: str, action: str) -> None:
            actions[action] += 1

        with redirect_stderr(StringIO()):  # pulumi.log
            deploy(PROJECT, stack, self.aws, self.state, config=config, on_resource=note)
        seconds = time.perf_counter() - start
        sent = [(method, path) for method, path in self.proxy.requests if method not in _READING]
        return Deployment(
            seconds,
            actions,
            len(self._layers() - before),
            sum(method == "PUT" and path.endswith(".zip") for method, path in sent),
            tuple(f"{method} {path}" for method, path in sent),
        )

    def _layers(self) -> set[tuple[Path, int]]:
        return {(path, path.stat().st_mtime_ns) for path in self.cache.glob("*.zip")}
