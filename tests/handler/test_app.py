import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.app import App
from model_runtime.errors import StorageError
from model_runtime.manifest import Feature, Signature
from model_runtime.start import LoadError, ServedModel
from tests.handler.conftest import gateway, model, strict

ROUTES = [("GET", "/predict"), ("POST", "/predict"), ("GET", "/health"), ("GET", "/model"), ("GET", "/openapi.json")]

texts = st.text(max_size=8) | st.just("\ud800")  # JSON's escapes can hold half a surrogate pair
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from("ab"), inner, max_size=4),
    max_leaves=8,
)
values = json_values | st.sampled_from(
    [10**400, "", "e30=", "{", '{"a": 1, "b": null}', "[" * 2000, {"a": ["1"]}, {"b": "1"}]
)
proxy_events = st.sampled_from(ROUTES).flatmap(
    lambda route: st.builds(
        lambda changes: {**gateway(*route), **changes},
        st.dictionaries(
            st.sampled_from(["resource", "httpMethod", "body", "isBase64Encoded", "multiValueQueryStringParameters"]),
            values,
        ),
    )
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values | proxy_events | st.fixed_dictionaries({"a": values, "b": values}))
def test_any_event_gets_an_answer(app: App, event: Any) -> None:
    answer = app(event, None)
    assert type(answer["statusCode"]) is int
    assert isinstance(answer["body"], str)
    assert strict(json.dumps(answer)) == answer
    assert strict(answer["body"]) is not None or answer["statusCode"] == 200
    assert answer["statusCode"] in {200, 400, 404, 500}


def test_a_get_is_answered_from_the_query_string(app: App) -> None:
    answer = app(gateway("GET", "/predict", query={"a": ["1.5"], "b": ["2"]}), None)
    assert answer["headers"] == {"Content-Type": "application/json", "X-Model-Version": "7"}
    assert strict(answer["body"]) == {"value": 3.5, "model": "made", "version": 7}


@pytest.mark.parametrize("encoded", [False, True])
def test_a_post_is_answered_from_the_body(app: App, encoded: bool) -> None:  # noqa: FBT001  # a parameter of the test
    body = '{"a": 1.5, "b": null}'
    text = base64.b64encode(body.encode()).decode() if encoded else body
    answer = app(gateway("POST", "/predict", text, isBase64Encoded=encoded), None)
    assert (answer["statusCode"], strict(answer["body"])["value"]) == (200, 1.5)


def test_a_batch_is_answered_in_order(app: App) -> None:
    body = {"instances": [{"a": 1, "b": 2}, {"a": 3, "b": None}]}
    expected = {"predictions": [{"value": 3.0}, {"value": 3.0}], "model": "made", "version": 7}
    assert strict(app(gateway("POST", "/predict", body), None)["body"]) == expected
    assert strict(app(body, None)["body"]) == expected


@pytest.mark.parametrize("body", ["!", "e30", "ü", "\ud800"])
def test_a_body_that_is_no_base64_is_refused(app: App, body: str) -> None:
    answer = app(gateway("POST", "/predict", body, isBase64Encoded=True), None)
    assert (answer["statusCode"], strict(answer["body"])["detail"]) == (400, "The body is not valid base64.")


@pytest.mark.parametrize("body", [None, "", "{", "[]", "[" * 100_000, '{"a": NaN}', "\ud800"])
def test_a_body_that_does_not_fit_is_a_problem_document(app: App, body: str | None) -> None:
    answer = app(gateway("POST", "/predict", body), None)
    problem = strict(answer["body"])
    assert (answer["statusCode"], problem["status"], problem["title"]) == (400, 400, "Bad Request")
    assert answer["headers"] == {"Content-Type": "application/problem+json", "X-Model-Version": "7"}
    assert problem["errors"]


