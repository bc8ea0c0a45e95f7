import json
from typing import Any

from handler import metrics
from handler.metrics import counted, embedded
from infra.dashboard import LABELS, ModelDashboard, body, counted_labels
from model_runtime.manifest import Signature
from tests.infra.examples import IRIS, settings
from tests.infra.recording import record

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:iris-dev-function"


def widgets(labels: list[str] | None = None) -> list[dict[str, Any]]:
    text = body(
        function_arn=FUNCTION,
        log_group="iris-dev-logs",
        api_name="rest",
        stage="dev",
        model="iris",
        labels=labels or [],
    )
    return json.loads(text)["widgets"]  # type: ignore[no-any-return]  # of JSON


def charted(found: list[dict[str, Any]]) -> list[list[Any]]:
    return [metric for widget in found for metric in widget["properties"].get("metrics", [])]


def test_the_body_charts_calls_failures_and_durations_of_this_function_and_this_stage() -> None:
    found = charted(widgets())
    names = {(metric[0], metric[1]) for metric in found}
    assert {("AWS/Lambda", name) for name in ("Duration", "Errors", "Throttles")} <= names
    assert {("AWS/ApiGateway", name) for name in ("Count", "4XXError", "5XXError", "Latency")} <= names
    own = ["FunctionName", "iris-dev-function", "Model", "iris"]
    expected = {"AWS/Lambda": own[:2], "AWS/ApiGateway": ["ApiName", "rest", "Stage", "dev"], metrics.NAMESPACE: own}
    assert all(dimensions == expected[namespace] for namespace, _name, *dimensions, _options in found)
    assert all(widget["properties"]["region"] == "eu-central-1" for widget in widgets())


def test_every_metric_of_requests_that_the_function_writes_is_charted_as_it_writes_it() -> None:
    names = {value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}
    names = (names - {metrics.NAMESPACE}) | set(metrics.REFUSED.values()) | {"StartTime"}
    written = embedded(counted(*names), {"AWS_LAMBDA_FUNCTION_NAME": "iris-dev-function", "MODEL_NAME": "iris"})
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    dimensions = [value for name in directive["Dimensions"][0] for value in (name, written[name])]
    found = [metric[:-1] for metric in charted(widgets())]
    assert len(names) > 12
    for metric in directive["Metrics"]:
        assert [directive["Namespace"], metric["Name"], *dimensions] in found


def test_the_table_by_version_asks_the_function_s_log_for_members_that_lines_have() -> None:
    *_, table = widgets()
    assert table["type"] == "log"
    query = table["properties"]["query"]
    assert query.startswith("SOURCE 'iris-dev-logs' | ")
    assert " by version\n" in query
    for name in (metrics.REQUESTS, metrics.REFUSALS, metrics.SERVER_FAULTS, metrics.LOAD_FAILURE, metrics.ROWS):
        assert f"sum({name})" in query


def test_labels_are_charted_where_they_are_counted_and_few() -> None:
    assert LABELS == metrics.LABELS
    assert counted_labels(IRIS) == ["setosa", "versicolor", "virginica"]
    assert counted_labels(Signature(features=IRIS.features, labels=tuple(range(LABELS)))) == [*map(str, range(LABELS))]
    assert counted_labels(Signature(features=IRIS.features, labels=tuple(range(LABELS + 1)))) == []
    assert not [metric for metric in charted(widgets()) if metric[1].startswith("Label.")]
    assert [metric[1] for metric in charted(widgets(["a"])) if metric[1].startswith("Label.")] == ["Label.a"]


def test_no_two_charts_lie_on_one_another() -> None:
    found = widgets(["a"])
    cells = [
        (x, y)
        for widget in found
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(x < 24 for x, _ in cells), "the grid has 24 columns"


def test_its_name_differs_between_regions_which_share_one_name_space() -> None:
    recording = record(
        lambda: ModelDashboard(
            "iris-dev-dashboard",
            settings=settings(label_counts=True),
            signature=IRIS,
            function_arn=FUNCTION,
            log_group="iris-dev-logs",
            api_name="rest",
        )
    )
    page = recording.one("Dashboard").inputs
    assert page["dashboardName"] == "iris-dev-dashboard-eu-central-1"
    assert "Label.setosa" in page["dashboardBody"]
