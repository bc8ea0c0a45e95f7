from typing import Any

import msgspec
import pytest

from infra.model_change import Deployed, deployed_version, model_change
from infra.settings import SettingsError
from model_registry.release import Release
from model_runtime.manifest import Artifact, Environment, Feature, ModelFormat, Signature, encode
from tests.infra.examples import IRIS, release

PACKAGES = {"joblib": "1.6.0", "numpy": "2.4.6", "scikit-learn": "1.8.1"}


def version(number: int, *, signature: Signature = IRIS, **changed: Any) -> Release:
    manifest = msgspec.structs.replace(release(signature, version=number).manifest, **changed)
    return Release(manifest, encode(manifest))


def environment(python: str = "3.12", **packages: str) -> Environment:
    renamed = {name.replace("_", "-"): version for name, version in packages.items()}
    return Environment(python=python, machine="x86_64", packages={**PACKAGES, **renamed})


def deployed(one: Release) -> Deployed:
    return Deployed(one.manifest.name, one.manifest.version, one.manifest_sha256)


def text(old: Release, new: Release) -> str:
    return model_change("prod", new, "joblib", deployed(old), old.manifest).text


OLD = version(3, metrics={"accuracy": 0.96}, environment=environment())
NEW = version(5, metrics={"accuracy": 0.98}, environment=environment(scikit_learn="1.9.1"))


def test_a_promotion_names_versions_metrics_signature_and_packages() -> None:
    assert text(OLD, NEW) == (
        "iris@prod: 3 -> 5, accuracy 0.96 -> 0.98, signature unchanged, scikit-learn 1.8.1 -> 1.9.1 (layer changes)"
    )


def test_a_rollback_is_a_change_like_any_other() -> None:
    assert text(NEW, OLD) == (
        "iris@prod: 5 -> 3, accuracy 0.98 -> 0.96, signature unchanged, scikit-learn 1.9.1 -> 1.8.1 (layer changes)"
    )


def test_another_build_of_a_package_that_no_index_has_is_a_change() -> None:
    needed = environment(acme_wheel="2.0")
    old, new = (
        version(
            number,
            environment=needed,
            wheels=(Artifact(file="acme_wheel-2.0-py3-none-any.whl", sha256=a * 64, size=1),),
        )
        for number, a in ((3, "a"), (5, "b"))
    )
    assert f"acme-wheel 2.0 ({'a' * 12}) -> 2.0 ({'b' * 12}) (layer changes)" in text(old, new)


def test_a_first_deployment_is_new() -> None:
    assert model_change("prod", OLD, "joblib", None, None).text == "iris@prod: new, version 3, accuracy 0.96"


def test_the_same_version_is_unchanged() -> None:
    assert text(OLD, OLD) == "iris@prod: 3, unchanged"
    assert model_change("prod", OLD, "joblib", Deployed("iris", 3, None), None).text == "iris@prod: 3, unchanged"


def test_another_format_is_named_with_its_packages() -> None:
    """It serves the same version, or a new one; the layer is the format's."""
    lean = Environment(python="3.12", machine="x86_64", packages={"numpy": "2.4.6", "onnxruntime": "1.32.0"})
    formats = {"onnx": ModelFormat(artifact=Artifact(file="model.onnx", sha256="0" * 64, size=1), environment=lean)}
    both, newer = version(3, environment=environment(), formats=formats), version(5, formats=formats)
    packages = "scikit-learn 1.8.1 -> none, joblib 1.6.0 -> none, onnxruntime none -> 1.32.0 (layer changes)"
    change = model_change("prod", both, "onnx", deployed(both), None)
    assert change.text == f"iris@prod: 3, format joblib -> onnx, {packages}"
    change = model_change("prod", newer, "onnx", deployed(both), both.manifest)
    assert change.text.endswith(f"signature unchanged, format joblib -> onnx, {packages}")
    on_onnx = Deployed("iris", 3, both.manifest_sha256, "onnx")
    assert "packages unchanged" in model_change("prod", newer, "onnx", on_onnx, both.manifest).text


def test_the_same_number_with_other_bytes_is_a_change() -> None:
    """The registry was made anew, or is another one."""
    change = model_change("prod", OLD, "joblib", Deployed("iris", 3, "0" * 64), None)
    assert change.text == "iris@prod: 3 -> 3, accuracy 0.96, not compared"