@pytest.mark.parametrize("name", ["x", "\ud800", "a\x00b", '"', "ü"])
def test_wrong_names_are_named_whatever_they_hold(app: App, name: str) -> None:
    for event in ({name: 1}, gateway("GET", "/predict", query={name: ["1"]})):
        answer = app(event, None)
        assert answer["statusCode"] == 400
        assert name in strict(answer["body"])["errors"][0].get("pointer", name)


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("DELETE", "/predict"), ("POST", "/health")])
def test_what_is_not_there_is_404(app: App, method: str, path: str) -> None:
    answer = app(gateway(method, path), None)
    assert answer["statusCode"] == 404
    assert strict(answer["body"])["detail"] == f"There is no {method} {path}."


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([np.nan]), None),
        (np.array([np.inf]), None),
        (np.array([1], np.int64), 1),
        (np.array([True]), True),
        (np.array([0.5], np.float32), 0.5),
        (np.array([[1.0, np.nan]]), [1.0, None]),
        (np.array([np.float64(2), None], dtype=object)[:1], 2.0),
        (np.array(["ü"]), "ü"),
    ],
)
def test_numpy_values_and_what_json_lacks_never_break_the_answer(output: Any, expected: Any) -> None:
    app = App(lambda: model(lambda _: output))
    answer = app(gateway("POST", "/predict", {"a": 1, "b": 1}), None)
    assert (answer["statusCode"], strict(answer["body"])["value"]) == (200, expected)
    direct = app({"a": 1, "b": 1}, None)
    assert direct["body"] == expected if isinstance(expected, str) else strict(direct["body"]) == expected


def test_labels_and_probabilities_of_direct_and_proxy_answers() -> None:
    features = (Feature(name="a", type="number"),)
    app = App(lambda: model(lambda _: np.array([3]), Signature(features=features)))
    assert app({"a": 1}, None) == {"statusCode": 200, "body": "3"}
    answer = app(gateway("POST", "/predict", {"a": 1}), None)
    assert strict(answer["body"]) == {"label": 3, "model": "made", "version": 7}


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, 400), (OverflowError, 400), (RuntimeError, 500), (KeyError, 500), (MemoryError, 500)],
)
def test_an_error_of_the_model_shows_nothing_internal(
    error: type[Exception], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> Any:
        raise error("the secret")

    app = App(lambda: model(fail))
    for event in ({"a": 1, "b": 1}, gateway("POST", "/predict", {"a": 1, "b": 1})):
        answer = app(event, None)
        assert answer["statusCode"] == status == strict(answer["body"])["status"]
        assert "secret" not in json.dumps(answer)
        assert "Traceback" not in json.dumps(answer)
        assert "the secret" in strict(capsys.readouterr().out.splitlines()[-1]).get("reason", "the secret")


@pytest.mark.parametrize("in_gateway", [False, True])
def test_an_answer_that_lambda_could_not_return_is_413(in_gateway: bool) -> None:  # noqa: FBT001  # a parameter of the test
    app = App(lambda: model(lambda rows: np.array(["x" * 3_100_000] * len(rows))))
    body = {"instances": [{"a": 1, "b": 1}] * 2}
    answer = app(gateway("POST", "/predict", body) if in_gateway else body, None)
    assert answer["statusCode"] == 413
    assert "send fewer instances" in strict(answer["body"])["detail"]


def test_the_description_of_the_model_keeps_its_origin_to_itself(app: App) -> None:
    body = app(gateway("GET", "/model"), None)["body"]
    assert strict(body)["model"] == "made"
    assert "somebody" not in body
    assert "secret-package" not in body


# -- loading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [LoadError("the secret"), StorageError("the secret"), RuntimeError("the secret"), SyntaxError("the secret")],
)
def test_without_a_model_callers_get_503_and_the_log_the_reason(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> ServedModel:
        raise error

    app = App(fail)
    app.start()
    events: list[Any] = [{"a": 1, "b": 1}, *(gateway(*route) for route in ROUTES)]
    for event in events:
        answer = app(event, None)
        assert answer["statusCode"] == 503
        assert "secret" not in answer["body"]
        assert "X-Model-Version" not in answer.get("headers", {})
    lines = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 1 + len(events)
    assert {(line["event"], line["reason"]) for line in lines} == {("model_load_failed", "the secret")}


def test_a_failed_load_is_tried_again_and_a_success_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []

    def load() -> ServedModel:
        calls.append(len(calls))
        if len(calls) < 3:
            raise LoadError("not yet")
        return model(lambda rows: rows[:, 0])

    app = App(load)
    app.start()
    statuses = [app({"a": 1, "b": 1}, None)["statusCode"] for _ in range(4)]
    assert (statuses, len(calls)) == ([503, 200, 200, 200], 3)
    loaded = strict(capsys.readouterr().out.splitlines()[-1])
    assert loaded == {
        "event": "model_loaded",
        "model": "made",
        "version": 7,
        "milliseconds": {"import": 1.0, "load": 2.0, "total": 3.0},
    }
