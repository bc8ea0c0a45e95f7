"""SnapStart: the model is loaded before the snapshot, and what must differ between its copies is renewed in each.

A fork takes the part of snapshot and restore: both children begin with the same memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from local.ministack import LocalAws
from model_registry import Registry

PROJECT = Path(__file__).parents[2]
RUNTIME = Path(__file__).parent / "runtime"
X = np.arange(12.0).reshape(6, 2)

# As Lambda does: import the function, run the hooks, freeze; then, in each copy, run the hooks and answer.
PROGRAM = """
import gc, json, os, random, sys
import numpy
random.seed(1)
numpy.random.seed(1)
from handler.function import handler
gc.unfreeze()  # the start hides what it made from the collector
kept = [type(each).__name__ for each in gc.get_objects() if type(each).__name__ in {"Storage", "S3Store"}]
print(json.dumps({"kept": kept, "boto3": "boto3" in sys.modules}), flush=True)
if "snapshot_restore_py" in sys.modules:
    from snapshot_restore_py import get_after_restore, get_before_snapshot
    for hook, arguments, named in reversed(get_before_snapshot()):
        hook(*arguments, **named)
else:
    get_after_restore = list
state = random.getstate()
for _ in range(2):
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        random.setstate(state)  # a fork seeds it anew, a restored snapshot does not
        for hook, arguments, named in get_after_restore():
            hook(*arguments, **named)
        answer = handler({"x0": 10, "x1": 11}, None)["body"]
        drawn = [random.random(), float(numpy.random.random())]
        print(json.dumps({"answer": answer, "drawn": drawn}), flush=True)
        os._exit(0)
"""


@pytest.fixture
def environment(bucket: str, registry: Registry) -> dict[str, str]:
    """The variables of a function under SnapStart."""
    estimator = RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    release = registry.publish(estimator, name="made", X_example=X, class_names=["low", "high"])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(PROJECT), str(RUNTIME))),
        "AWS_LAMBDA_FUNCTION_NAME": "made-dev",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "MODEL_BUCKET": bucket,
        "MODEL_NAME": "made",
        "MODEL_VERSION": "1",
        "MODEL_MANIFEST_SHA256": release.manifest_sha256,
    }


def run(environment: Mapping[str, str]) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, lines and stderr of the program."""
    # Python 3.12 and later warn of a fork beside threads; here they are obstore's, which the copies do not use.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_each_copy_answers_with_the_loaded_model_and_draws_its_own_random_numbers(environment: dict[str, str]) -> None:
    code, (loaded, state, *copies), errors = run(environment)
    assert (code, errors) == (0, "")
    assert (loaded["event"], loaded["ColdStart"]) == ("model_loaded", 1)
    assert state == {"kept": [], "boto3": False}, "no connection and no credentials are part of the snapshot"
    events = [line.get("event") for line in copies]
    assert events == ["restored", "requests", None] * 2, "nothing is loaded again"
    assert all(line["Restore"] == 1 for line in copies[::3])
    first, second = copies[2::3]
    assert first["answer"] == second["answer"] == "high"
    assert first["drawn"][0] != second["drawn"][0], "Python's generator"
    assert first["drawn"][1] != second["drawn"][1], "numpy's generator"


def test_without_snapstart_no_hook_is_registered(environment: dict[str, str]) -> None:
    """The copies of this test then draw the same numbers: the check above can fail."""
    code, lines, _ = run({**environment, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    assert code == 0
    assert [line.get("event") for line in lines] == ["model_loaded", None, *["requests", None] * 2]
    assert lines[3]["drawn"] == lines[5]["drawn"]


def test_a_version_that_cannot_load_its_model_is_not_published(
    aws: LocalAws, bucket: str, environment: dict[str, str]
) -> None:
    """Lambda fails the version when the start raises; a copy of a broken start would be broken each time."""
    aws.client("s3").delete_object(Bucket=bucket, Key="models/made/versions/1/model.joblib")
    code, lines, errors = run(environment)
    assert code == 1
    assert [line["event"] for line in lines] == ["model_load_failed"]
    assert lines[0]["ModelLoadFailure"] == 1
    assert lines[0]["phase"] == "fetch"
    last = f"model_runtime.download.LoadError: s3://{bucket}/models/made/versions/1/model.joblib does not exist: "
    assert errors.strip().splitlines()[-1].startswith(last)
