"""A CloudWatch dashboard of one model."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.alarms import OWN
from infra.settings import Settings
from model_runtime.manifest import Signature

LABELS = 20
"""Labels that the function counts at most; a test compares it with `handler.metrics`."""
_WIDTH, _HEIGHT = 12, 6  # half a row of the grid of 24
_PERCENTILES = ("p50", "p90", "p99")
_LAMBDA, _GATEWAY = "AWS/Lambda", "AWS/ApiGateway"

_BY_VERSION = """\
| filter ispresent(version)
| stats sum(Requests) as requests, sum(Refusals) as refused, sum(ServerFaults) as faults, \
sum(ModelLoadFailure) as failedLoads, sum(Rows) as rows, sum(predicting) / sum(Rows) as msPerRow, \
sum(ColdStart) as coldStarts, avg(StartTime) as startMs by version
| sort version desc"""
"""In CloudWatch Logs Insights: the version is a member of the function's lines, and no dimension of its metrics."""


class ModelDashboard(pulumi.ComponentResource):
    """Shows the calls of a model: how many, how fast, what was refused and what failed, also by version."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        signature: Signature,
        function_arn: pulumi.Input[str],
        log_group: pulumi.Input[str],
        api_name: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelDashboard", name, None, opts)
        values = pulumi.Output.all(function_arn, log_group, api_name)
        labels = counted_labels(signature) if settings.label_counts else ()
        aws.cloudwatch.Dashboard(
            f"{name}-page",
            # Dashboards have one name space for all regions of an account.
            dashboard_name=values.apply(lambda found: f"{name}-{_region(found[0])}"),
            dashboard_body=values.apply(
                lambda found: body(
                    function_arn=found[0],
                    log_group=found[1],
                    api_name=found[2],
                    stage=settings.stack,
                    model=settings.model,
                    labels=labels,
                )
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def counted_labels(signature: Signature) -> Sequence[str]:
    """The labels that the function counts where the stack says so, as its metrics have them."""
    labels = signature.labels or ()
    return [str(label) for label in labels] if len(labels) <= LABELS else []


def body(
    *, function_arn: str, log_group: str, api_name: str | None, stage: str, model: str, labels: Sequence[str] = ()
) -> str:
    """The dashboard's JSON.

    Source: Amazon CloudWatch API Reference, "Dashboard Body Structure and Syntax".
    """
    name = function_arn.rpartition(":")[2]
    function = ["FunctionName", name]
    charts = [
        *(_api_charts(["ApiName", api_name, "Stage", stage]) if api_name else []),
        *_own_charts([*function, "Model", model], labels),
        ("Duration of the function, ms", _each(_LAMBDA, ["Duration"], function, _PERCENTILES)),
        ("Failed and throttled calls of the function", _each(_LAMBDA, ["Errors", "Throttles"], function)),
        ("Calls at the same time", _each(_LAMBDA, ["ConcurrentExecutions"], function, ["Maximum"])),
    ]
    region = _region(function_arn)
    widgets = [_widget(index, title, metrics, region) for index, (title, metrics) in enumerate(charts)]
    below = (len(charts) + 1) // 2 * _HEIGHT
    return json.dumps(
        {"widgets": [*widgets, _table("By version", f"SOURCE '{log_group}' {_BY_VERSION}", region, below)]}
    )


def _api_charts(api: list[str]) -> list[tuple[str, list[list[Any]]]]:
    return [
        ("Requests of the API", _each(_GATEWAY, ["Count"], api)),
        ("Refused and failed requests of the API", _each(_GATEWAY, ["4XXError", "5XXError"], api)),
        ("Latency of the API, ms", _each(_GATEWAY, ["Latency"], api, _PERCENTILES)),
    ]


def _own_charts(own: list[str], labels: Sequence[str]) -> list[tuple[str, list[list[Any]]]]:
    """What the function itself counts, in its log (docs/start.md)."""
    reasons = ["RefusedRequests", "RefusedValues", "RefusedTypes", "RefusedSizes", "RefusedRoutes"]
    charts = [
        ("Requests and rows of the model", _each(OWN, ["Requests", "Rows"], own)),
        ("Refusals by reason", _each(OWN, ["Refusals", *reasons], own)),
        ("Faults of the model", _each(OWN, ["ServerFaults", "ModelLoadFailure"], own)),
        ("Time of a prediction, ms", _each(OWN, ["PredictionTime"], own, _PERCENTILES)),
        ("Starts", _each(OWN, ["ColdStart", "Restore"], own)),
        ("Time of a start, ms", _each(OWN, ["StartTime"], own, _PERCENTILES)),
    ]
    if labels:
        charts.append(("Answers by label", _each(OWN, [f"Label.{label}" for label in labels], own)))
    return charts


def _each(
    namespace: str, names: Sequence[str], dimensions: list[str], statistics: Sequence[str] = ("Sum",)
) -> list[list[Any]]:
    return [
        [namespace, name, *dimensions, {"stat": statistic, "label": f"{name} {statistic}"}]
        for name in names
        for statistic in statistics
    ]


def _widget(index: int, title: str, metrics: list[list[Any]], region: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": index % 2 * _WIDTH,
        "y": index // 2 * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {"title": title, "metrics": metrics, "region": region, "period": 300, "view": "timeSeries"},
    }


def _table(title: str, query: str, region: str, y: int) -> dict[str, Any]:
    properties = {"title": title, "query": query, "region": region, "view": "table"}
    return {"type": "log", "x": 0, "y": y, "width": 2 * _WIDTH, "height": _HEIGHT, "properties": properties}


def _region(arn: str) -> str:
    return arn.split(":")[3]
