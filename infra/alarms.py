"""Alarms of a model's function and API."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.settings import Settings

PERIOD = 300  # seconds
_FUNCTION, _API = "AWS/Lambda", "AWS/ApiGateway"


@dataclass(frozen=True)
class Alarm:
    """Rises when the statistic of one period is above the threshold; `role` ends its name."""

    role: str
    description: str
    namespace: str
    metric: str
    threshold: int
    statistic: str = "Sum"


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
                comparison_operator="GreaterThanThreshold",
                threshold=alarm.threshold,
                period=PERIOD,
                evaluation_periods=1,
                treat_missing_data="notBreaching",  # no calls are no failure
                alarm_actions=[settings.alarm_topic_arn],
                ok_actions=[settings.alarm_topic_arn],
                tags=settings.resource_tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
