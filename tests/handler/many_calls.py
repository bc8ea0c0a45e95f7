"""Run in a process as Lambda has it: so many calls of the deployed handler, each answer checked, memory watched.

Prints how many calls there were, and the memory after the warm-up and at the end, as one line of JSON on stderr: stdout
is the function's log.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from handler.function import handler
from tests.handler.serving import event_of

GUIDE = {"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}
JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}


def calls() -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every kind of call with the status that it has, answers first; most are predictions, as in a stack's life."""
    one = json.dumps(GUIDE).encode()
    many = json.dumps({"instances": [GUIDE] * 20}).encode()
    split = {"dataframe_split": {"columns": list(GUIDE), "data": [list(GUIDE.values())] * 3}}
    query = "&".join(f"{name}={value}" for name, value in GUIDE.items())
    for _ in range(5):
        yield 200, event_of("POST", "/predict", JSON, one)
        yield 200, event_of("GET", f"/predict?{query}", {}, b"")
        yield 200, GUIDE
    yield 200, event_of("POST", "/predict", JSON, many)
    yield 200, event_of("POST", "/invocations", JSON, json.dumps(split).encode())
    yield 200, event_of("POST", "/invocations", CSV, b"6.9,3.1,5.1,2.3\n5,3.4,1.5,.2\n")
    yield 200, event_of("GET", "/ping", {}, b"")
    yield 200, event_of("GET", "/openapi.json", {}, b"")
    yield 400, event_of("POST", "/predict", JSON, b'{"sl": "long"}')
    yield 404, event_of("GET", "/nothing", {}, b"")
    yield 405, event_of("PUT", "/predict", JSON, one)
    yield 415, event_of("POST", "/predict", {"Content-Type": "text/plain"}, one)


def memory() -> int:
    """Bytes that are this process's alone."""
    return int(psutil.Process().memory_full_info().uss)


def main(warm_up: int, count: int) -> None:
    """Call, the warm-up first."""
    kinds = list(calls())
    expected: list[Any] = []
    for status, event in kinds:
        answer = handler(event, None)
        assert answer["statusCode"] == status, answer  # a check of the test that runs this
        expected.append(answer)
    began, warm, wrong = time.perf_counter(), 0, 0
    for number in range(warm_up + count):
        if number == warm_up:
            warm, began = memory(), time.perf_counter()
        kind = number % len(kinds)
        wrong += handler(kinds[kind][1], None) != expected[kind]
    seconds = round(time.perf_counter() - began, 1)
    found = {"calls": count, "wrong": wrong, "warm": warm, "end": memory(), "seconds": seconds}
    sys.stderr.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
