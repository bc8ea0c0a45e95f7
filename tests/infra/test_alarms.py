import pytest

from infra.alarms import ModelAlarms
from tests.infra.examples import settings
from tests.infra.recording import Recorded, Recording, record

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


@pytest.fixture(scope="module")
def declared() -> Recording:
    return record(
        lambda: ModelAlarms(
            "iris-dev-alarms",
            settings=settings(alarm_topic_arn=TOPIC, alarm_duration_ms=800, tags={"team": "a"}),
            function_name="iris-dev-function",
            api_name="iris-dev-api-rest",
        )
    )


@pytest.fixture(scope="module")
def by_metric(declared: Recording) -> dict[str, Recorded]:
    return {alarm.inputs["metricName"]: alarm for alarm in declared.all("MetricAlarm")}


def test_errors_throttles_slow_calls_and_5xx_answers_raise_an_alarm(by_metric: dict[str, Recorded]) -> None:
    assert set(by_metric) == {"Errors", "Throttles", "Duration", "5XXError"}
    for name in ("Errors", "Throttles", "5XXError"):
        inputs = by_metric[name].inputs
        assert (inputs["statistic"], inputs["threshold"]) == ("Sum", 0)
        assert "extendedStatistic" not in inputs
    slow = by_metric["Duration"].inputs
    assert (slow["extendedStatistic"], slow["threshold"]) == ("p99", 800)
    assert "statistic" not in slow
    assert "800 ms" in slow["alarmDescription"]


def test_each_watches_this_function_or_this_stage(by_metric: dict[str, Recorded]) -> None:
    for name in ("Errors", "Throttles", "Duration"):
        assert by_metric[name].inputs["namespace"] == "AWS/Lambda"
        assert by_metric[name].inputs["dimensions"] == {"FunctionName": "iris-dev-function"}
    assert by_metric["5XXError"].inputs["namespace"] == "AWS/ApiGateway"
    assert by_metric["5XXError"].inputs["dimensions"] == {"ApiName": "iris-dev-api-rest", "Stage": "dev"}


def test_the_topic_hears_of_the_alarm_and_of_its_end_and_silence_is_no_failure(by_metric: dict[str, Recorded]) -> None:
    for alarm in by_metric.values():
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [TOPIC]
        assert alarm.inputs["treatMissingData"] == "notBreaching"
        assert alarm.inputs["comparisonOperator"] == "GreaterThanThreshold"
        assert alarm.inputs["tags"] == {"team": "a"}
