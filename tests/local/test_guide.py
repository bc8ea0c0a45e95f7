"""One test for each row of docs/guide.md, on a deployed stack unless the row is about training alone."""

import json
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.inputs import model_layer
from local.deployment import deploy
from local.iris import PROJECT, call
from model_runtime.manifest import Manifest, decode_manifest
from tests.handler.events import NAMES, assert_expected, event_of
from tests.handler.metrics import metrics_of
from tests.local.stacks import Deployed
from training.train_iris import GUIDE_EVENT, Trained


@pytest.fixture(scope="module")
def manifest(served: Deployed) -> Manifest:
    key = "models/iris/versions/1/manifest.json"
    stored = served.aws.client("s3").get_object(Bucket=served.outputs["registryBucket"], Key=key)
    return decode_manifest(stored["Body"].read())


def test_row_01_a_layer_that_import_sklearn_works_from(served: Deployed, manifest: Manifest, tmp_path: Path) -> None:
    """The deployed zip alone, unpacked under python/lib/python3.X/site-packages, gives sklearn."""
    built = model_layer(manifest, manifest.model_format("joblib"), "x86_64")
    assert f"layers/{built.key}.zip" in _keys(served, served.outputs["artifactBucket"])
    zipfile.ZipFile(built.path).extractall(tmp_path)
    packages = tmp_path / f"python/lib/python{manifest.environment.python}/site-packages"
    program = f"import sys; sys.path.insert(0, {str(packages)!r}); import sklearn; print(sklearn.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(packages)


def test_row_02_a_layer_version_through_s3(served: Deployed) -> None:
    """It is larger than a direct upload may be, and names its runtime."""
    uploads = served.aws.client("s3").list_objects_v2(Bucket=served.outputs["artifactBucket"])["Contents"]
    (upload,) = (upload for upload in uploads if upload["Key"].endswith(".zip"))
    assert upload["Size"] > 50_000_000
    version = served.aws.client("lambda").get_layer_version_by_arn(Arn=served.outputs["layerArn"])
    assert version["CompatibleRuntimes"] == [served.configuration()["Runtime"]]


def test_row_03_training_gives_an_accuracy_of_098(trained_iris: Trained) -> None:
    assert f"{trained_iris.accuracy:.2f}" == "0.98"
    assert list(trained_iris.X_example.columns) == ["sl", "sw", "pl", "pw"]


def test_row_04_the_artifact_is_model_joblib(served: Deployed) -> None:
    assert "models/iris/versions/1/model.joblib" in _keys(served, served.outputs["registryBucket"])


def test_row_05_the_bare_event_gives_exactly_the_guides_answer(served: Deployed) -> None:
    assert served.invoke({"sl": 6.9, "sw": 3.1, "pl": 5.1, "pw": 2.3}) == {"statusCode": 200, "body": "virginica"}


@pytest.mark.parametrize("name", NAMES)
def test_row_06_every_console_test_event_gives_its_answer(served: Deployed, name: str) -> None:
    """As the Lambda console's Test does: the event goes to the deployed function."""
    assert_expected(name, served.invoke(event_of(name)))


def test_row_07_a_rest_api_open_by_default(served: Deployed) -> None:
    """No credentials, no key: it answers. tests/local/test_end_to_end.py closes it with a key."""
    assert served.get(**GUIDE_EVENT).status == 200


def test_row_08_post_with_a_json_body_gives_the_label(served: Deployed) -> None:
    answer = served.post(GUIDE_EVENT)
    assert (answer.status, answer.body["label"]) == (200, "virginica")
    assert served.post({**GUIDE_EVENT, "pw": "wide"}).status == 400


def test_row_09_get_with_the_query_string_gives_the_label_and_a_missing_parameter_is_refused(served: Deployed) -> None:
    assert served.get(**GUIDE_EVENT).body["label"] == "virginica"
    refused = served.get(sl=6.9, sw=3.1, pl=5.1)
    assert refused.status == 400
    assert refused.body["detail"] == "Missing required request parameters: [pw]"


def test_row_10_the_invoke_url_and_the_curl_lines_answer(served: Deployed) -> None:
    """The lines are taken apart as a shell would and sent."""
    *_, get_url = shlex.split(served.outputs["curlGet"])
    words = shlex.split(served.outputs["curlPost"])
    assert get_url.startswith(served.outputs["invokeUrl"])
    assert call(get_url).body["label"] == "virginica"
    assert call(words[-1], json.loads(words[words.index("-d") + 1])).body["label"] == "virginica"


def test_row_11_memory_and_timeout_are_settings_within_the_gateways_29_seconds(
    served: Deployed, tmp_path: Path
) -> None:
    configuration = served.configuration()
    assert (configuration["MemorySize"], configuration["Timeout"]) == (1024, 29)
    with pytest.raises(Exception, match="timeout is 30 seconds and API Gateway answers 504 after gatewayTimeout, 29"):
        deploy(PROJECT, "dev", served.aws, tmp_path, config={**served.config, "timeout": "30"})


def test_row_12_active_tracing_and_a_cold_start_breakdown_in_the_log(served: Deployed) -> None:
    assert served.configuration()["TracingConfig"] == {"Mode": "Active"}
    api, stage = served.outputs["invokeUrl"].split("/")[-3:-1]
    assert served.aws.client("apigateway").get_stage(restApiId=api, stageName=stage)["tracingEnabled"] is True
    served.post(GUIDE_EVENT)
    loaded = next(line for line in served.log() if line["event"] == "model_loaded")
    assert set(loaded["milliseconds"]) == {"import", "fetch", "verify", "load", "self_check", "total"}
    metrics = metrics_of(loaded)
    assert {"ColdStart", "ImportTime", "FetchTime", "VerifyTime", "LoadTime", "SelfCheckTime", "StartTime"} == set(
        metrics
    )
    assert metrics["StartTime"] == loaded["milliseconds"]["total"] > metrics["ImportTime"]
    assert loaded["FunctionName"] == served.outputs["functionName"]


def _keys(served: Deployed, bucket: str) -> list[str]:
    listing = served.aws.client("s3").list_objects_v2(Bucket=bucket)
    return [entry["Key"] for entry in listing["Contents"]]
