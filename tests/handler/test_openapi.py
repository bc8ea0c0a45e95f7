import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from handler.app import App
from handler.openapi import document
from model_runtime.manifest import Feature, Prediction, Signature
from model_runtime.schema import Row, request_schema
from model_runtime.start import ServedModel
from tests.handler.conftest import gateway, model, strict
from tests.model_runtime.test_schema import FORMATS, requests


def references(node: Any) -> list[str]:
    """Every `$ref` of a document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [each for value in node.values() for each in references(value)]
    return [each for value in node for each in references(value)] if isinstance(node, list) else []


def validator(whole: dict[str, Any], schema: Any) -> Any:
    """Check by a schema of the document, which references others of it."""
    return jsonschema.Draft202012Validator({**schema, "components": whole["components"]})


@pytest.fixture
def iris(served_iris: ServedModel) -> dict[str, Any]:
    return document(served_iris.manifest)


def test_every_reference_is_resolved(iris: dict[str, Any]) -> None:
    found = set(references(iris))
    assert found >= {"#/components/schemas/Instance", "#/components/schemas/Answer"}
    parts = [name.removeprefix("#/components/").split("/") for name in found]
    assert all(name in iris["components"][kind] for kind, name in parts)
    for schema in iris["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


class Ones:
    """Answers 1 to every row."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        return [Prediction(value=1.0)] * len(rows)


@settings(max_examples=60)
@given(requests())
def test_the_function_answers_what_the_served_document_and_the_gateway_s_schema_take_and_refuses_the_rest(
    request_: tuple[Signature, Any],
) -> None:
    signature, body = request_
    made = model(lambda _: None, msgspec.structs.replace(signature, output="value"))
    app = App(lambda: ServedModel(made.manifest, made.inputs, Ones(), {}))
    whole = strict(app(gateway("GET", "/openapi.json"), None)["body"])
    content = whole["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    today = jsonschema.Draft202012Validator({**content, "components": whole["components"]}, format_checker=FORMATS)
    older = jsonschema.Draft4Validator(request_schema(signature), format_checker=FORMATS)
    answer = app(gateway("POST", "/predict", json.dumps(body)), None)
    assert answer["statusCode"] == (200 if today.is_valid(body) else 400)
    assert older.is_valid(body) == today.is_valid(body)


@pytest.mark.parametrize("event", ["get", "post", "batch"])
def test_what_the_app_answers_is_what_the_document_promises(
    served_iris: ServedModel, iris: dict[str, Any], event: str
) -> None:
    example = served_iris.manifest.examples[0].input
    events = {
        "get": gateway("GET", "/predict", query={name: [str(value)] for name, value in example.items()}),
        "post": gateway("POST", "/predict", example),
        "batch": gateway("POST", "/predict", {"instances": [example]}),
    }
    operation = iris["paths"]["/predict"]["get" if event == "get" else "post"]
    answer = App(lambda: served_iris)(events[event], None)
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validator(iris, schema).validate(strict(answer["body"]))
    assert not validator(iris, schema).is_valid({"label": "rose"})


def test_problems_are_what_the_document_promises(served_iris: ServedModel, iris: dict[str, Any]) -> None:
    answer = App(lambda: served_iris)(gateway("POST", "/predict", {}), None)
    reference = iris["paths"]["/predict"]["post"]["responses"][str(answer["statusCode"])]["$ref"]
    content = iris["components"]["responses"][reference.rpartition("/")[2]]["content"]
    validator(iris, content[answer["headers"]["Content-Type"]]["schema"]).validate(strict(answer["body"]))


def test_requests_are_described_as_the_function_reads_them(served_iris: ServedModel, iris: dict[str, Any]) -> None:
    body = iris["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    example = served_iris.manifest.examples[0].input
    assert validator(iris, body).is_valid(example)
    assert validator(iris, body).is_valid({"instances": [example, example]})
    assert not validator(iris, body).is_valid({**example, "more": 1})
    assert not validator(iris, body).is_valid({"instances": []})


def test_a_nullable_feature_is_a_parameter_that_may_be_left_out() -> None:
    served = model(lambda rows: rows[:, 0])
    parameters = document(served.manifest)["paths"]["/predict"]["get"]["parameters"]
    assert [(each["name"], each["required"]) for each in parameters] == [("a", True), ("b", False)]


def test_a_model_whose_features_fit_no_query_string_has_no_get() -> None:
    signature = Signature(features=(Feature(name="sepal length (cm)", type="number"),))
    found = document(model(lambda _: np.array([1]), signature).manifest)
    assert set(found["paths"]["/predict"]) == {"post"}
    assert json.dumps(found)
