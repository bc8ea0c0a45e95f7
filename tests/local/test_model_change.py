"""What a deployment says about the model, and that a breaking one stops."""

from pathlib import Path

import pulumi
import pytest
from sklearn.linear_model import LogisticRegression

from local.deployment import deploy
from local.errors import UnsupportedError
from local.ministack import LocalAws
from model_registry import Registry
from model_registry.reference import VersionRef
from model_runtime.errors import GateError
from tests.local.stacks import Deployed
from training.train_iris import Trained, publish, train

UNCHANGED = "signature unchanged, packages unchanged"


pytestmark = pytest.mark.no_cover  # whole deployments: Pulumi's code and boto3's, with parts of ours that have tests


@pytest.fixture
def stack(aws: LocalAws, bucket: str, models: Registry, tmp_path: Path) -> Deployed:  # noqa: ARG001  # models fills it
    """A deployed stack that follows the tag dev."""
    return Deployed(aws, "dev", tmp_path, {"registryBucket": bucket}).up()


def said(stack: Deployed) -> list[str]:
    """What the last deployment said of the model, but that it was published without a proof and so without digests."""
    mine = [message for message in stack.messages if "iris@dev" in message or "iris/" in message]
    return [message for message in mine if "lacks the digests of wheels" not in message]


def publish_wider(models: Registry, trained: Trained) -> None:
    """Publish a version that wants a feature more."""
    wider = trained.X_example.assign(color=1.0)
    models.publish(LogisticRegression(max_iter=1000).fit(wider, [2, 0, 1]), name="iris", X_example=wider)


def test_a_deployment_says_what_it_changes_about_the_model(models: Registry, stack: Deployed) -> None:
    """At first, again, after a promotion and after a rollback."""
    assert said(stack) == ["iris@dev: new, version 1, accuracy 0.98"]
    assert said(stack.up()) == ["iris@dev: 1, unchanged"]

    publish(models, train(LogisticRegression(max_iter=1000)), "second")
    models.tag("iris/2", "dev")
    estimators = "RandomForestClassifier -> LogisticRegression"
    assert said(stack.up()) == [f"iris@dev: 1 -> 2, accuracy 0.98 -> 1, {estimators}, {UNCHANGED}"]
    models.rollback("iris@dev", reason="slow")
    (line,) = said(stack.up())
    assert line.startswith("iris@dev: 2 -> 1, accuracy 1 -> 0.98, LogisticRegression -> ")


def test_a_breaking_signature_stops_before_anything_is_changed_unless_the_stack_allows_it(
    models: Registry, stack: Deployed, trained_iris: Trained
) -> None:
    publish_wider(models, trained_iris)
    models.tag("iris/2", "dev")
    before = stack.outputs, stack.configuration()["Version"]
    with pytest.raises(pulumi.RunError) as refusal:
        stack.up()
    message = str(refusal.value)
    assert "iris/2 breaks callers of iris/1: " in message
    assert "feature 'color' was added, it cannot be left out" in message
    assert "pulumi config set allowBreaking true" in message
    assert "\n" not in message
    assert (stack.outputs, stack.configuration()["Version"]) == before
    assert stack.actions == {}
    assert "  breaking: feature 'color' was added, it cannot be left out" in said(stack)[0].splitlines()

    stack.config = {**stack.config, "allowBreaking": "true"}
    stack.up()
    assert said(stack)[0].startswith("iris@dev: 1 -> 2, accuracy 0.98 -> none, ")
    assert "Function" in stack.changed()
    stack.config = {**stack.config, "allowBreaking": "false"}
    assert said(stack.up()) == ["iris@dev: 2, unchanged"]


