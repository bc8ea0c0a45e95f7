"""A CloudWatch dashboard of one model."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws

_WIDTH, _HEIGHT = 12, 6  # half a row of the grid of 24


class ModelDashboard(pulumi.ComponentResource):
    """Shows the calls of a model: how many, how fast, and how many failed."""

    def __init__(
        self,
        name: str,
        *,
        function_arn: pulumi.Input[str],
        api_name: pulumi.Input[str] | None,
        stage: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelDashboard", name, None, opts)
        values = pulumi.Output.all(function_arn, api_name)
        aws.cloudwatch.Dashboard(
            f"{name}-page",
            # Dashboards have one name space for all regions of an account.
            dashboard_name=values.apply(lambda found: f"{name}-{_region(found[0])}"),
            dashboard_body=values.apply(lambda found: body(function_arn=found[0], api_name=found[1], stage=stage)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def body(*, function_arn: str, api_name: str | None, stage: str) -> str:
    """The dashboard's JSON.

    Source: Amazon CloudWatch API Reference, "Dashboard Body Structure and Syntax".
    """
    function = ["FunctionName", function_arn.rpartition(":")[2]]
    charts = [
        *(_api_charts(["ApiName", api_name, "Stage", stage]) if api_name else []),
        (
            "Duration of the function, ms",
            [_metric("AWS/Lambda", "Duration", function, statistic) for statistic in ("p50", "p90", "p99")],
        ),
        (
            "Failed and throttled calls of the function",
            [_metric("AWS/Lambda", "Errors", function, "Sum"), _metric("AWS/Lambda", "Throttles", function, "Sum")],
        ),
        ("Calls at the same time", [_metric("AWS/Lambda", "ConcurrentExecutions", function, "Maximum")]),
    ]
    region = _region(function_arn)
    return json.dumps(
        {"widgets": [_widget(index, title, metrics, region) for index, (title, metrics) in enumerate(charts)]}
    )


def _api_charts(api: list[str]) -> list[tuple[str, list[list[Any]]]]:
    return [
        ("Requests", [_metric("AWS/ApiGateway", "Count", api, "Sum")]),
        (
            "Refused and failed requests",
            [_metric("AWS/ApiGateway", "4XXError", api, "Sum"), _metric("AWS/ApiGateway", "5XXError", api, "Sum")],
        ),
        (
            "Latency of the API, ms",
            [_metric("AWS/ApiGateway", "Latency", api, statistic) for statistic in ("p50", "p90", "p99")],
        ),
    ]


def _metric(namespace: str, name: str, dimensions: list[str], statistic: str) -> list[Any]:
    return [namespace, name, *dimensions, {"stat": statistic, "label": f"{name} {statistic}"}]


def _widget(index: int, title: str, metrics: list[list[Any]], region: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": index % 2 * _WIDTH,
        "y": index // 2 * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {"title": title, "metrics": metrics, "region": region, "period": 300, "view": "timeSeries"},
    }


def _region(arn: str) -> str:
    return arn.split(":")[3]
