import json
from typing import Any

import pytest
from jsonschema import Draft4Validator

from infra.api_routes import ERROR_RESPONSES, body_schema, deployment_digest, routes
from model_runtime.manifest import Feature, Signature
from tests.infra.examples import IRIS

OTHER = Signature(features=(*IRIS.features, Feature(name="color", type="string")), labels=IRIS.labels)


def digest(signature: Signature = IRIS, integration: str = "arn:one", *, api_key: bool = False, **settings: Any) -> str:
    return deployment_digest(signature=signature, integration=integration, api_key=api_key, **settings)


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
def test_get_is_left_out_where_the_features_have_no_sensible_query_form(features: tuple[Feature, ...]) -> None:
    assert [(r.method, r.path) for r in routes(Signature(features=features)) if r.path == "predict"] == [
        ("POST", "predict")
    ]


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
        digest(api_key=True),
        digest(authorization="iam"),
        digest(cors_origins=("*",)),
        digest(cors_origins=("https://a.example", "https://b.example")),
    ],
    ids=["signature", "integration", "api key", "authorization", "origin", "origins"],
)
def test_the_digest_changes_with_what_a_deployment_publishes(changed: str) -> None:
    assert changed != digest()


def test_labels_and_probabilities_do_not_change_the_deployment() -> None:
    """What the function answers is not part of the API's deployment, so a retrained model needs none."""
    retrained = Signature(features=IRIS.features, labels=("a", "b", "c"))
    assert digest(retrained) == digest()


def test_error_responses_are_problem_documents_once_the_gateway_has_filled_them_in() -> None:
    for response in ERROR_RESPONSES:
        filled = response.template.replace("$context.error.messageString", '"a message"')
        problem = json.loads(filled)
        assert problem["detail"] == "a message"
        assert problem.get("status") == response.status


def test_another_list_of_several_origins_is_the_functions_matter() -> None:
    """The gateway publishes the same; the function's environment has the list."""
    origins = ("https://a.example", "https://b.example")
    assert digest(cors_origins=origins) == digest(cors_origins=(*origins, "https://c.example"))
    assert digest(cors_origins=origins[:1]) != digest(cors_origins=origins[1:])
