"""CloudWatch: alarms and dashboards. MiniStack has no metrics of functions or APIs, so no alarm fires."""

from collections.abc import Mapping

from local.ministack import REGION, LocalAws
from local.resources.base import Field, Properties, ResourceType, account, request, tag_list

_METRIC: Mapping[str, Field] = {
    "dimensions": ("Dimensions", lambda value: [{"Name": key, "Value": value[key]} for key in sorted(value)]),
    "metricName": "MetricName",
    "namespace": "Namespace",
}
_STATISTIC: Mapping[str, Field] = {"period": "Period", "stat": "Stat"}
_QUERY: Mapping[str, Field] = {
    "expression": "Expression",
    "id": "Id",
    "label": "Label",
    "metric": (
        "MetricStat",
        lambda metric: {
            "Metric": request(_METRIC, {name: metric[name] for name in _METRIC}),
            **request(_STATISTIC, {name: metric[name] for name in _STATISTIC}),
        },
    ),
    "returnData": "ReturnData",
}

_ALARM: Mapping[str, Field] = {
    "name": "AlarmName",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "dimensions": ("Dimensions", lambda value: [{"Name": key, "Value": value[key]} for key in sorted(value)]),
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "metricQueries": ("Metrics", lambda queries: [request(_QUERY, query) for query in queries]),
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}


def _create_alarm(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    tags = request({"tags": ("Tags", tag_list)}, inputs)
    aws.client("cloudwatch").put_metric_alarm(**request(_ALARM, inputs), **tags)
    return inputs["name"], _alarm(aws, inputs)


def _update_alarm(aws: LocalAws, _name: str, inputs: Properties) -> Properties:
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(**request(_ALARM, inputs))  # a whole alarm in place of the old, but for its tags
    outputs = _alarm(aws, inputs)
    tags = inputs.get("tags") or {}
    old = cloudwatch.list_tags_for_resource(ResourceARN=outputs["arn"])["Tags"]
    gone = sorted({tag["Key"] for tag in old} - tags.keys())
    if gone:
        cloudwatch.untag_resource(ResourceARN=outputs["arn"], TagKeys=gone)
    if tags:
        cloudwatch.tag_resource(ResourceARN=outputs["arn"], Tags=tag_list(tags))
    return outputs


def _alarm(aws: LocalAws, inputs: Properties) -> Properties:
    return {"arn": f"arn:aws:cloudwatch:{REGION}:{account(aws)}:alarm:{inputs['name']}"}


def _create_dashboard(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    return inputs["dashboardName"], _update_dashboard(aws, inputs["dashboardName"], inputs)


def _update_dashboard(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    aws.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=inputs["dashboardBody"])
    return {"dashboardArn": f"arn:aws:cloudwatch::{account(aws)}:dashboard/{name}"}


RESOURCES = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": ResourceType(
        _create_alarm,
        frozenset(_ALARM) | {"tags"},
        _update_alarm,
        identity=frozenset({"name"}),
        named="name",
    ),
    "aws:cloudwatch/dashboard:Dashboard": ResourceType(
        _create_dashboard,
        frozenset({"dashboardName", "dashboardBody"}),
        _update_dashboard,
        identity=frozenset({"dashboardName"}),
    ),
}
