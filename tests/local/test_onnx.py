"""A stack with the format onnx serves a model with no scikit-learn, no pickle and little memory."""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from infra.inputs import model_layer
from local.ministack import LocalAws, local_aws
from model_registry import Storage
from model_registry.environments import find_interpreter
from model_runtime.errors import InterpreterNotFoundError
from model_runtime.manifest import MODEL_FILE, version_key
from tests.conftest import let_gateway_log, new_bucket
from tests.local.stacks import Deployed, registry_of
from tests.model_registry.fleet import environments
from training.train_iris import GUIDE_EVENT, Trained, publish

PYTHON = "3.12" if sys.version_info < (3, 12) else f"{sys.version_info.major}.{sys.version_info.minor}"
"""What the format asks for; MiniStack runs functions with its own interpreter, whatever the runtime is."""

Stack = Callable[[], Deployed]


@pytest.fixture(scope="module")
def onnx_aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        yield request.getfixturevalue("aws")
        return
    try:
        find_interpreter(PYTHON)
    except InterpreterNotFoundError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"the format onnx needs Python {PYTHON} to be served: {error}")
    with local_aws(tmp_path_factory.mktemp("aws-onnx"), python=PYTHON) as running:
        let_gateway_log(running)
        yield running


@pytest.fixture(scope="module")
def served_onnx(onnx_aws: LocalAws, trained_iris: Trained, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The guide's model, whose pickle is deleted before the stack is deployed."""
    bucket = new_bucket(onnx_aws)
    registry = registry_of(onnx_aws, bucket)
    with onnx_aws.activated():
        publish(registry, trained_iris, "with ONNX", formats=["joblib", "onnx"])
        registry.tag("iris/1", "dev")
        Storage.open(bucket).delete(version_key("iris", 1, MODEL_FILE))
    config = {"registryBucket": bucket, "format": "onnx", "memory": "128"}
    return Deployed(onnx_aws, "dev", tmp_path_factory.mktemp("onnx"), config).up()


def test_the_guides_model_answers_as_ever(served_onnx: Deployed, trained_iris: Trained) -> None:
    answer = served_onnx.post(GUIDE_EVENT)
    assert (answer.status, answer.body["label"]) == (200, "virginica")
    expected = trained_iris.estimator.predict_proba(trained_iris.X_example[:1])[0].tolist()
    assert list(answer.body["probabilities"].values()) == expected, "bit for bit: votes are counted before dividing"
    assert served_onnx.get(**GUIDE_EVENT).body == answer.body
    assert served_onnx.invoke(GUIDE_EVENT) == {"statusCode": 200, "body": "virginica"}
    batch = served_onnx.post({"instances": [GUIDE_EVENT] * 3})
    assert [each["label"] for each in batch.body["predictions"]] == ["virginica"] * 3
    assert served_onnx.read("health").body == {"status": "ok", "model": "iris", "version": 1}


def test_it_runs_on_a_python_that_can_load_onnxruntime(served_onnx: Deployed) -> None:
    """Lambda's python3.11 has too old a glibc, and nothing is unpickled: a later Python serves it."""
    configuration = served_onnx.configuration()
    assert configuration["Runtime"] == f"python{PYTHON}"
    assert configuration["MemorySize"] == 128
    assert configuration["Environment"]["Variables"]["MODEL_FORMAT"] == "onnx"


def test_the_layer_has_onnxruntime_and_numpy_and_what_the_handler_needs(served_onnx: Deployed) -> None:
    with served_onnx.aws.activated():
        registry = registry_of(served_onnx.aws, served_onnx.config["registryBucket"])
        manifest = registry.resolve("iris/1").manifest
    built = model_layer(manifest, manifest.model_format("onnx"), "x86_64")
    assert {package.name for package in built.packages} == {"msgspec", "numpy", "obstore", "onnxruntime"}
    assert built.unzipped_bytes < 150e6
    folder = f"python/lib/python{PYTHON}/site-packages/"
    assert any(name.startswith(folder) for name in zipfile.ZipFile(built.path).namelist())


def test_columns_of_strings_are_served_and_an_unknown_one_is_refused(onnx_aws: LocalAws, tmp_path: Path) -> None:
    frame = pd.DataFrame({"colour": ["red", "green", "blue", "red"] * 5, "size": [1.5, 2.5, 3.5, 4.5] * 5})
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]))
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 1, 0] * 5)
    bucket = new_bucket(onnx_aws)
    registry = registry_of(onnx_aws, bucket)
    with onnx_aws.activated():
        registry.publish(estimator, name="paint", X_example=frame, formats=["onnx"])
        registry.tag("paint/1", "dev")
    stack = Deployed(onnx_aws, "dev", tmp_path, {"registryBucket": bucket, "format": "onnx", "model": "paint"}).up()
    answer = stack.post({"colour": "red", "size": 1.5})
    assert (answer.status, answer.body["label"]) == (200, int(estimator.predict(frame[:1])[0]))
    assert stack.post({"colour": "mauve", "size": 1.5}).status == 422


@pytest.mark.parametrize(
    "name",
    [pytest.param("lightgbm", marks=pytest.mark.soak), pytest.param("xgboost", marks=pytest.mark.soak), "catboost"],
)
def test_a_boosted_pipeline_of_another_package_answers_as_it_did_where_it_was_trained(
    onnx_aws: LocalAws, tmp_path: Path, name: str
) -> None:
    """The package is not installed where it is deployed and served."""
    bucket = new_bucket(onnx_aws)
    with onnx_aws.activated():
        own = environments.publish_boosted(f"s3://{bucket}", name, proof="none")
        registry_of(onnx_aws, bucket).tag(f"{name}/1", "dev")
    stack = Deployed(onnx_aws, "dev", tmp_path, {"registryBucket": bucket, "format": "onnx", "model": name}).up()
    answer = stack.post({"instances": own.rows})
    assert answer.status == 200, answer.body
    assert [one["label"] for one in answer.body["predictions"]] == own.labels
    probabilities = [one["probabilities"]["1"] for one in answer.body["predictions"]]
    assert probabilities == pytest.approx(own.probabilities, abs=1e-5)
