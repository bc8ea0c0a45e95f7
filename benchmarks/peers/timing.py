"""What the scripts of the peers share; it runs in their environments, and imports nothing else of the project."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

NAME = "iris"
FEW = 5
"""Repeats of what takes long."""


def timed(call: Callable[[int], object], repeats: int) -> list[float]:
    """Seconds of each of some calls, which get their number; one more before them is not counted."""
    seconds = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def give(results: dict[str, Any]) -> None:
    """Hand the results to the process that started this one."""
    sys.stdout.write("\n" + json.dumps(results) + "\n")
