"""Coverage-guided fuzzing of all that is read: known errors and refusals come of it, whatever the bytes.

Never another exception, never a 5xx, never anything unpickled or started, in at most 1.5 GB.
"""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from infra.function_code import PROJECT
from model_registry.environments import RUNNING, environment_for
from tests.fuzz import targets

ATHERIS = {"atheris": "3.0.0"}
SECONDS = 60


@pytest.mark.parametrize("target", targets.TARGETS)
def test_the_seeds_are_read(target: str) -> None:
    """By the way that the fuzzer goes, which `make soak` has for a minute each."""
    for seed in targets.seeds(target):
        targets.TARGETS[target](seed)


@pytest.mark.soak
@pytest.mark.parametrize("target", targets.TARGETS)
def test_nothing_is_found(target: str, tmp_path: Path) -> None:
    # The interpreter has atheris alone: this Python's packages are seen beside it.
    paths = (PROJECT, sysconfig.get_paths()["purelib"])
    done = subprocess.run(
        [environment_for(ATHERIS, RUNNING), "-m", "tests.fuzz", target, tmp_path, str(SECONDS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = [path.read_bytes()[:2_000] for path in tmp_path.iterdir() if path.is_file()]
    assert (done.returncode, found) == (0, []), done.stderr[-4_000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs, done.stderr[-2_000:]
    assert int(runs[1]) > 100, "it did run"
