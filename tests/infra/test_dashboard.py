import json

from infra.dashboard import ModelDashboard, body
from tests.infra.recording import record

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:iris-dev-function"


def test_the_body_charts_calls_failures_and_durations_of_this_function_and_this_stage() -> None:
    widgets = json.loads(body(function_arn=FUNCTION, api_name="rest", stage="dev"))["widgets"]
    charted = {(metric[0], metric[1]) for widget in widgets for metric in widget["properties"]["metrics"]}
    assert {("AWS/Lambda", name) for name in ("Duration", "Errors", "Throttles")} <= charted
    assert {("AWS/ApiGateway", name) for name in ("Count", "4XXError", "5XXError", "Latency")} <= charted
    for widget in widgets:
        assert widget["properties"]["region"] == "eu-central-1"
        for _namespace, _name, *dimensions, _options in widget["properties"]["metrics"]:
            assert dimensions in (["FunctionName", "iris-dev-function"], ["ApiName", "rest", "Stage", "dev"])


def test_no_two_charts_lie_on_one_another() -> None:
    widgets = json.loads(body(function_arn=FUNCTION, api_name="rest", stage="dev"))["widgets"]
    assert len({(widget["x"], widget["y"]) for widget in widgets}) == len(widgets)
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets), "the grid has 24 columns"


def test_its_name_differs_between_regions_which_share_one_name_space() -> None:
    recording = record(
        lambda: ModelDashboard("iris-dev-dashboard", function_arn=FUNCTION, api_name="rest", stage="dev")
    )
    assert recording.one("Dashboard").inputs["dashboardName"] == "iris-dev-dashboard-eu-central-1"
