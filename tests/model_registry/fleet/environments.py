"""The environments in which the fleet is run: the project's own, and those of the lock files beside this one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from model_registry.environments import RUNNING, environment_for
from model_registry.publish.environment import read_lock
from tests.model_registry.fleet.outcomes import Outcome

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LOCKS = {name: HERE / f"{name}.lock" for name in ("pandas-2", "pandas-3")}
OWN = "the project's own"
SHOWN = ("scikit-learn", "pandas", "numpy")
_SECONDS = 3600


def packages(lock: str, only: str = "") -> dict[str, str]:
    """The pins of a lock file; `only` one of the packages that the fleet is made of, beside what all need."""
    pins = read_lock(LOCKS[lock])
    left_out = _LIBRARIES - {only} if only else frozenset()
    return {name: version for name, version in pins.items() if name not in left_out}


_LIBRARIES = frozenset(
    {"lightgbm", "xgboost-cpu", "catboost", "imbalanced-learn", "category-encoders", "feature-engine"}
)


def run(lock: str, group: str = "", *, only: str = "") -> list[Outcome]:
    """Run a group of the fleet, by default all other packages, in the environment of a lock file."""
    return _run(environment_for(packages(lock, only), RUNNING), group)


def _run(python: Path, group: str) -> list[Outcome]:
    done = subprocess.run(
        [str(python), "-W", "ignore", "-m", "tests.model_registry.fleet", "run", *([group] if group else [])],
        cwd=ROOT,
        env=_variables(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=_SECONDS,
    )
    return msgspec.json.decode(done.stdout, type=list[Outcome])


def _variables() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


def everything() -> dict[str, list[Outcome]]:
    """All outcomes by environment: of scikit-learn in each, of the other packages where they are installed."""
    found = {OWN: _run(Path(sys.executable), "scikit-learn")}
    for lock in LOCKS:
        found[lock] = [*run(lock, "scikit-learn"), *run(lock)]
    return found
