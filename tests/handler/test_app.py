import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from handler import routes
from handler.app import App
from model_runtime.download import LoadError
from model_runtime.errors import StorageError
from model_runtime.manifest import Feature, Signature
from model_runtime.start import ServedModel
from tests.handler.conftest import gateway, model, strict

ROUTES = [(method, path) for path, methods in routes.ROUTES.items() for method in methods]

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
@example(gateway("GET", "/predict", query={"a": None}))  # type: ignore[dict-item]  # as no gateway sends it
@example(gateway("GET", "/predict", query={"a": [1], "b": ["1"]}))  # type: ignore[list-item]  # as above
@given(json_values | proxy_events | st.fixed_dictionaries({"a": values, "b": values}))
def test_any_event_gets_an_answer(app: App, event: Any) -> None:
    answer = app(event, None)
    assert type(answer["statusCode"]) is int
    assert isinstance(answer["body"], str)
    assert strict(json.dumps(answer)) == answer
    assert strict(answer["body"]) is not None or answer["statusCode"] == 200
    assert answer["statusCode"] in {200, 400, 404, 405, 422}


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


@pytest.mark.parametrize("path", ["/nothing", "/predict/", "//", "/" + "x" * 5000])
def test_an_unknown_path_is_404_and_the_known_ones_are_named(app: App, path: str) -> None:
    for event in (gateway("GET", path), gateway("GET", "/{proxy+}", pathParameters={"proxy": path[1:]})):
        answer = app(event, None)
        assert answer["statusCode"] == 404 == strict(answer["body"])["status"]
        detail = strict(answer["body"])["detail"]
        assert detail.startswith(f"There is no {path[:200]}")
        assert "/predict, /health, /model, /openapi.json, /ping, /invocations." in detail
        assert len(detail) < 500


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/predict", "GET, POST"),
        ("POST", "/health", "GET"),
        ("HEAD", "/health", "GET"),
        ("GET", "/invocations", "POST"),
        ("OPTIONS", "/", "GET"),
    ],
)
def test_an_unknown_method_is_405_with_those_that_there_are(app: App, method: str, path: str, allow: str) -> None:
    answer = app(gateway(method, path), None)
    problem = strict(answer["body"])
    assert (answer["statusCode"], problem["title"], answer["headers"]["Allow"]) == (405, "Method Not Allowed", allow)
    assert problem["detail"] == f"{method} {path} is not possible: use {allow.replace(', ', ' or ')}."


def test_a_model_without_a_query_form_says_why_a_get_is_not_possible() -> None:
    features = (Feature(name="sepal length (cm)", type="number"),)
    app = App(lambda: model(lambda _: np.array([1]), Signature(features=features)))
    answer = app(gateway("GET", "/predict", query={"sepal length (cm)": ["1"]}), None)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "POST")
    assert "API Gateway takes no query string parameter" in strict(answer["body"])["detail"]


@pytest.mark.parametrize("path", ["/", "/health", "/ping"])
def test_routes_without_inputs_are_answered(app: App, path: str) -> None:
    answer = app(gateway("GET", path), None)
    assert answer["statusCode"] == 200
    assert strict(answer["body"]).items() >= {"model": "made", "version": 7}.items()


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
def test_a_content_type_that_is_not_read_is_415(app: App, path: str, content_type: str) -> None:
    answer = app(gateway("POST", path, {"a": 1, "b": 1}, headers={"content-type": content_type}), None)
    assert (answer["statusCode"], strict(answer["body"])["title"]) == (415, "Unsupported Media Type")
    assert "application/json" in strict(answer["body"])["detail"]
    assert ("text/csv" in strict(answer["body"])["detail"]) == (path == "/invocations")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8", ""])
def test_json_is_read_however_it_is_named(app: App, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else None
    assert app(gateway("POST", "/predict", {"a": 1, "b": 1}, headers=headers), None)["statusCode"] == 200


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
    "error", [ValueError, OverflowError, RuntimeError, KeyError, MemoryError, SystemExit, GeneratorExit]
)
def test_an_error_of_the_model_is_500_and_shows_nothing_internal(
    error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> Any:
        raise error("the secret")

    app = App(lambda: model(fail))
    for event in ({"a": 1, "b": 1}, gateway("POST", "/predict", {"a": 1, "b": 1})):
        answer = app(event, None)
        assert answer["statusCode"] == 500 == strict(answer["body"])["status"]
        assert "secret" not in json.dumps(answer)
        assert "Traceback" not in json.dumps(answer)
        line = strict(capsys.readouterr().out.splitlines()[-1])
        assert (line["event"], line["status"], line["version"]) == ("request_failed", 500, 7)
        assert line["traceback"][0] == f"builtins.{error.__name__}"
        assert any(place.endswith(" in fail") for place in line["traceback"])
        assert "secret" not in json.dumps(line)


@pytest.mark.parametrize("in_gateway", [False, True])
def test_an_answer_that_lambda_could_not_return_is_413(in_gateway: bool) -> None:  # noqa: FBT001  # a parameter of the test
    app = App(lambda: model(lambda rows: np.array(["x" * 3_200_000] * len(rows))))
    body = {"instances": [{"a": 1, "b": 1}] * 2}
    answer = app(gateway("POST", "/predict", body) if in_gateway else body, None)
    assert answer["statusCode"] == 413
    assert "send fewer instances" in strict(answer["body"])["detail"]


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_an_answer_in_the_form_of_another_server_has_the_same_limit(accept: str) -> None:
    app = App(lambda: model(lambda rows: np.array(["ü" * 600_000] * len(rows))))
    for rows, status in ((1, 200), (2, 413)):
        body = {"dataframe_records": [{"a": 1, "b": 1}] * rows}
        answer = app(gateway("POST", "/invocations", body, headers={"Accept": accept}), None)
        assert answer["statusCode"] == status
        assert len(json.dumps(answer)) < 6_291_556


def test_the_description_of_the_model_keeps_its_origin_to_itself(app: App) -> None:
    body = app(gateway("GET", "/model"), None)["body"]
    assert strict(body)["model"] == "made"
    assert "somebody" not in body
    assert "secret-package" not in body


# -- loading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        LoadError("the secret"),
        StorageError("the secret"),
        RuntimeError("the secret"),
        SyntaxError("the secret"),
        SystemExit("the secret"),
    ],
)
def test_without_a_model_callers_get_503_and_the_log_the_reason(
    error: BaseException, capsys: pytest.CaptureFixture[str]
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
    assert {(line["event"], line["reason"], line["error"]) for line in lines} == {
        ("model_load_failed", "the secret", type(error).__name__)
    }


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
