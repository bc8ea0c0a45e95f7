"""A stack with the format skops serves a model without unpickling anything, from types that the stack trusts."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from infra.inputs import model_layer
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_runtime.manifest import MODEL_FILE, version_key
from tests.local.stacks import Deployed
from training.train_iris import GUIDE_EVENT, Trained, publish

TREE = "sklearn.tree._tree.Tree"

Stack = Callable[..., Deployed]


@pytest.fixture
def stack(aws: LocalAws, bucket: str, registry: Registry, trained_iris: Trained, tmp_path: Path) -> Stack:
    """A stack that follows a tag at the guide's model, published with skops; not deployed yet."""
    publish(registry, trained_iris, "with skops", formats=["joblib", "skops"])
    registry.tag("iris/1", "dev")
    return lambda **config: Deployed(aws, "dev", tmp_path, {"registryBucket": bucket, "format": "skops", **config})


def test_the_guides_model_is_served_where_there_is_no_pickle(stack: Stack, storage: Storage) -> None:
    """MiniStack's own environment has no skops: the layer carries it."""
    storage.delete(version_key("iris", 1, MODEL_FILE))
    deployed = stack(trustedTypes=TREE).up()
    answer = deployed.post(GUIDE_EVENT)
    assert (answer.status, answer.body["label"]) == (200, "virginica")
    assert deployed.invoke({"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3})["body"] == "virginica"
    variables = deployed.configuration()["Environment"]["Variables"]
    assert (variables["MODEL_FORMAT"], variables["MODEL_TRUSTED_TYPES"]) == ("skops", TREE)


def test_types_that_the_stack_does_not_trust_stop_the_deployment_and_the_function(stack: Stack) -> None:
    deployed = stack()
    with pytest.raises(pulumi.RunError, match=rf"model\.skops of iris/1 holds types that are not trusted: {TREE}"):
        deployed.up()
    assert deployed.actions == {}

    deployed = stack(trustedTypes=TREE).up()
    deployed.start_anew(MODEL_TRUSTED_TYPES="another.Type")
    assert deployed.post(GUIDE_EVENT).status == 503
    assert "holds types that are not trusted: sklearn" in deployed.log()[-1]["reason"]


def test_the_layer_has_of_skops_what_loading_needs_and_no_more(registry: Registry, trained_iris: Trained) -> None:
    publish(registry, trained_iris, "with skops", formats=["joblib", "skops"])
    manifest = registry.resolve("iris/1").manifest
    built = model_layer(manifest, manifest.model_format("skops"), "x86_64")
    names = {name.split("/")[4] for name in zipfile.ZipFile(built.path).namelist()}
    assert {"skops", "packaging", "sklearn"} <= names
    assert not {"prettytable", "wcwidth", "pandas", "onnxruntime"} & names
