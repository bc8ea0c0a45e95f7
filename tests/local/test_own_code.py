"""A model with own code is deployed: its code is in the function, where a change of it changes no layer."""

from pathlib import Path

from local.ministack import LocalAws
from model_registry import Registry
from tests import own
from tests.local.stacks import Deployed


def test_own_code_is_in_the_function_and_its_change_changes_no_layer(
    aws: LocalAws, bucket: str, registry: Registry, tmp_path: Path
) -> None:
    deployed = Deployed(aws, "dev", tmp_path / "state", {"registryBucket": bucket, "model": "mine"})
    with own.written(tmp_path / "code"):
        model = own.fitted()
        registry.publish(model, name="mine", X_example=own.X[:5])
        expected = [bool(label) for label in model.predict(own.X[:10])]
    registry.tag("mine/1", "dev")
    deployed.up()
    rows = [{"x0": a, "x1": b} for a, b in own.X[:10].tolist()]
    answer = deployed.post({"instances": rows})
    assert (answer.status, [each["label"] for each in answer.body["predictions"]]) == (200, expected)

    layer = deployed.outputs["layerArn"]
    with own.written(tmp_path / "code"):
        steps = tmp_path / "code" / "own_steps.py"
        steps.write_text(steps.read_text().replace("[X, ratio(X)]", "[X, 0 * ratio(X)]"))
        other = own.fitted()
        registry.publish(other, name="mine", X_example=own.X[:5])
        changed = other.predict_proba(own.X[:1])[0, 1]
    registry.promote("mine", version=2, to_tag="dev")
    deployed.up()
    assert deployed.outputs["layerArn"] == layer
    answer = deployed.post(rows[0])
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert abs(answer.body["probabilities"]["true"] - changed) < 1e-9
