"""Plain values that the tests of the components share."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.layer.build import Layer
from infra.settings import Settings
from infra.trust import Followed
from model_registry import history
from model_registry.reference import TagRef
from model_registry.release import Release
from model_runtime.manifest import (
    Artifact,
    Environment,
    Example,
    Feature,
    Manifest,
    Prediction,
    Signature,
    encode,
)

IRIS = Signature(
    features=tuple(Feature(name=name, type="number") for name in ("sl", "sw", "pl", "pw")),
    labels=("setosa", "versicolor", "virginica"),
    probabilities=True,
)


PUBLIC_KEY = "ed25519:+DlsqhTM9BRDwCgR3y3AL+khYHHE4eJTIzJX1+fZtJU="


def release(signature: Signature = IRIS, *, version: int = 3, python: str = "3.12") -> Release:
    """A published version, as the registry would return it."""
    values = {"number": 1.5, "integer": 2, "string": "it's", "boolean": True}
    manifest = Manifest(
        name="iris",
        version=version,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        created_by="arn:aws:iam::123456789012:user/someone",
        estimator="sklearn.ensemble._forest.RandomForestClassifier",
        parameters={},
        artifact=Artifact(file="model.joblib", sha256="0" * 64, size=1),
        environment=Environment(python=python, machine="x86_64", packages={"scikit-learn": "1.9.1"}),
        signature=signature,
        metrics={"accuracy": 0.98},
        examples=(
            Example(
                input={feature.name: values[feature.type] for feature in signature.features},
                output=Prediction(label="virginica"),
            ),
        ),
        example_kind="given",
    )
    return Release(manifest, encode(manifest))


def followed(pinned: Release) -> Followed:
    """A version as the stack's tag names it, by the tag's first move."""
    manifest, at = pinned.manifest, datetime(2026, 1, 3, tzinfo=UTC)
    tag = history.moved(
        history.unset(TagRef(manifest.name, "dev")),
        manifest.version,
        manifest_sha256=pinned.manifest_sha256,
        action="tag",
        by="me",
        at=at,
    )
    return Followed(pinned, tag.history[-1])


def settings(**changes: Any) -> Settings:
    """Settings of a stack `dev`, defaults but for what is given."""
    return Settings(**{"registry_bucket": "models-of-ours", "stack": "dev", "log_retention_days": 7, **changes})


def layer(key: str = "a" * 64) -> Layer:
    """A built layer; its zip is never opened in these tests."""
    return Layer(
        path=Path(__file__),
        key=key,
        sha256="b" * 64,
        zip_bytes=55_000_000,
        unzipped_bytes=185_000_000,
        packages=(),
        bom='{"bomFormat": "CycloneDX"}',
        cached=True,
    )
