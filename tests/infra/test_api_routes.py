import json
import re
from typing import Any

import pytest
from jsonschema import Draft4Validator

from infra.api_routes import ERROR_RESPONSES, PATHS, ErrorResponse, body_schema, deployment_digest, routes
from model_runtime.manifest import Feature, Signature
from tests.infra.examples import IRIS

OTHER = Signature(features=(*IRIS.features, Feature(name="color", type="string")), labels=IRIS.labels)


def digest(signature: Signature = IRIS, **changes: Any) -> str:
    given = {"integration": "arn:one", "timeout_ms": 29_000, "api_key": False, **changes}
    return deployment_digest(signature=signature, **given)


def test_get_requires_every_feature_in_the_query_string() -> None:
    (get,) = [route for route in routes(IRIS) if (route.method, route.path) == ("GET", "predict")]
    assert get.query == {"sl": True, "sw": True, "pl": True, "pw": True}


def test_a_feature_that_may_be_missing_is_an_optional_parameter() -> None:
    signature = Signature(features=(Feature(name="age", type="number", nullable=True),))
    assert routes(signature)[0].query == {"age": False}


@pytest.mark.parametrize(
    "features",
    [
        (Feature(name="sepal length (cm)", type="number"),),
        tuple(Feature(name=f"f{index}", type="number") for index in range(200)),
    ],
    ids=["a name that is no parameter", "too many"],
)
def test_get_asks_for_nothing_where_the_features_have_no_sensible_query_form(features: tuple[Feature, ...]) -> None:
    """The method is there all the same, and the function says why it does not answer."""
    assert routes(Signature(features=features))[0].query == {}


def test_every_model_has_the_same_paths_and_methods() -> None:
    signatures = (IRIS, OTHER, Signature(features=(Feature(name="sepal length (cm)", type="number"),)))
    found = {tuple((route.method, route.path) for route in routes(signature)) for signature in signatures}
    (only,) = found
    assert {("GET", "predict"), ("POST", "predict"), ("GET", "")} < set(only)
    assert {(method, path) for path in PATHS for method in ("ANY", "OPTIONS")} < set(only)
    assert PATHS == ("", "predict", "health", "model", "openapi.json", "ping", "invocations", "{proxy+}")


def test_the_schema_takes_one_instance_or_a_batch_and_refuses_the_rest() -> None:
    schema = json.loads(body_schema(IRIS))
    Draft4Validator.check_schema(schema)
    validator = Draft4Validator(schema)
    instance = {"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}
    assert validator.is_valid(instance)
    assert validator.is_valid({"instances": [instance, instance]})
    wrong: object
    for wrong in ({}, [], {"instances": []}, {**instance, "pw": "2.3"}, {**instance, "more": 1}, {"sl": 1}):
        assert not validator.is_valid(wrong), wrong


def test_the_digest_stays_when_nothing_changes() -> None:
    assert digest() == digest()


@pytest.mark.parametrize(
    "changed",
    [
        digest(OTHER),
        digest(integration="arn:two"),
        digest(timeout_ms=60_000),
        digest(api_key=True),
        digest(authorization="iam"),
        digest(cors_origins=("*",)),
    ],
    ids=["signature", "integration", "timeout", "api key", "authorization", "origin"],
)
def test_the_digest_changes_with_what_a_deployment_publishes(changed: str) -> None:
    assert changed != digest()


def test_labels_and_probabilities_do_not_change_the_deployment() -> None:
    """What the function answers is not part of the API's deployment, so a retrained model needs none."""
    retrained = Signature(features=IRIS.features, labels=("a", "b", "c"))
    assert digest(retrained) == digest()


# What a caller can bring into a variable: quotes, a backslash, control characters, a template's own marks, Cyrillic.
HOSTILE = ('"', '","status":200,"x":"', "\\", "\n\r\t\0", "$context.error.message", "</script>", "ж" * 10, "]}")


def rendered(template: str, message: str) -> str:
    """Replace variables as API Gateway does.

    Text is replaced by text; `messageString` is the message as a quoted string, every other variable is not quoted.
    Source: API Gateway Developer Guide, "Variables for data models, authorizers, mapping templates, and CloudWatch
    access logging".
    """
    raw = {
        "$context.error.messageString": json.dumps(message),
        "$context.error.validationErrorString": message,
        "$context.error.responseType": "THROTTLED",
        "$context.error.message": message,
    }
    pattern = "|".join(re.escape(variable) for variable in sorted(raw, key=len, reverse=True))
    return re.sub(pattern, lambda found: raw[found[0]], template)


@pytest.mark.parametrize("message", HOSTILE)
@pytest.mark.parametrize("response", ERROR_RESPONSES, ids=lambda response: response.response_type)
def test_an_error_is_a_problem_document_whatever_the_gateway_puts_into_it(
    response: ErrorResponse, message: str
) -> None:
    problem = json.loads(rendered(response.template, message))
    assert problem["detail"] == message
    assert problem.get("status") == response.status
    assert set(problem) <= {"type", "title", "status", "detail", "errors"}


def test_no_template_has_a_variable_that_is_not_quoted() -> None:
    """What the validator says has quotes in it; `rendered` would show it, and this says why."""
    for response in ERROR_RESPONSES:
        assert re.findall(r"\$[\w.]+", response.template) == ["$context.error.messageString"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(rendered('{"detail":"$context.error.validationErrorString"}', HOSTILE[0]))


def test_what_callers_meet_has_a_title_and_a_status() -> None:
    """Only the two that stand for all others leave the status to the gateway."""
    assert [response.response_type for response in ERROR_RESPONSES if response.status is None] == [
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    ]


def test_which_of_several_origins_may_call_is_the_functions_matter() -> None:
    """The gateway publishes the same; the function's environment has the list."""
    origins = ("https://a.example", "https://b.example")
    assert digest(cors_origins=origins) == digest(cors_origins=(*origins, "https://c.example"))
    assert digest(cors_origins=origins[:1]) != digest(cors_origins=origins[1:])
