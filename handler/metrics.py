"""CloudWatch metrics inside the function's own log lines: the embedded metric format, for which no library is needed.

Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide. CloudWatch reads the metrics from
the log; nothing is called. A metric is charged per set of dimension values, so there is one set, and the version is a
member of the line and no dimension: Logs Insights still finds it.
"""

import time
from collections.abc import Mapping
from typing import Any

NAMESPACE = "SklearnOnLambda"

COLD_START = "ColdStart"
LOAD_FAILURE = "ModelLoadFailure"
RESTORE = "Restore"

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


def embedded(metrics: Mapping[str, tuple[float, str]], environment: Mapping[str, str]) -> dict[str, Any]:
    """The members that turn a log line into metrics, each given as value and unit; none outside Lambda."""
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
