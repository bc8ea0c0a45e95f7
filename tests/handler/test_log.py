"""What the log says, and that the log of a whole run holds nothing that a caller sent."""

import json
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler import log
from handler.app import App
from handler.metrics import LINES_A_SECOND
from model_runtime.download import LoadError
from model_runtime.manifest import Example, Feature, Prediction, Signature
from model_runtime.start import ServedModel
from tests.handler.conftest import gateway, model, strict
from tests.handler.metrics import metrics_of

CONTEXT = SimpleNamespace(aws_request_id="invocation-1")
EVENT = gateway("POST", "/predict", {"a": 1, "b": 1}, requestContext={"requestId": "request-1"})
EXAMPLE = Example(input={"a": 1.0, "b": 2}, output=Prediction(value=3.0))


@pytest.fixture
def _in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "made-dev")
    monkeypatch.setenv("MODEL_NAME", "made")
    monkeypatch.setenv("MODEL_VERSION", "7")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [strict(line) for line in capsys.readouterr().out.splitlines()]


def started(answer: Any, capsys: pytest.CaptureFixture[str], **more: Any) -> App:
    app = App(lambda: model(answer, **more))
    app.start()
    capsys.readouterr()
    return app


@pytest.mark.usefixtures("_in_lambda")
@pytest.mark.parametrize(("setting", "expected"), [("off", 0), ("sampled", 3), ("on", 250)])
def test_requests_are_logged_as_the_stack_says(
    setting: str, expected: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUEST_LOG", setting)
    app = started(lambda rows: rows[:, 0], capsys)
    for _ in range(250):
        app(EVENT, CONTEXT)
    written = lines(capsys)
    requests = [line for line in written if line["event"] == "request"]
    assert len(requests) == expected
    for line in requests:
        assert (line["request"], line["invocation"], line["route"]) == ("request-1", "invocation-1", "POST /predict")
        assert (line["status"], line["rows"], line["model"], line["version"]) == (200, 1, "made", 7)
        assert line["milliseconds"] > 0
    assert sum(metrics_of(line).get("Requests", 0) for line in written if "_aws" in line) in range(201, 251)


@pytest.mark.usefixtures("_in_lambda")
def test_refusals_are_counted_by_their_reason_and_faults_apart(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(rows: Any) -> Any:
        if rows[0, 0] == 9:
            raise ValueError
        if rows[0, 0] == 8:
            raise RuntimeError
        return rows.sum(axis=1)

    app = started(answer, capsys, examples=(EXAMPLE,))
    for event in (
        EVENT,
        gateway("POST", "/predict", {"a": 1, "b": 1, "c": 1}),
        gateway("GET", "/nothing"),
        gateway("PUT", "/predict"),
        gateway("POST", "/predict", "x", headers={"Content-Type": "text/plain"}),
        gateway("POST", "/predict", {"a": 9, "b": 1}),
        gateway("POST", "/predict", {"instances": [{"a": 1, "b": 1}] * 3}),
        gateway("POST", "/predict", {"a": 8, "b": 1}),
    ):
        app(event, CONTEXT)
    found: dict[str, float] = {}
    written = lines(capsys)
    for line in written:
        for name, value in metrics_of(line).items():
            found[name] = found.get(name, 0) + (len(value) if isinstance(value, list) else value)
    assert found == {
        "Requests": 8,
        "Rows": 4,
        "PredictionTime": 2,
        "Refusals": 5,
        "RefusedRequests": 1,
        "RefusedRoutes": 2,
        "RefusedTypes": 1,
        "RefusedValues": 1,
        "ServerFaults": 1,
    }
    assert [line["event"] for line in written if line["event"] != "requests"] == ["values_refused", "request_failed"]


@pytest.mark.usefixtures("_in_lambda")
@pytest.mark.parametrize("requests", [1, 2, LINES_A_SECOND])
def test_an_environment_that_ends_after_a_few_requests_loses_none_of_their_metrics(
    requests: int, capsys: pytest.CaptureFixture[str]
) -> None:
    app = started(lambda rows: rows[:, 0], capsys)
    for _ in range(requests):
        app(EVENT, CONTEXT)
    written = lines(capsys)
    assert sum(metrics_of(line)["Requests"] for line in written) == requests
    assert all(line["predicting"] == pytest.approx(sum(line["PredictionTime"]), abs=0.001) for line in written)


@pytest.mark.usefixtures("_in_lambda")
def test_a_busy_environment_keeps_a_second_s_metrics_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    app = started(lambda rows: rows[:, 0], capsys)
    for _ in range(90):
        app(EVENT, CONTEXT)
    assert sum(metrics_of(line)["Requests"] for line in lines(capsys)) == LINES_A_SECOND
    now[0] += 1
    app(EVENT, CONTEXT)
    (line,) = lines(capsys)
    metrics = metrics_of(line)
    assert metrics["Requests"] == len(metrics["PredictionTime"]) == 90 - LINES_A_SECOND + 1


@pytest.mark.usefixtures("_in_lambda")
def test_labels_are_counted_where_the_stack_says_so_and_they_are_few(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUEST_LOG", "on")
    for setting, count, counted in (("on", 2, True), ("on", 21, False), ("", 2, False)):
        monkeypatch.setenv("LABEL_COUNTS", setting)
        plain = model(lambda rows: rows[:, 0], Signature(features=(Feature(name="a", type="number"),)))
        signature = msgspec.structs.replace(plain.manifest.signature, labels=tuple(f"l{i}" for i in range(count)))
        manifest = msgspec.structs.replace(plain.manifest, signature=signature)

        class Named:
            def predict(self, rows: Any) -> list[Prediction]:
                return [Prediction(label=f"l{int(row[0])}") for row in rows]

        app = App(lambda manifest=manifest, plain=plain: ServedModel(manifest, plain.inputs, Named(), {}))  # type: ignore[misc]  # default arguments of a lambda
        app({"instances": [{"a": 0}, {"a": 1}, {"a": 1}]}, CONTEXT)
        metrics = metrics_of(lines(capsys)[-1])
        labels = {name: value for name, value in metrics.items() if name.startswith("Label.")}
        assert labels == ({"Label.l0": 1, "Label.l1": 2} if counted else {})


@pytest.mark.usefixtures("_in_lambda")
def test_a_failed_load_says_phase_version_and_request(capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> ServedModel:
        error = LoadError("no such thing")
        error.model_load_phase = "fetch"  # type: ignore[attr-defined]  # as `start.load` sets it
        raise error

    app = App(load)
    app.start()
    app(EVENT, CONTEXT)
    first, second = lines(capsys)
    assert (first["phase"], first["model"], first["version"], first["error"]) == ("fetch", "made", "7", "LoadError")
    assert "request" not in first
    assert (second["request"], second["invocation"]) == ("request-1", "invocation-1")
    assert metrics_of(second) == {"ModelLoadFailure": 1, "Requests": 1, "ServerFaults": 1}


def test_what_a_model_prints_does_not_spoil_the_next_line(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(_: Any) -> Any:
        sys.stdout.write("half a line")
        sys.stderr.write("and half of stderr")
        raise RuntimeError

    def load() -> ServedModel:
        sys.stdout.write("loading")
        return model(answer)

    app = App(load)
    app.start()
    app(EVENT, CONTEXT)
    captured = capsys.readouterr()
    loading, loaded, half, failed = captured.out.splitlines()
    # The quick way of answering failed first, then the estimator's own.
    assert (loading, half, captured.err) == ("loading", "half a line" * 2, "and half of stderr" * 2 + "\n")
    assert [strict(line)["event"] for line in (loaded, failed)] == ["model_loaded", "request_failed"]


def test_a_warning_is_one_line_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(rows: Any) -> Any:
        warnings.warn("the secret", stacklevel=1)
        return rows[:, 0]

    app = started(answer, capsys)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.warnings_without_messages()
        for _ in range(3):
            app(EVENT, CONTEXT)
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    assert strict(line)["event"] == "warning"
    assert strict(line)["category"] == "UserWarning"
    assert "secret" not in captured.out + captured.err


@pytest.mark.usefixtures("_in_lambda")
def test_the_stack_may_have_messages_and_they_are_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(_: Any) -> Any:
        raise RuntimeError("the second") from KeyError("the first " + "x" * 3000)

    def traceback() -> str:
        app = started(answer, capsys)
        app(EVENT, CONTEXT)
        (line,) = lines(capsys)
        return "\n".join(line["traceback"])

    assert "builtins.KeyError" in traceback()
    assert not [message for message in ("the first", "the second", "xxx") if message in traceback()]
    monkeypatch.setenv("LOG_MESSAGES", "on")
    found = traceback()
    assert "builtins.RuntimeError: the second" in found
    assert "builtins.KeyError: 'the first " in found
    assert log.MESSAGE - 100 < found.count("x") < log.MESSAGE


RECORDS = """
import logging, sys, warnings
logging.basicConfig(stream=sys.stderr, level="INFO")
from handler import log
log.records_without_messages()
log.warnings_without_messages()
logging.getLogger("lightgbm").warning("the secret %s", 4711)
try:
    raise ValueError("the secret 4711")
except ValueError:
    logging.exception("the secret")
logging.captureWarnings(True)
warnings.warn("the secret 4711")
"""


def test_what_a_library_logs_is_one_line_without_its_message() -> None:
    """In a process of its own: pytest has handlers of its own at the root."""
    done = subprocess.run([sys.executable, "-c", RECORDS], capture_output=True, text=True, check=True)
    found = [strict(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["level"], line["logger"]) for line in found] == [
        ("logged", "WARNING", "lightgbm"),
        ("logged", "ERROR", "root"),
        ("logged", "WARNING", "py.warnings"),
    ]
    assert "secret" not in done.stdout + done.stderr
    assert "4711" not in done.stdout + done.stderr


def test_a_long_reason_of_a_failed_load_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> ServedModel:
        raise ValueError("x" * 100_000)

    App(load).start()
    assert len(capsys.readouterr().out) < 4 * log.MESSAGE


def test_an_error_that_lambda_logs_names_no_field_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    app = started(lambda rows: rows[:, 0], capsys)
    event = {"a": 1, "b": 1, TOLD: 1, "raise": True}
    assert "4711" in app({**event, "raise": False}, CONTEXT)["body"], "who calls is told"
    for raising in (event, {"instances": [event], "raise": True}):
        with pytest.raises(Exception, match="unknown field") as raised:
            app(raising, CONTEXT)
        assert "4711" not in str(raised.value)


def test_a_recursion_is_written_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def deep(n: int) -> int:
        return 1 + deep(n + 1)

    app = started(lambda _: deep(0), capsys)
    assert app(EVENT, CONTEXT)["statusCode"] == 500
    (line,) = lines(capsys)
    assert len(line["traceback"]) < 100


TOLD = "sécret-4711"
told = st.sampled_from([TOLD, {TOLD: 1}, [TOLD], 47110815.25, "47110815.25", -471108154711])
bodies = st.one_of(
    st.fixed_dictionaries({"a": told, "b": told}),
    st.fixed_dictionaries({"a": st.just(1), "b": st.just(2), TOLD: st.just(3)}),
    st.lists(told, min_size=1, max_size=3).map(lambda items: {"instances": items}),
    st.fixed_dictionaries({"a": st.just(47110815.25), "b": st.just(-4711)}),
)
events = st.one_of(
    bodies,
    bodies.map(lambda body: gateway("POST", "/predict", body)),
    bodies.map(lambda body: gateway("POST", "/invocations", body)),
    told.map(lambda value: gateway("POST", "/invocations", f"a,b\n1,{value}", headers={"Content-Type": "text/csv"})),
    told.map(lambda value: gateway("GET", "/predict", query={"a": [str(value)], TOLD: ["1"]})),
    st.just(gateway("GET", f"/{TOLD}")),
    st.just(gateway("POST", "/predict", TOLD, headers={"Content-Type": TOLD})),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=4), st.sampled_from([ValueError, KeyError, UnicodeDecodeError]))
def test_no_value_of_a_caller_is_in_the_log(
    capsys: pytest.CaptureFixture[str], events: list[Any], kind: type[Exception]
) -> None:
    def answer(rows: Any) -> Any:
        if rows[0, 0] == 47110815.25:
            raise kind(*(("utf-8", b"47110815", 0, 1, TOLD) if kind is UnicodeDecodeError else (TOLD, rows)))
        return np.nansum(rows, axis=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_LOG", "on")
        app = App(lambda: model(answer, examples=(EXAMPLE,)))
        for event in events:
            app(event, CONTEXT)
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert captured.out.count("\n") <= 1 + len(events)
    for value in (TOLD, json.dumps(TOLD)[1:-1], "4711"):
        assert value not in written
