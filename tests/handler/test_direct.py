"""Direct invocations beside the guide's, which `test_events` runs."""

from typing import Any

import numpy as np
import pytest

from handler.app import App
from handler.direct import InvocationError
from model_runtime.download import LoadError
from model_runtime.manifest import Example, Feature, Prediction, Signature
from model_runtime.start import ServedModel
from tests.handler.conftest import gateway, model, strict

EXAMPLE = Example(input={"a": 1.0, "b": 2}, output=Prediction(value=3.0))


def test_a_self_check_asks_every_golden_example() -> None:
    asked: list[Any] = []

    def total(rows: Any) -> Any:
        asked.append(rows.tolist())
        return np.nansum(rows, axis=1)

    other = Example(input={"a": 5.0, "b": None}, output=Prediction(value=5.0))
    answer = App(lambda: model(total, examples=(EXAMPLE, other)))({"selfCheck": True}, None)
    assert answer["statusCode"] == 200
    assert strict(answer["body"]) == {"status": "ok", "model": "made", "version": 7, "examples": 2}
    assert [rows[0][0] for rows in asked if len(rows) == 1][:1] == [1.0]
    assert any(rows[0][0] == 5.0 for rows in asked)


def test_a_self_check_fails_where_an_answer_is_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(lambda: model(lambda rows: rows[:, 0], examples=(EXAMPLE,)))
    assert app({"selfCheck": True}, None)["statusCode"] == 500
    line = strict(capsys.readouterr().out.splitlines()[-1])
    assert line["reason"] == "made/7 answers its golden example 1 differently than recorded"
    with pytest.raises(InvocationError) as caught:
        app({"selfCheck": True, "raise": True}, None)
    assert strict(str(caught.value)) == {
        "status": 500,
        "detail": "made/7 answers its golden example 1 differently than recorded",
    }


@pytest.mark.parametrize(
    ("error", "detail"),
    [(LoadError("it is not there"), "it is not there"), (KeyError("nowhere"), "KeyError: 'nowhere'")],
)
def test_a_self_check_that_is_to_raise_says_why_nothing_is_served(error: Exception, detail: str) -> None:
    """Only this one: whoever asks for a prediction learns no more than that there is none."""

    def load() -> ServedModel:
        raise error

    app = App(load)
    with pytest.raises(InvocationError) as caught:
        app({"selfCheck": True, "raise": True}, None)
    assert strict(str(caught.value)) == {"status": 503, "phase": "settings", "detail": detail}
    with pytest.raises(InvocationError) as caught:
        app({"a": 1, "b": 1, "raise": True}, None)
    assert detail not in str(caught.value)


def test_only_true_is_a_self_check(app: App) -> None:
    assert app({"selfCheck": 1, "a": 1, "b": 1}, None)["statusCode"] == 400


def test_a_failure_is_raised_for_who_asks_for_it_and_told_otherwise(app: App) -> None:
    """Lambda counts an error, the guide's status is only in the answer."""
    assert app({"a": "x", "b": 1}, None)["statusCode"] == 400
    assert app({"a": "x", "b": 1, "raise": False}, None)["statusCode"] == 400
    with pytest.raises(InvocationError, match=r'"status": 400.*"#/a"') as caught:
        app({"a": "x", "b": 1, "raise": True}, None)
    assert strict(str(caught.value))["title"] == "Bad Request"
    assert app({"a": 1, "b": 1, "raise": True}, None) == {"statusCode": 200, "body": "2.0"}
    assert app({"instances": [{"a": 1, "b": 1}], "raise": True}, None)["statusCode"] == 200


def test_a_request_of_the_api_never_raises(app: App) -> None:
    assert app(gateway("POST", "/predict", {"a": 1, "b": 1, "raise": True}), None)["statusCode"] == 400


def test_features_may_have_the_names_of_the_commands() -> None:
    features = tuple(Feature(name=name, type="boolean") for name in ("selfCheck", "raise"))
    app = App(lambda: model(lambda rows: rows.sum(axis=1), Signature(features=features, output="value")))
    assert app({"selfCheck": True, "raise": True}, None) == {"statusCode": 200, "body": "2.0"}
    assert app({"raise": True}, None)["statusCode"] == 400