def test_a_deployed_version_that_is_gone_is_not_compared_and_breaks_nothing() -> None:
    change = model_change("prod", NEW, "joblib", deployed(OLD), None)
    assert (change.text, change.breaking) == ("iris@prod: 3 -> 5, accuracy 0.98, not compared", ())


def test_another_model_replaces_the_first_with_its_api() -> None:
    """Its signature is compared with nothing: who called the first has lost the URL."""
    churn = version(7, name="churn", metrics={"roc_auc": 0.91}, signature=Signature(features=()))
    change = model_change("prod", churn, "joblib", deployed(OLD), OLD.manifest)
    assert change.text == "churn@prod: new, version 7, roc_auc 0.91, replaces iris/3 (the API's URL changes)"
    assert change.breaking == ()


def test_each_change_of_the_signature_has_a_line_and_the_breaking_ones_are_given() -> None:
    added = (Feature(name="color", type="string"), Feature(name="note", type="string", nullable=True))
    signature = msgspec.structs.replace(IRIS, features=(*IRIS.features, *added))
    change = model_change("prod", version(5, signature=signature), "joblib", deployed(OLD), OLD.manifest)
    first, *more = change.text.splitlines()
    assert ", signature changed, " in first
    assert more == [
        "  breaking: feature 'color' was added, it cannot be left out",
        "  compatible: feature 'note' was added, it may be left out",
    ]
    assert change.breaking == ("feature 'color' was added, it cannot be left out",)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"environment": environment()}, "signature unchanged, packages unchanged"),
        ({"environment": environment("3.13")}, "Python 3.12 -> 3.13 (layer changes)"),
        ({"environment": environment(lightgbm="4.6")}, "lightgbm none -> 4.6 (layer changes)"),
        ({"environment": environment(a="1", b="1", c="1", scikit_learn="1.9")},
         "scikit-learn 1.8.1 -> 1.9, a none -> 1, b none -> 1, 1 more (layer changes)"),
        ({"metrics": {"accuracy": 0.96}}, "3 -> 5, metrics unchanged, signature"),
        ({"metrics": {"f1": 0.912345678}}, "accuracy 0.96 -> none, f1 none -> 0.912346, "),
        ({"estimator": "sklearn.linear_model.Ridge"}, "RandomForestClassifier -> Ridge, signature unchanged"),
    ],
)  # fmt: skip
def test_a_line_says_what_differs(changed: dict[str, Any], part: str) -> None:
    assert part in text(OLD, version(5, **changed))


def test_outputs_say_what_is_deployed() -> None:
    """Numbers arrive as floats; a stack without a model has deployed none."""
    outputs = {"modelName": "iris", "modelVersion": 3.0, "modelManifestSha256": OLD.manifest_sha256}
    found = deployed_version(outputs)
    assert found == deployed(OLD)
    assert deployed_version({**outputs, "modelFormat": "onnx"}) == Deployed("iris", 3, OLD.manifest_sha256, "onnx")
    assert found.is_version_of(OLD)
    assert not found.is_version_of(NEW)
    assert deployed_version({"modelName": "iris", "modelVersion": 3.0}) == Deployed("iris", 3, None)
    assert deployed_version({}) is None
    assert deployed_version({"registryBucket": "models"}) is None
    assert found.reference == OLD.manifest.reference


def test_names_of_a_manifest_can_steer_no_terminal_and_no_comment_of_a_pull_request() -> None:
    name = "auc\x1b[2J\n## Approved\r<img src=x>\u202e"
    signature = msgspec.structs.replace(IRIS, features=(*IRIS.features, Feature(name=name, type="number")))
    new = version(2, signature=signature, metrics={name: 0.5})
    change = model_change("prod", new, "joblib", deployed(version(1)), version(1).manifest)
    assert change.breaking
    lines = [*change.text.split("\n"), *change.breaking, str(SettingsError(change.breaking[0]))]
    assert change.text.count("\n") == len(change.breaking)
    assert all(line.isprintable() and "<" not in line for line in lines), lines
    assert r"auc\x1b[2J\n## Approved\r\x3cimg src=x>\u202e 0.5" in model_change("prod", new, "joblib", None, None).text
    assert SettingsError("a\x1b[2J\nb").args == ("a\\x1b[2J\nb",)
