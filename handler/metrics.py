"""CloudWatch metrics inside the function's own log lines: the embedded metric format, for which no library is needed.

Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide. CloudWatch reads the metrics from
the log; nothing is called. A metric is charged per set of dimension values, so there is one set, and the version is a
member of the line and no dimension: Logs Insights still finds it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

NAMESPACE = "SklearnOnLambda"

COLD_START = "ColdStart"
LOAD_FAILURE = "ModelLoadFailure"
RESTORE = "Restore"
REQUESTS = "Requests"
ROWS = "Rows"
PREDICTION_TIME = "PredictionTime"
SERVER_FAULTS = "ServerFaults"
REFUSALS = "Refusals"

Metrics = Mapping[str, tuple[float | list[float], str]]
"""By a metric's name its value, or several, and its unit."""

REFUSED: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "RefusedRequests",
    HTTPStatus.NOT_FOUND: "RefusedRoutes",
    HTTPStatus.METHOD_NOT_ALLOWED: "RefusedRoutes",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RefusedSizes",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "RefusedTypes",
    HTTPStatus.UNPROCESSABLE_ENTITY: "RefusedValues",
}
"""What counts a refusal beside `Refusals`, by its status."""

LABELS = 20
"""A model with more labels than this has no counts of them: each is a metric that is charged."""

LINES_A_SECOND = 10
"""So many requests of a second have metrics of their own; an environment that answers more keeps those of the others.

Lambda tells a function nothing of the end of its environment, so what is kept then is lost.
"""
_KEPT_TIMES = 100  # "Specification: Embedded metric format": a metric has 100 values in a line at most
_SPELLED = {"self_check": "SelfCheckTime", "total": "StartTime"}


def counted(*names: str) -> dict[str, tuple[int, str]]:
    """Each of the named things happened once."""
    return dict.fromkeys(names, (1, "Count"))


def timed(milliseconds: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    """The phases of a start: `import` gives ImportTime, `self_check` SelfCheckTime, `total` StartTime."""
    return {
        _SPELLED.get(phase, f"{phase.capitalize()}Time"): (value, "Milliseconds")
        for phase, value in milliseconds.items()
    }


class Tally:
    """Counts requests until their metrics are written: with a line that is written anyway, or one of their own."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._times: list[float] = []
        self._second, self._lines = 0, 0

    def request(self) -> None:
        """Count a request."""
        self._counts[REQUESTS] += 1

    def prediction(self, rows: int, milliseconds: float) -> None:
        """Count the rows of a prediction, and keep how long it took."""
        self._counts[ROWS] += rows
        self._times.append(milliseconds)

    def labels(self, labels: Iterable[Any]) -> None:
        """Count answers by their label."""
        self._counts.update(f"Label.{label}" for label in labels)

    def problem(self, status: int) -> None:
        """Count a refusal by its reason, or a fault of the function."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._counts[SERVER_FAULTS] += 1
        else:
            self._counts.update((REFUSALS, REFUSED.get(status, "RefusedRequests")))

    @property
    def is_due(self) -> bool:
        """Whether the metrics should be written even if nothing else is."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        return self._lines < LINES_A_SECOND or len(self._times) >= _KEPT_TIMES

    def take(self) -> Metrics:
        """What was counted since the last time; the count starts again."""
        metrics: dict[str, tuple[float | list[float], str]] = {
            name: (count, "Count") for name, count in self._counts.items()
        }
        if self._times:
            metrics[PREDICTION_TIME] = (self._times, "Milliseconds")
        self._counts, self._times = Counter(), []
        self._lines += 1
        return metrics


def embedded(metrics: Metrics, environment: Mapping[str, str]) -> dict[str, Any]:
    """The members that turn a log line into metrics; none outside Lambda."""
    names = {"FunctionName": "AWS_LAMBDA_FUNCTION_NAME", "Model": "MODEL_NAME"}
    dimensions = {name: environment[variable] for name, variable in names.items() if environment.get(variable)}
    if "FunctionName" not in dimensions:
        return {}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    return {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
        **dimensions,
        **{name: value for name, (value, _) in metrics.items()},
    }
