"""How long something took, several times, and how that is written."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from model_runtime.prediction import harmless_warnings_ignored

_MICROSECONDS_BELOW = 0.0001
_PERCENT = 100


@dataclass(frozen=True)
class Measured:
    """The seconds that something took each time and, where it talks to a service, the requests that it made."""

    seconds: Sequence[float]
    requests: int | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle one, in seconds."""
        return statistics.median(self.seconds)

    def percentile(self, percent: int) -> float:
        """The seconds within which so many percent of the calls were done (nearest rank)."""
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-percent * len(ordered) // _PERCENT) - 1)]

    def __str__(self) -> str:
        """Median, fastest and slowest."""
        calls = "" if self.requests is None else f", {self.requests} request{'s' * (self.requests != 1)}"
        return f"{self._with_spread(min(self.seconds), max(self.seconds))}{calls}{self.note}"

    def quartiles(self) -> str:
        """Median, first and third quartile: for many short calls, of which the slowest tells of the machine only."""
        return self._with_spread(self.percentile(25), self.percentile(75))

    def _with_spread(self, low: float, high: float) -> str:
        unit, factor = ("us", 1e6) if self.median < _MICROSECONDS_BELOW else ("ms", 1e3)
        first, middle, last = (_short(factor * value) for value in (low, self.median, high))
        return f"{middle} {unit} ({first} to {last})"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004  # three digits are enough


def interleaved(sides: Mapping[str, tuple[int, Callable[[], object]]], rounds: int) -> dict[str, Measured]:
    """Time each call of each side, the sides in turn, so that a slower moment of the machine hits all of them.

    A side is a number of calls per round and what is called. A first round is not counted. All have one OpenBLAS
    thread, as the function has, and no warnings of feature names, which a log would show once.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with threadpool_limits(1), harmless_warnings_ignored():
        for number in range(rounds + 1):
            for name, (calls, call) in sides.items():
                taken = [_timed(call) for _ in range(calls)]
                seconds[name] += taken if number else []
    return {name: Measured(taken) for name, taken in seconds.items()}


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
