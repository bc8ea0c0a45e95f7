"""The log lines of a start, as CloudWatch reads them."""

from pathlib import Path
from typing import Any

import pytest

from handler.app import App
from handler.metrics import COLD_START, LOAD_FAILURE, NAMESPACE, RESTORE, counted, embedded, timed
from model_runtime.download import LoadError
from model_runtime.start import ServedModel
from tests.handler.conftest import model, strict
from tests.handler.metrics import metrics_of

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "iris-dev", "MODEL_NAME": "iris"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [strict(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LAMBDA.items():
        monkeypatch.setenv(name, value)


def test_a_start_is_one_line_with_its_phases_and_their_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    App(lambda: model(lambda rows: rows[:, 0])).start()
    (line,) = lines(capsys)
    assert metrics_of(line) == {"ColdStart": 1, "ImportTime": 1.0, "LoadTime": 2.0, "StartTime": 3.0}
    assert line["milliseconds"] == {"import": 1.0, "load": 2.0, "total": 3.0}
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == NAMESPACE == "SklearnOnLambda"
    assert {name: line[name] for name in directive["Dimensions"][0]} == {"FunctionName": "iris-dev", "Model": "iris"}
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units.pop("ColdStart") == "Count"
    assert set(units.values()) == {"Milliseconds"}


def test_a_failure_is_counted_each_time_and_the_cold_start_once(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def load() -> ServedModel:
        calls.append(1)
        if len(calls) < 3:
            raise LoadError("not yet")
        return model(lambda rows: rows[:, 0])

    app = App(load)
    app.start()
    for _ in range(4):
        app({"a": 1, "b": 1}, None)
    written = lines(capsys)
    assert [line["event"] for line in written] == ["model_load_failed"] * 2 + ["model_loaded"] + ["requests"] * 3
    first, second, third, *_ = map(metrics_of, written)
    assert first == {"ColdStart": 1, "ModelLoadFailure": 1}
    assert second == {"ModelLoadFailure": 1, "Requests": 1, "ServerFaults": 1}
    assert set(third) == {"ImportTime", "LoadTime", "StartTime"}


def test_without_a_model_name_the_function_s_name_is_the_dimension() -> None:
    """The failure that MODEL_NAME is not set is counted, too."""
    line = embedded(counted("ModelLoadFailure"), {"AWS_LAMBDA_FUNCTION_NAME": "iris-dev"})
    assert metrics_of(line) == {"ModelLoadFailure": 1}
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"]]


def test_outside_lambda_a_line_has_no_metrics() -> None:
    assert embedded(counted("ColdStart"), {"MODEL_NAME": "iris"}) == {}


def test_every_phase_has_a_metric_of_its_own_and_the_page_names_all() -> None:
    phases = ["import", "fetch", "verify", "load", "self_check", "total"]
    times = ["ImportTime", "FetchTime", "VerifyTime", "LoadTime", "SelfCheckTime", "StartTime"]
    assert list(timed(dict.fromkeys(phases, 1.0))) == times
    page = (Path(__file__).parents[2] / "docs" / "start.md").read_text()
    assert all(f"`{name}`" in page for name in (*times, COLD_START, LOAD_FAILURE, RESTORE, NAMESPACE))
