"""The environments in which the fleet is run: the project's own, and those of the lock files beside this one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import msgspec

from model_registry.environments import RUNNING, environment_for
from model_registry.publish.environment import read_lock
from tests.model_registry.fleet.outcomes import Conversion, Outcome, OwnAnswers

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LOCKS = ("pandas-2", "pandas-3")
"""Those with all other packages."""
OWN = "the project's own"
_SECONDS = 3600


def run(lock: str, group: str = "") -> list[Outcome]:
    """Run a group of the fleet, by default all other packages, in the environment that a lock file here pins."""
    return _run(_locked(lock), group)


def convert(*, everything: bool) -> list[Conversion]:
    """Convert boosted models to ONNX in the environment that has their libraries."""
    said = _said(_locked("boosting"), "convert", *(["all"] if everything else []))
    return msgspec.json.decode(said, type=list[Conversion])


def publish_boosted(storage: str, library: str, *, proof: str) -> OwnAnswers:
    """Publish a boosted pipeline of a library into a registry, under the library's name."""
    return msgspec.json.decode(_said(_locked("boosting"), "publish", storage, library, proof), type=OwnAnswers)


def _locked(lock: str) -> Path:
    return environment_for(read_lock(HERE / f"{lock}.lock"), RUNNING)


def _run(python: Path, group: str) -> list[Outcome]:
    return msgspec.json.decode(_said(python, "run", *([group] if group else [])), type=list[Outcome])


def _said(python: Path, *arguments: str) -> bytes:
    return subprocess.run(
        [str(python), "-W", "ignore", "-m", "tests.model_registry.fleet", *arguments],
        cwd=ROOT,
        env=_variables(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=_SECONDS,
    ).stdout


def _variables() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def everything() -> dict[str, list[Outcome]]:
    """What the page tells, by environment: scikit-learn in all, the other packages in theirs."""
    others = {lock: [*run(lock, "scikit-learn"), *run(lock)] for lock in LOCKS}
    return {OWN: _run(Path(sys.executable), "scikit-learn"), **others}


def versions() -> dict[str, str]:
    """What an environment has of scikit-learn and pandas."""
    names = ("scikit-learn", "pandas")
    found: dict[str, Mapping[str, str]] = {OWN: {name: metadata.version(name) for name in names}}
    found |= {lock: read_lock(HERE / f"{lock}.lock") for lock in LOCKS}
    return {place: ", ".join(f"{name} {packages[name]}" for name in names) for place, packages in found.items()}
