"""A model with own code and packages that are on no index is deployed; a change of its code changes no layer."""

import importlib
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from local.ministack import LocalAws
from model_registry import Registry
from tests import installed, own
from tests.local.stacks import Deployed


def fitted() -> Any:
    """Its first step is of a module beside the script, the others are of everywhere else."""
    step = FunctionTransformer(importlib.import_module("own_steps").with_ratio)
    others = [FunctionTransformer(importlib.import_module(name).step) for name in installed.STEPS]
    return make_pipeline(step, *others, LogisticRegression()).fit(own.X, own.Y)


def test_own_code_is_in_the_function_and_its_change_changes_no_layer(
    aws: LocalAws, bucket: str, registry: Registry, tmp_path: Path
) -> None:
    deployed = Deployed(aws, "dev", tmp_path / "state", {"registryBucket": bucket, "model": "mine"})
    with installed.installed(tmp_path), own.written(tmp_path / "code"):
        model = fitted()
        registry.publish(model, name="mine", X_example=own.X[:5])
        expected = [bool(label) for label in model.predict(own.X[:10])]
    with installed.importable(tmp_path), own.written(tmp_path / "code"):
        steps = tmp_path / "code" / "own_steps.py"
        steps.write_text(steps.read_text().replace("[X, ratio(X)]", "[X, 0 * ratio(X)]"))
        other = fitted()
        registry.publish(other, name="mine", X_example=own.X[:5])
        changed = other.predict_proba(own.X[:1])[0, 1]
    # What is deployed below finds nothing of it here.
    registry.tag("mine/1", "dev")
    deployed.up()
    rows = [{"x0": a, "x1": b} for a, b in own.X[:10].tolist()]
    answer = deployed.post({"instances": rows})
    assert (answer.status, [each["label"] for each in answer.body["predictions"]]) == (200, expected)

    layer = deployed.outputs["layerArn"]
    registry.promote("mine", version=2, to_tag="dev")
    deployed.up()
    assert deployed.outputs["layerArn"] == layer
    answer = deployed.post(rows[0])
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert abs(answer.body["probabilities"]["true"] - changed) < 1e-9
