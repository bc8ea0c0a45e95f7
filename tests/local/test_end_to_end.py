"""The whole way over HTTP: the unchanged program, real S3, Lambda and API Gateway APIs, IAM enforced."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from local.iris import call
from local.ministack import LocalAws
from model_registry import Registry
from tests.local.stacks import Deployed
from training.train_iris import GUIDE_EVENT, publish, train

Deploy = Callable[..., Deployed]

pytestmark = pytest.mark.no_cover  # whole deployments: Pulumi's code and boto3's, with parts of ours that have tests


@pytest.fixture
def deploy_stack(aws: LocalAws, bucket: str, models: Registry, tmp_path: Path) -> Deploy:  # noqa: ARG001  # models fills it
    """Deploys a stack that follows the tag dev of the test's own registry."""

    def run(name: str = "dev", **config: str) -> Deployed:
        return Deployed(aws, name, tmp_path, {"registryBucket": bucket, "tag": "dev", **config}).up()

    return run


def test_promotion_updates_the_function_and_rollback_brings_the_first_answer_back(
    models: Registry, deploy_stack: Deploy
) -> None:
    """The URL stays, only function and alias change, and the answer's version follows the tag."""
    stack = deploy_stack()
    url, first = stack.outputs["invokeUrl"], stack.post(GUIDE_EVENT)
    assert (first.status, first.body["label"], first.headers["x-model-version"]) == (200, "virginica", "1")

    publish(models, train(LogisticRegression(max_iter=1000)), "second")
    models.tag("iris/2", "dev")
    stack.up()
    second = stack.post(GUIDE_EVENT)
    assert stack.changed() == {"Function", "Alias"}
    assert stack.outputs["invokeUrl"] == url
    assert (second.body["version"], second.headers["x-model-version"]) == (2, "2")
    assert second.body["probabilities"] != first.body["probabilities"]

    models.tag("iris/1", "dev", reason="rollback")
    stack.up()
    assert stack.post(GUIDE_EVENT).body == first.body


def test_a_second_deployment_touches_nothing_and_another_memory_the_function_only(deploy_stack: Deploy) -> None:
    stack = deploy_stack()
    created = stack.counts()
    assert set(created) == {"create"}
    stack.up()
    assert stack.counts() == {"same": created["create"]}
    stack.config = {**stack.config, "memory": "512"}
    stack.up()
    assert stack.changed() == {"Function", "Alias"}


def test_another_signature_is_deployed_to_the_stage(models: Registry, deploy_stack: Deploy) -> None:
    stack = deploy_stack(allowBreaking="true")
    wide = train()
    extra = wide.X_example.assign(color=1.0)
    fitted = LogisticRegression(max_iter=1000).fit(extra, [2, 0, 1])
    models.publish(fitted, name="iris", X_example=extra)
    models.tag("iris/2", "dev")
    stack.up()
    assert {"Deployment", "Stage", "Model", "Method"} <= stack.changed()
    assert stack.get(**GUIDE_EVENT).body["detail"] == "Missing required request parameters: [color]"
    assert stack.get(**GUIDE_EVENT, color=1).status == 200


def test_a_role_without_the_registrys_read_right_makes_the_function_refuse_to_serve(
    aws: LocalAws, deploy_stack: Deploy
) -> None:
    """Callers get 503 and no internals; once the right is back, the next request is served."""
    stack = deploy_stack()
    iam, role = aws.client("iam"), stack.role()
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    stack.start_anew()

    refused = stack.post(GUIDE_EVENT)
    assert refused.status == 503
    assert refused.body["title"] == "Service Unavailable"
    assert "label" not in refused.body
    assert "s3" not in str(refused.body)
    assert stack.log()[-1]["event"] == "model_load_failed"
    assert "does not let the function's role read" in stack.log()[-1]["reason"]

    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    assert stack.post(GUIDE_EVENT).status == 200


def test_a_model_that_was_overwritten_in_the_bucket_is_not_loaded(
    aws: LocalAws, bucket: str, deploy_stack: Deploy
) -> None:
    stack = deploy_stack()
    aws.client("s3").put_object(Bucket=bucket, Key="models/iris/versions/1/model.joblib", Body=b"other bytes")
    stack.start_anew()
    assert stack.post(GUIDE_EVENT).status == 503
    assert "model.joblib of iris/1 has SHA-256" in stack.log()[-1]["reason"]


def test_a_closed_api_wants_its_key_but_for_the_page_that_asks_for_it(aws: LocalAws, deploy_stack: Deploy) -> None:
    stack = deploy_stack(apiKey="true")
    assert stack.post(GUIDE_EVENT).status == 403
    key = aws.client("apigateway").get_api_key(apiKey=stack.outputs["apiKeyId"], includeValue=True)["value"]
    assert key not in str(stack.outputs)

    assert call(stack.outputs["invokeUrl"], GUIDE_EVENT, {"x-api-key": key}).status == 200
    assert stack.read("model").status == 403
    opened = urllib.request.Request(stack.outputs["pageUrl"], headers={"Accept": "text/html"})  # noqa: S310  # the local AWS, by HTTP
    with urllib.request.urlopen(opened) as page:  # noqa: S310  # as above
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_two_stacks_follow_their_own_tags_of_one_registry(models: Registry, deploy_stack: Deploy) -> None:
    publish(models, train(LogisticRegression(max_iter=1000)), "second")
    models.tag("iris/2", "prod")
    dev, prod = deploy_stack("dev"), deploy_stack("prod", tag="prod")
    assert dev.post(GUIDE_EVENT).body["version"] == 1
    assert prod.post(GUIDE_EVENT).body["version"] == 2
    assert dev.outputs["functionName"] != prod.outputs["functionName"]


@pytest.mark.parametrize(
    "body",
    [{}, [], {"sl": "a"}, {**GUIDE_EVENT, "more": 1}, {"instances": []}, {**GUIDE_EVENT, "pw": None}],
    ids=str,
)
def test_a_body_that_does_not_fit_is_refused_by_the_gateway(served: Deployed, body: object) -> None:
    answer = served.post(body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["detail"] == "Invalid request body"
    assert "x-model-version" not in answer.headers


def test_wrong_values_in_a_query_string_are_all_named(served: Deployed) -> None:
    answer = served.get(sl="long", sw="nan", pl=5.1, pw=2.3)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["parameter"] for error in answer.body["errors"]] == ["sl", "sw"]


def test_health_model_and_openapi_are_served(served: Deployed) -> None:
    assert served.read("health").body == {"status": "ok", "model": "iris", "version": 1}
    assert served.read("model").body["metrics"] == {"accuracy": 0.98}
    assert served.read("openapi.json").body["openapi"].startswith("3.1")


def test_an_unknown_path_is_answered_with_a_problem_document(served: Deployed) -> None:
    answer = served.read("nothing-here")
    assert (answer.status, answer.body["title"], answer.body["status"]) == (404, "Not Found", 404)
    assert answer.headers["content-type"] == "application/problem+json"
