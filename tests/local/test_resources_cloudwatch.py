import json

from tests.local.made import ALARM, DASHBOARD, Made

TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"


def test_an_alarm_watches_a_metric_and_follows_a_change(made: Made) -> None:
    """Its tags follow too; after its deletion there is none, and a second deletion is no error."""
    cloudwatch = made.aws.client("cloudwatch")
    alarm = made.make(
        ALARM,
        name=made.name,
        namespace="AWS/Lambda",
        metricName="Duration",
        dimensions={"Resource": "f:live", "FunctionName": "f"},
        extendedStatistic="p99",
        comparisonOperator="GreaterThanThreshold",
        threshold=5000,
        period=300,
        evaluationPeriods=1,
        treatMissingData="notBreaching",
        alarmActions=[TOPIC],
        okActions=[TOPIC],
        tags={"team": "a", "old": "1"},
    )
    (read,) = cloudwatch.describe_alarms(AlarmNames=[made.name])["MetricAlarms"]
    assert (read["ExtendedStatistic"], read["Threshold"], read["TreatMissingData"]) == ("p99", 5000, "notBreaching")
    assert {d["Name"]: d["Value"] for d in read["Dimensions"]} == {"FunctionName": "f", "Resource": "f:live"}
    assert (read["AlarmActions"], read["OKActions"]) == ([TOPIC], [TOPIC])
    assert alarm["arn"] == read["AlarmArn"]

    made.update(ALARM, threshold=100, tags={"team": "b"})
    (read,) = cloudwatch.describe_alarms(AlarmNames=[made.name])["MetricAlarms"]
    assert read["Threshold"] == 100
    assert cloudwatch.list_tags_for_resource(ResourceARN=alarm["arn"])["Tags"] == [{"Key": "team", "Value": "b"}]

    made.remove(ALARM)
    assert cloudwatch.describe_alarms(AlarmNames=[made.name])["MetricAlarms"] == []


def test_a_dashboard_has_the_body_of_the_program(made: Made) -> None:
    """And loses it: one that is gone is no error either."""
    cloudwatch = made.aws.client("cloudwatch")
    made.make(DASHBOARD, dashboardName=made.name, dashboardBody='{"widgets": []}')
    read = cloudwatch.get_dashboard(DashboardName=made.name)
    assert json.loads(read["DashboardBody"]) == {"widgets": []}
    assert made.outputs[DASHBOARD]["dashboardArn"] == read["DashboardArn"]
    made.update(DASHBOARD, dashboardBody='{"widgets": [], "periodOverride": "auto"}')
    assert "periodOverride" in cloudwatch.get_dashboard(DashboardName=made.name)["DashboardBody"]
    made.remove(DASHBOARD)
    names = [entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]]
    assert made.name not in names
