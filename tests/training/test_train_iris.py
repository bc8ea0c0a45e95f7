from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from model_registry import Registry, Storage, open_storage
from training.train_iris import FEATURES, GUIDE_EVENT, Trained, main, publish

app = typer.Typer()
app.command()(main)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_guide_s_split_gives_the_guide_s_accuracy(trained_iris: Trained) -> None:
    assert round(trained_iris.accuracy, 2) == 0.98
    assert type(trained_iris.estimator).__name__ == "RandomForestClassifier"


def test_the_published_model_has_the_guide_s_features_and_labels(registry: Registry, trained_iris: Trained) -> None:
    manifest = publish(registry, trained_iris, "forest").manifest
    assert [feature.name for feature in manifest.signature.features] == list(FEATURES) == ["sl", "sw", "pl", "pw"]
    assert {feature.type for feature in manifest.signature.features} == {"number"}
    assert manifest.signature.labels == ("setosa", "versicolor", "virginica")
    assert manifest.metrics == {"accuracy": trained_iris.accuracy}
    assert "pandas" not in manifest.environment.packages


def test_the_guide_s_event_is_the_first_golden_example(registry: Registry, trained_iris: Trained) -> None:
    first = publish(registry, trained_iris, "forest").manifest.examples[0]
    assert first.input == GUIDE_EVENT
    assert first.output.label == "virginica"


def test_the_script_prints_the_accuracy_and_what_it_published(bucket: str, storage: Storage) -> None:
    result = run("--bucket", bucket)
    assert (result.exit_code, result.output) == (0, "test accuracy 0.98\npublished iris/1\n")
    registry = Registry(storage, actor="nobody")
    release = registry.resolve("iris/1")
    assert release.manifest.created_by.startswith("arn:aws:")
    report = registry.report(release)
    assert report is not None
    assert {score.name: score.value for score in report.scores}["accuracy"] == release.manifest.metrics["accuracy"]


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    result = run("--bucket", "there-is-no-such-bucket")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: s3://there-is-no-such-bucket: there is no such bucket")
    assert result.stderr.count("\n") == 1


def test_the_script_publishes_to_a_folder_without_an_aws_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_REGISTRY_PROOF", "none")
    monkeypatch.setenv("LOGNAME", "ada")
    result = run("--bucket", str(tmp_path / "models"))
    assert (result.exit_code, result.output) == (0, "test accuracy 0.98\npublished iris/1\n")
    release = Registry(open_storage(str(tmp_path / "models")), actor="nobody").resolve("iris/1")
    assert release.manifest.created_by.startswith("ada@")
