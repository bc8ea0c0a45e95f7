"""Alarms of a model's function and API."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.settings import Settings

PERIOD = 300  # seconds
REFUSED_PERCENT = 50
FEW_REQUESTS = 20
"""Below so many requests a period, their share says nothing."""
_FUNCTION, _API = "AWS/Lambda", "AWS/ApiGateway"
OWN = "SklearnOnLambda"
"""The namespace of the function's own metrics; a test compares it with `handler.metrics`."""


@dataclass(frozen=True)
class Alarm:
    """Rises when the statistic of one period is above the threshold; `role` ends its name."""

    role: str
    description: str
    namespace: str
    metric: str
    threshold: int
    statistic: str = "Sum"


OWN_ALARMS = (
    Alarm("load-failures", "The function could not load its model (docs/runbook.md)", OWN, "ModelLoadFailure", 0),
    Alarm("server-faults", "The function answered with 500 or 503 (docs/runbook.md)", OWN, "ServerFaults", 0),
)


def alarms(duration_ms: int, *, has_api: bool = True) -> tuple[Alarm, ...]:
    """The alarms of a model.

    Source of the metrics: AWS Lambda Developer Guide, "Types of metrics for Lambda functions"; API Gateway Developer
    Guide, "Amazon API Gateway dimensions and metrics".
    """
    slow = f"The slowest 1 % of calls took longer than {duration_ms} ms"
    function = (
        Alarm("errors", "The function raised or timed out", _FUNCTION, "Errors", 0),
        Alarm("throttles", "The function refused calls for want of concurrency", _FUNCTION, "Throttles", 0),
        Alarm("duration", slow, _FUNCTION, "Duration", duration_ms, "p99"),
    )
    # The handler answers 500 and 503 itself; only the API counts these.
    api = (Alarm("api-errors", "The API answered with 5xx", _API, "5XXError", 0),)
    return (*function, *api) if has_api else function


class ModelAlarms(pulumi.ComponentResource):
    """Tells an SNS topic when a model's function or API fails, and when it is well again."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        function_name: pulumi.Input[str],
        api_name: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelAlarms", name, None, opts)
        dimensions: dict[str, dict[str, pulumi.Input[str]]] = {
            _FUNCTION: {"FunctionName": function_name},
        }
        if api_name is not None:
            dimensions[_API] = {"ApiName": api_name, "Stage": settings.stack}
        for alarm in alarms(settings.alarm_duration_ms, has_api=api_name is not None):
            percentile = alarm.statistic.startswith("p")
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.role}",
                alarm_description=alarm.description,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=dimensions[alarm.namespace],
                statistic=None if percentile else alarm.statistic,
                extended_statistic=alarm.statistic if percentile else None,
                threshold=alarm.threshold,
                period=PERIOD,
                **_notice(settings),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self._watch_own_metrics(name, settings, function_name)
        self.register_outputs({})

    def _watch_own_metrics(self, name: str, settings: Settings, function_name: pulumi.Input[str]) -> None:
        """Alarms of what the function itself counts, in its log (docs/start.md)."""
        dimensions = {"FunctionName": function_name, "Model": settings.model}
        for alarm in OWN_ALARMS:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.role}",
                alarm_description=alarm.description,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=dimensions,
                statistic=alarm.statistic,
                threshold=alarm.threshold,
                period=PERIOD,
                **_notice(settings),
                opts=pulumi.ResourceOptions(parent=self),
            )
        share = aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id="share",
            expression=f"IF(requests >= {FEW_REQUESTS}, 100 * refusals / requests, 0)",
            label="Refused requests in percent",
            return_data=True,
        )
        counts = [
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=metric.lower(),
                return_data=False,  # an alarm watches one query, which is the share
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=OWN, metric_name=metric, dimensions=dimensions, period=PERIOD, stat="Sum"
                ),
            )
            for metric in ("Requests", "Refusals")
        ]
        aws.cloudwatch.MetricAlarm(
            f"{name}-refusals",
            alarm_description=f"More than {REFUSED_PERCENT} % of the requests were refused: did the signature change?",
            metric_queries=[share, *counts],
            threshold=REFUSED_PERCENT,
            **_notice(settings),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _notice(settings: Settings) -> dict[str, Any]:
    """When an alarm rises, and who hears of it."""
    return {
        "comparison_operator": "GreaterThanThreshold",
        "evaluation_periods": 1,
        "treat_missing_data": "notBreaching",  # no calls is not a failure
        "alarm_actions": [settings.alarm_topic_arn],
        "ok_actions": [settings.alarm_topic_arn],
        "tags": settings.resource_tags,
    }