def test_a_tag_that_was_turned_back_or_points_at_a_revoked_version_is_not_deployed(
    aws: LocalAws, models: Registry, stack: Deployed, bucket: str
) -> None:
    """Who can write to the bucket puts the tag back as it was: consistent, with the digests of all that is there."""
    s3, key = aws.client("s3"), "models/iris/tags/dev.json"
    publish(models, train(LogisticRegression(max_iter=1000)), "second")
    stored = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    models.tag("iris/2", "dev")
    stack.up()
    assert (stack.outputs["trust"]["sequence"], stack.outputs["modelVersion"]) == (2, 2)
    s3.put_object(Bucket=bucket, Key=key, Body=stored)
    with pytest.raises(pulumi.RunError, match="it ends with move 1 now, move 2 is gone") as refusal:
        stack.up()
    assert stack.actions == {}
    accepted = str(refusal.value).rpartition("acceptHistory ")[2].rstrip("`")
    stack.config = {**stack.config, "acceptHistory": accepted}
    assert any("which acceptHistory accepts" in message for message in stack.up().messages)
    assert stack.outputs["modelVersion"] == 1

    models.revoke("iris/1", reason="poisoned")
    with pytest.raises(pulumi.RunError, match=r"iris/1 was revoked by .* \(poisoned\): move the tag away from it"):
        stack.up()
    models.promote("iris", version=2, to_tag="dev")
    with pytest.raises(GateError, match="iris/1 was revoked"):
        models.rollback("iris@dev", allow_deprecated=True)
    assert stack.up().outputs["modelVersion"] == 2


def test_a_deployed_version_that_was_deleted_is_said_and_stops_nothing(
    models: Registry, stack: Deployed, trained_iris: Trained
) -> None:
    """Whether the new one breaks callers cannot be known any more."""
    publish_wider(models, trained_iris)
    models.tag("iris/2", "dev")
    models.delete(VersionRef("iris", 1), reason="personal data")
    warning, line = said(stack.up())
    assert warning.startswith("iris/1, which is deployed, cannot be compared with iris/2, which may break callers: ")
    assert "there is no version iris/1" in warning
    assert line == "iris@dev: 1 -> 2, not compared"
    assert stack.outputs["modelVersion"] == 2


def test_a_manifest_that_was_exchanged_is_not_taken_for_the_deployed_one(
    aws: LocalAws, models: Registry, stack: Deployed
) -> None:
    """The stack's outputs hold its digest."""
    s3, bucket, key = aws.client("s3"), stack.outputs["registryBucket"], "models/iris/versions/1/manifest.json"
    publish(models, train(LogisticRegression(max_iter=1000)), "second")
    models.tag("iris/2", "dev")
    manifest = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=manifest.replace(b'"first"', b'"other"'))
    warning, line = said(stack.up())
    assert f"the manifest of iris/1 in {bucket} is another one" in warning
    assert line == "iris@dev: 1 -> 2, accuracy 1, not compared"


def test_a_program_reads_its_own_outputs_only(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: reader\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "__main__.py").write_text(
        "import pulumi\n"
        "read = pulumi.runtime.invoke('pulumi:pulumi:readStackOutputs', {'name': 'organization/reader/dev'}).value\n"
        "pulumi.export('before', dict(read['outputs']).get('now'))\n"
        "pulumi.export('now', 'x')\n"
    )
    assert deploy(tmp_path, "dev", aws, tmp_path) == {"before": None, "now": "x"}
    assert deploy(tmp_path, "dev", aws, tmp_path) == {"before": "x", "now": "x"}
    program = (tmp_path / "__main__.py").read_text()
    (tmp_path / "__main__.py").write_text(program.replace("/dev", "/prod"))
    with pytest.raises(UnsupportedError, match="reads the outputs of organization/reader/prod"):
        deploy(tmp_path, "dev", aws, tmp_path)


def test_a_program_reads_what_its_components_had_as_outputs(aws: LocalAws, tmp_path: Path) -> None:
    """Of a secret, that it is one."""
    (tmp_path / "Pulumi.yaml").write_text("name: reader\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "__main__.py").write_text(
        "import pulumi\n"
        "stack = {'stackName': 'organization/reader/dev'}\n"
        "read = pulumi.runtime.invoke('pulumi:pulumi:readStackResourceOutputs', stack).value\n"
        "component = pulumi.ComponentResource('a:b:C', 'one')\n"
        "component.register_outputs({'number': 1, 'key': pulumi.Output.secret('x')})\n"
        "pulumi.export('before', dict(read['outputs']))\n"
    )
    assert deploy(tmp_path, "dev", aws, tmp_path) == {"before": {}}
    found = deploy(tmp_path, "dev", aws, tmp_path)["before"]
    (component,) = (one for urn, one in found.items() if urn.endswith("a:b:C::one"))
    assert component == {"outputs": {"number": 1, "key": "[secret]"}}
