import pytest

from handler.metrics import LOAD_FAILURE, REFUSALS, REQUESTS, SERVER_FAULTS, counted, embedded
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
    return {alarm.inputs.get("metricName", "share"): alarm for alarm in declared.all("MetricAlarm")}


def test_errors_throttles_slow_calls_and_5xx_answers_raise_an_alarm(by_metric: dict[str, Recorded]) -> None:
    own = {"ModelLoadFailure", "ServerFaults"}
    assert set(by_metric) == {"Errors", "Throttles", "Duration", "5XXError", "share", *own}
    for name in ("Errors", "Throttles", "5XXError", *own):
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


def test_the_function_s_own_metrics_are_watched_as_the_function_writes_them(by_metric: dict[str, Recorded]) -> None:
    written = embedded(
        counted(LOAD_FAILURE, SERVER_FAULTS, REQUESTS, REFUSALS),
        {"AWS_LAMBDA_FUNCTION_NAME": "iris-dev-function", "MODEL_NAME": "iris"},
    )
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    dimensions = {name: written[name] for name in directive["Dimensions"][0]}
    for name in (LOAD_FAILURE, SERVER_FAULTS):
        assert by_metric[name].inputs["namespace"] == directive["Namespace"]
        assert by_metric[name].inputs["dimensions"] == dimensions
    queries = by_metric["share"].inputs["metricQueries"]
    assert [query["expression"] for query in queries if "expression" in query] == [
        "IF(requests >= 20, 100 * refusals / requests, 0)"
    ]
    asked = {query["id"]: query["metric"] for query in queries if "metric" in query}
    assert {name: metric["metricName"] for name, metric in asked.items()} == {
        "requests": REQUESTS,
        "refusals": REFUSALS,
    }
    assert all(metric["dimensions"] == dimensions for metric in asked.values())


def test_the_topic_hears_of_the_alarm_and_of_its_end_and_silence_is_no_failure(by_metric: dict[str, Recorded]) -> None:
    for alarm in by_metric.values():
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [TOPIC]
        assert alarm.inputs["treatMissingData"] == "notBreaching"
        assert alarm.inputs["comparisonOperator"] == "GreaterThanThreshold"
        assert alarm.inputs["tags"] == {"team": "a"}
