"""What `pulumi up` does, shown by the real engine: unchanged program and command line, MiniStack in place of AWS."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from aws_check.errors import EngineError
from local.iris import call
from model_registry import Registry
from tests.pulumi.conftest import publish_with
from tests.pulumi.inventory import ONE_STACK, added, inventory
from tests.pulumi.stacks import EngineStack, Project
from training.train_iris import GUIDE_EVENT, Trained, publish, train

NewStack = Callable[..., EngineStack]
SERVED = {"Function", "Alias"}
"""What a release changes: the function, whose update publishes a version, and the alias that points at it."""
LAYER = {"BucketObjectv2", "LayerVersion"}


@pytest.fixture(scope="session")
def second(models: Registry) -> str:
    """Another model of the same packages and signature."""
    return publish(models, train(LogisticRegression(max_iter=1000)), "second").manifest.reference


def test_a_preview_creates_nothing(stack: NewStack, models: Registry, project: Project) -> None:
    models.tag("iris/1", "dev")
    seen, before = stack("seen", tag="dev"), inventory(project.aws)
    seen.preview()
    assert "iris@dev: new, version 1, accuracy " in seen.output
    assert set(seen.counts()) == {"create"}
    assert {"Function", "Alias", "LayerVersion", "RestApi", "Stage"} <= seen.changed()
    assert inventory(project.aws) == before
    assert not seen.export()["deployment"].get("resources")


def test_up_gives_a_working_get_and_post(deployed: EngineStack) -> None:
    answers = [deployed.get(**GUIDE_EVENT), deployed.post(GUIDE_EVENT)]
    assert [answer.status for answer in answers] == [200, 200]
    assert [answer.body["label"] for answer in answers] == ["virginica", "virginica"]
    assert answers[0].headers["x-model-version"] == "1"


def test_a_second_up_changes_nothing(dev: EngineStack) -> None:
    dev.up()
    assert "iris@dev: 1, unchanged" in dev.output
    assert set(dev.counts()) == {"same"}
    assert dev.counts()["same"] > 30


def test_promotion_updates_the_function_in_place_and_rollback_brings_the_first_answer_back(
    dev: EngineStack, models: Registry, second: str
) -> None:
    """The preview says the same as the update does, about the model too; the URL stays."""
    url, first = dev.outputs["invokeUrl"], dev.post(GUIDE_EVENT)
    models.tag(second, "dev")
    number = second.rpartition("/")[2]
    kinds = "RandomForestClassifier -> LogisticRegression"
    change = rf"iris@dev: 1 -> {number}, accuracy \S+ -> \S+, {kinds}, signature unchanged"
    for command in (dev.preview, dev.up):
        command()
        assert re.search(change, dev.output)
        assert dev.changed() == SERVED
    assert set(dev.counts()) == {"same", "update"}
    assert dev.outputs["invokeUrl"] == url
    answer = dev.post(GUIDE_EVENT)
    assert f"iris/{answer.body['version']}" == second
    assert answer.body["probabilities"] != first.body["probabilities"]

    models.rollback("iris@dev", reason="slow")
    dev.up()
    assert f"iris@dev: {number} -> 1, accuracy" in dev.output
    assert dev.changed() == SERVED
    assert dev.post(GUIDE_EVENT).body == first.body


def test_a_model_of_other_packages_brings_its_layer(
    dev: EngineStack, models: Registry, trained_iris: Trained, tmp_path: Path
) -> None:
    """The old layer version goes once nothing uses it; going back brings the old layer back."""
    first = dev.outputs["layerArn"]
    release = publish_with(models, trained_iris, tmp_path, threadpoolctl="3.5.0")
    models.tag(release.manifest.reference, "dev")
    dev.up()
    assert re.search(r"threadpoolctl \S+ -> 3.5.0 \(layer changes\)", dev.output)
    assert dev.changed() == SERVED | LAYER
    assert {dev.actions[name] for name, kind in dev.types.items() if kind in LAYER} == {"replace"}
    assert dev.outputs["layerArn"] != first
    arns = inventory(dev.aws)["layer versions"]
    assert dev.outputs["layerArn"] in arns
    assert first not in arns
    assert dev.post(GUIDE_EVENT).body["version"] == release.manifest.version

    models.rollback("iris@dev")
    dev.up()
    assert dev.changed() == SERVED | LAYER
    assert dev.post(GUIDE_EVENT).body["version"] == 1


def test_another_memory_changes_the_function_only(dev: EngineStack) -> None:
    dev.set(memory="512")
    try:
        dev.up()
        assert dev.changed() == SERVED
        assert dev.configuration()["MemorySize"] == 512
    finally:
        dev.unset("memory")


def test_another_signature_is_deployed_anew_and_the_stage_follows(dev: EngineStack, models: Registry) -> None:
    """It is refused first, as it breaks callers. The old deployment goes once the stage has moved to the new one."""
    extra = train().X_example.assign(color=1.0)
    other = LogisticRegression(max_iter=1000).fit(extra, [2, 0, 1])
    # With a proof, as the version before: one without digests of its wheels has another layer.
    release = models.publish(other, name="iris", X_example=extra)
    assert dev.get(**GUIDE_EVENT).status == 200
    models.tag(release.manifest.reference, "dev")
    with pytest.raises(EngineError, match="allowBreaking"):
        dev.up()
    assert "breaking: feature 'color' was added, it cannot be left out" in dev.output
    assert dev.changed() == set()
    dev.set(allowBreaking=True)
    try:
        dev.up()
        assert dev.changed() == SERVED | {"Deployment", "Stage", "Model", "Method"}
        assert dev.actions["iris-dev-api-deployment"] == "replace"
        assert dev.actions["iris-dev-api-stage"] == "update"
        gateway = dev.aws.client("apigateway")
        (api,) = (one["id"] for one in gateway.get_rest_apis()["items"] if one["id"] in dev.outputs["invokeUrl"])
        (deployment,) = gateway.get_deployments(restApiId=api)["items"]
        assert gateway.get_stage(restApiId=api, stageName="dev")["deploymentId"] == deployment["id"]

        assert dev.get(**GUIDE_EVENT).body["detail"] == "Missing required request parameters: [color]"
        assert dev.post(GUIDE_EVENT).body["detail"] == "Invalid request body"
        assert dev.get(**GUIDE_EVENT, color=1).status == 200
    finally:
        models.rollback("iris@dev")
        dev.up()
        dev.unset("allowBreaking")


def test_a_layer_that_cannot_be_built_changes_nothing(
    dev: EngineStack, models: Registry, trained_iris: Trained, tmp_path: Path
) -> None:
    """Neither the preview nor the update begins, and what was served goes on being served."""
    release = publish_with(models, trained_iris, tmp_path, threadpoolctl="0.0.1")
    models.tag(release.manifest.reference, "dev")
    before = inventory(dev.aws)
    for command in (dev.preview, dev.up):
        with pytest.raises(EngineError, match="threadpoolctl"):
            command()
        assert dev.changed() == set()
        assert "Traceback" not in dev.output
    assert inventory(dev.aws) == before
    assert dev.post(GUIDE_EVENT).body["version"] == 1


def test_two_stacks_follow_their_own_tags_of_one_registry(
    dev: EngineStack, stack: NewStack, models: Registry, second: str
) -> None:
    """Destroying one leaves the other as it is."""
    models.tag(second, "prod")
    before = inventory(dev.aws)
    prod = stack("prod").up()
    assert added(before, inventory(dev.aws))["functions"] == 1
    assert dev.post(GUIDE_EVENT).body["version"] == 1
    assert f"iris/{prod.post(GUIDE_EVENT).body['version']}" == second
    assert prod.outputs["invokeUrl"] != dev.outputs["invokeUrl"]
    prod.destroy()
    assert inventory(dev.aws) == before
    assert dev.post(GUIDE_EVENT).status == 200


@pytest.fixture(scope="module")
def closed_settings(project: Project) -> dict[str, object]:
    """Nearly every setting, and what it takes in the account."""
    aws = project.aws
    return {
        "apiKey": True,
        "usageRate": 50,
        "usageBurst": 100,
        "usageQuota": 1000,
        "throttleRate": 80,
        "throttleBurst": 160,
        "corsOrigins": ["https://app.example.com"],
        "domainName": "closed.example.com",
        "certificateArn": aws.client("acm").request_certificate(DomainName="closed.example.com")["CertificateArn"],
        "kmsKeyArn": aws.client("kms").create_key()["KeyMetadata"]["Arn"],
        "subnetIds": ["subnet-00000001"],
        "securityGroupIds": ["sg-00000001"],
        "reservedConcurrency": 5,
        "provisionedConcurrency": 1,
        "ephemeralStorage": 1024,
        "tags": {"team": "forecasting"},
        "alarmTopicArn": aws.client("sns").create_topic(Name="alarms")["TopicArn"],
        "dashboard": True,
    }


def test_settings_come_and_go_secrets_stay_secret_and_destroy_leaves_nothing(
    stack: NewStack, models: Registry, project: Project, closed_settings: dict[str, object]
) -> None:
    """The key's value is neither in the state, nor in an output, nor in what the commands say."""
    models.tag("iris/1", "dev")
    before = inventory(project.aws)
    closed = stack("closed", tag="dev", **closed_settings).up()
    key = project.aws.client("apigateway").get_api_key(apiKey=closed.outputs["apiKeyId"], includeValue=True)["value"]
    assert closed.post(GUIDE_EVENT).status == 403
    assert call(closed.outputs["invokeUrl"], GUIDE_EVENT, {"x-api-key": key}).status == 200

    said = [closed.output, closed.preview().output, project.pulumi("stack", "--stack", "closed", "--show-ids")]
    assert set(closed.counts()) == {"same"}
    assert key not in "".join(said)
    assert key not in str(closed.outputs)
    assert key not in str(closed.export())
    shown = project.pulumi("stack", "export", "--stack", "closed", "--show-secrets")
    assert key in shown  # the value is there, encrypted: this test can fail

    extra = {"API keys": 1, "usage plans": 1, "dashboards": 1, "domain names": 1}
    found = added(before, inventory(project.aws))
    assert found.pop("alarms") > 0
    assert found == ONE_STACK | extra

    closed.unset(*closed_settings)
    closed.up()
    assert added(before, inventory(project.aws)) == ONE_STACK
    assert closed.post(GUIDE_EVENT).status == 200
    closed.destroy()
    assert inventory(project.aws) == before
