"""A process answers a hundred thousand calls as it did the first ones, and needs no more memory for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.function_code import PROJECT, variables
from model_registry import Registry, Release
from training.train_iris import Trained, publish

GROWTH = 0.03


def ask(bucket: str, release: Release, log: Path, *, warm_up: int, count: int) -> tuple[dict[str, Any], str]:
    """Call so often in a fresh process with the function's variables; what was seen, and the function's log."""
    environment = {
        **os.environ,
        **variables(bucket, release, request_log="sampled", label_counts=True),
        "AWS_LAMBDA_FUNCTION_NAME": "iris-dev",
        "PYTHONPATH": str(PROJECT),
    }
    command = [sys.executable, "-m", "tests.handler.many_calls", str(warm_up), str(count)]
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.PIPE, text=True, check=False, env=environment, cwd=PROJECT
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1]), log.read_text()


@pytest.fixture
def published(registry: Registry, trained_iris: Trained) -> Release:
    return publish(registry, trained_iris, "Random forest of the guide")


@pytest.mark.soak
def test_memory_grows_by_less_than_3_percent_over_100000_calls(
    bucket: str, published: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, log = ask(bucket, published, tmp_path / "log", warm_up=10_000, count=100_000)
    with capsys.disabled():
        print(f"\n{found}", end=" ")  # noqa: T201  # the figures of docs/reliability.md
    assert found["wrong"] == 0
    assert found["end"] < found["warm"] * (1 + GROWTH)
    assert sum(json.loads(line).get("Requests", 0) for line in log.splitlines()) > 110_000 - 100


def test_a_process_answers_every_kind_of_call_again_as_at_first(
    bucket: str, published: Release, tmp_path: Path
) -> None:
    found, log = ask(bucket, published, tmp_path / "log", warm_up=0, count=100)
    assert (found["calls"], found["wrong"]) == (100, 0)
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["event"] for line in lines} == {"model_loaded", "requests", "request"}
