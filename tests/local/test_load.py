"""A hundred clients for a minute, while another version is promoted and rolled back; each answer is checked."""

import http.client
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from local.ministack import LocalAws
from model_registry import Registry
from tests.local.proxy import within
from tests.local.stacks import Deployed
from training.train_iris import FEATURES, Trained, publish, train

CLIENTS, SECONDS = 100, 60.0
NAMES = load_iris().target_names
ROWS = load_iris().data


@dataclass
class Seen:
    """An answer: when it came, how long it took, which status and version it had, and whether it was right."""

    at: float
    seconds: float
    status: int
    version: int
    is_right: bool


def expected(trained: Trained) -> list[dict[str, float]]:
    """The probabilities of each row of Iris."""
    import pandas as pd

    found = trained.estimator.predict_proba(pd.DataFrame(ROWS, columns=list(FEATURES)))
    return [dict(zip(NAMES, map(float, row), strict=True)) for row in found]


def is_right(answer: Mapping[str, Any], probabilities: Mapping[str, float]) -> bool:
    """Whether the answer has these probabilities, and a label that has the largest of them."""
    given = answer["probabilities"]
    close = all(abs(given[name] - value) < 1e-9 for name, value in probabilities.items())
    return close and given[answer["label"]] == max(given.values())


def client(url: str, ended: Event, models: Mapping[int, list[dict[str, float]]], seed: int) -> list[Seen]:
    """Ask for one row after the other on one connection; each twentieth request is wrong, and has to be refused."""
    target, chosen, seen = urlsplit(url), random.Random(seed), []  # noqa: S311  # no secret
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=90)
    while not ended.is_set():
        began = time.monotonic()
        index, is_wrong = chosen.randrange(len(ROWS)), chosen.random() < 0.05
        values = dict(zip(FEATURES, ROWS[index].tolist(), strict=True))
        body = json.dumps({**values, "more": 1} if is_wrong else values)
        connection.request("POST", target.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = json.loads(response.read())
        now = time.monotonic()
        if is_wrong:
            seen.append(Seen(now, now - began, response.status, 0, response.status == 400))
            continue
        version = found.get("version", 0)
        right = response.status == 200 and is_right(found, models[version][index])
        seen.append(Seen(now, now - began, response.status, version, right))
    connection.close()
    return seen


@pytest.mark.soak
@pytest.mark.parametrize("functions", [1, 2])
def test_every_answer_is_right_while_a_version_is_promoted_and_rolled_back(  # noqa: PLR0917  # fixtures
    functions: int, aws: LocalAws, bucket: str, models: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = train(), train(LogisticRegression(max_iter=1000))
    publish(models, second, "second")
    answers = {1: expected(first), 2: expected(second)}
    stack = Deployed(aws, "dev", tmp_path, {"registryBucket": bucket, "throttle": "none"}).up()
    with within(functions, stack.outputs["invokeUrl"]) as url, ThreadPoolExecutor(CLIENTS) as pool:
        began, ended = time.monotonic(), Event()
        clients = [pool.submit(client, url, ended, answers, seed) for seed in range(CLIENTS)]
        try:
            time.sleep(SECONDS / 4)
            models.promote("iris", version=2, to_tag="dev")
            stack.up()
            promoted = time.monotonic()
            time.sleep(SECONDS / 4)
            models.rollback("iris@dev", reason="a drill")
            stack.up()
            rolled_back = time.monotonic()
            time.sleep(max(SECONDS / 4, began + SECONDS - rolled_back))
        finally:
            ended.set()  # else the clients would go on
        seen = [each for one in clients for each in one.result()]
    times = sorted(each.seconds for each in seen)
    with capsys.disabled():
        print(  # noqa: T201  # the figures of docs/reliability.md
            f"\n{functions} functions, {CLIENTS} clients: {len(seen):,} requests, "
            f"median {statistics.median(times):.2f} s, "
            f"p99 {times[len(times) * 99 // 100]:.2f} s, longest {times[-1]:.2f} s, "
            f"by status and version {dict(Counter((each.status, each.version) for each in seen))}",
            end=" ",
        )
    assert [each for each in seen if not each.is_right] == []
    # A request that was sent before an update was done may be answered by the version from before.
    after = [each for each in seen if each.version and each.at - each.seconds > promoted and each.at < rolled_back]
    assert {each.version for each in seen if each.version and each.at < promoted} >= {1}
    assert 2 in {each.version for each in after}
    assert {each.version for each in seen if each.version and each.at - each.seconds > rolled_back} == {1}
