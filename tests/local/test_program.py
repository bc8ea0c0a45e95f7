"""What stops the program: each is one line, and nothing was created."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest

from infra.layer import build as layer_build
from local.deployment import deploy
from local.iris import PROJECT
from local.ministack import LocalAws
from model_registry import Registry
from model_runtime.manifest import MANIFEST_FILE, encode, version_key
from training.train_iris import Trained, publish

Refusal = Callable[..., str]


@pytest.fixture
def refusal(aws: LocalAws, bucket: str, tmp_path: Path) -> Refusal:
    """Deploys, expects a refusal, proves that nothing was created, and returns the message."""

    def run(stack: str = "dev", **config: str) -> str:
        created: list[str] = []
        with pytest.raises(pulumi.RunError) as error:
            deploy(
                PROJECT,
                stack,
                aws,
                tmp_path,
                config={"registryBucket": bucket, **config},
                on_resource=lambda _kind, name, _action: created.append(name),
            )
        assert created == []
        return str(error.value)

    return run


def rewrite_environment(aws: LocalAws, bucket: str, registry: Registry, **changes: Any) -> None:
    """Make version 1 of iris say that it was trained elsewhere."""
    manifest = registry.resolve("iris/1").manifest
    environment = msgspec.structs.replace(manifest.environment, **changes)
    data = encode(msgspec.structs.replace(manifest, environment=environment))
    aws.client("s3").put_object(Bucket=bucket, Key=version_key("iris", 1, MANIFEST_FILE), Body=data)


def test_an_unknown_model(refusal: Refusal) -> None:
    message = refusal(model="tulip")
    assert "there is no model 'tulip'" in message
    assert "publish one first" in message


def test_a_tag_that_is_not_set(refusal: Refusal, registry: Registry, trained_iris: Trained) -> None:
    publish(registry, trained_iris, "")
    message = refusal(stack="prod")
    assert "the tag iris@prod is not set" in message
    assert "python -m model_registry tag iris/VERSION prod" in message
    assert "\n" not in message


def test_a_bucket_that_does_not_exist(refusal: Refusal) -> None:
    message = refusal(registryBucket="no-such-bucket-anywhere")
    assert "there is no such bucket" in message
    assert "deploy the registry stack first" in message


def test_wheels_that_the_runtime_cannot_load(
    refusal: Refusal, aws: LocalAws, bucket: str, registry: Registry, trained_iris: Trained
) -> None:
    """scikit-learn 1.9.1 on Python 3.11 needs a newer glibc than Lambda's image has."""
    publish(registry, trained_iris, "")
    rewrite_environment(aws, bucket, registry, python="3.11", packages={"scikit-learn": "1.9.1"})
    registry.tag("iris/1", "dev")
    message = refusal()
    assert "scikit-learn 1.9.1" in message
    assert "glibc 2.26" in message
    assert "3.12" in message


def test_a_python_that_lambda_does_not_have(
    refusal: Refusal, aws: LocalAws, bucket: str, registry: Registry, trained_iris: Trained
) -> None:
    publish(registry, trained_iris, "")
    rewrite_environment(aws, bucket, registry, python="3.7")
    registry.tag("iris/1", "dev")
    assert "3.7" in refusal()


def test_a_layer_over_the_limit(
    refusal: Refusal, registry: Registry, trained_iris: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names the largest packages."""
    publish(registry, trained_iris, "")
    registry.tag("iris/1", "dev")
    monkeypatch.setattr(layer_build, "LIMIT_UNZIPPED", 100_000_000)
    message = refusal()
    assert message.index("scipy") < message.index("numpy")
    assert "100.0 MB" in message or "100,000,000" in message


@pytest.mark.parametrize("model_format", ["skops", "onnx"])
def test_a_format_that_the_version_was_not_published_for(
    refusal: Refusal, registry: Registry, trained_iris: Trained, model_format: str
) -> None:
    publish(registry, trained_iris, "")
    registry.tag("iris/1", "dev")
    message = refusal(format=model_format)
    assert f"iris/1 cannot be served by the format '{model_format}' (it has joblib)" in message
    assert f"publish it again with `--{model_format}`" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "pytorch"),
        ("memory", "128"),
        ("timeout", "30"),
        ("architecture", "mips"),
        ("logRetentionDays", "2"),
        ("provisionedConcurrency", "-1"),
        ("domainName", "iris.example.com"),
        ("kmsKeyArn", "alias/models"),
    ],
)
def test_a_setting_that_cannot_work(refusal: Refusal, key: str, value: str) -> None:
    message = refusal(**{key: value})
    assert key in message
    assert value in message
