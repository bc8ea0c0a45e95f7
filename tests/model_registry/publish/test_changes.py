"""The owner's word about packages counts, and the proof holds it against the model."""

from importlib import metadata
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from model_registry import Registry, Storage
from model_registry.environments import RUNNING
from model_registry.publish.changes import checked_changes
from model_registry.publish.environment import differences, environment_of
from model_runtime.errors import NotFoundError, ProofError, PublishError
from model_runtime.manifest import Environment, Feature, Signature

X = np.arange(6.0).reshape(3, 2)
MODEL = LinearRegression().fit(X, [1, 2, 4])


@pytest.fixture
def memory() -> Registry:
    return Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="full")


@pytest.fixture
def found() -> Environment:
    return environment_of((), Signature(features=(Feature(name="a", type="number"),)))


def test_a_package_is_added_with_what_it_requires_and_another_replaced(found: Environment) -> None:
    pandas = metadata.version("pandas")
    packages = checked_changes({"Pandas": pandas, "numpy": "1.0"}, []).applied(found).packages
    assert packages.keys() - found.packages.keys() >= {"pandas", "python-dateutil"}
    assert (packages["pandas"], packages["numpy"]) == (pandas, "1.0")
    assert list(packages) == sorted(packages)


def test_one_that_is_not_installed_here_is_added_alone(found: Environment) -> None:
    packages = checked_changes({"no_such.package": "1.0"}, []).applied(found).packages
    assert packages == {**found.packages, "no-such-package": "1.0"}


def test_what_is_left_out_does_not_come_back_with_what_requires_it(found: Environment) -> None:
    changes = checked_changes({}, ["SciPy"])
    assert "scipy" not in changes.applied(changes.applied(found), ["scikit-learn"]).packages


def test_without_a_word_nothing_changes(found: Environment) -> None:
    assert checked_changes(None, ()).applied(found) is found


def test_a_list_is_not_a_dict_of_versions(memory: Registry) -> None:
    packages: Any = ["pandas==2.3.2"]
    with pytest.raises(PublishError, match=r"packages is \['pandas==2.3.2'\]: give a dict by name"):
        memory.publish(MODEL, name="made", X_example=X, packages=packages)


def test_a_string_is_no_list_of_packages() -> None:
    with pytest.raises(PublishError, match="without is 'scipy': give a list"):
        checked_changes(None, "scipy")


def test_a_version_that_works_without_a_package_is_published_without_it(memory: Registry) -> None:
    """Nothing of pandas's time zones is needed to put categories into a frame."""
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y", "x"]), "b": [1.0, 2.0, 3.0]})
    columns = ColumnTransformer([("a", OneHotEncoder(), ["a"])], remainder="passthrough")
    model = make_pipeline(columns, LinearRegression()).fit(frame, [1, 2, 4])
    manifest = memory.publish(
        model, name="rooms", X_example=frame, without=["tzdata"], packages={"idna": "3.10"}
    ).manifest
    assert "tzdata" not in manifest.environment.packages
    assert manifest.environment.packages["idna"] == "3.10"
    assert manifest.proof.kind == "full"


def test_one_that_does_not_is_refused_and_nothing_written(memory: Registry) -> None:
    with pytest.raises(ProofError, match=r"does not answer without scipy .*: do not leave it out"):
        memory.publish(MODEL, name="rooms", X_example=X, without=["scipy"])
    with pytest.raises(NotFoundError):
        memory.model("rooms")


def test_xgboost_is_deployed_without_its_code_for_gpus_unless_the_owner_says_otherwise(found: Environment) -> None:
    """From a real index: it has just that version for Lambda."""
    trained = msgspec.structs.replace(found, python="3.12", packages={**found.packages, "xgboost": "3.4.1"})
    changes, notes = checked_changes({}, []).without_gpu_code(trained)
    assert (dict(changes.packages), changes.without) == ({"xgboost-cpu": "3.4.1"}, frozenset({"xgboost"}))
    (note,) = notes
    assert note.startswith("a function gets xgboost-cpu 3.4.1 for xgboost, the same library without code for GPUs (")
    for decided in (checked_changes({"xgboost": "3.4.1"}, []), checked_changes({"xgboost-cpu": "3.4.0"}, ["xgboost"])):
        assert decided.without_gpu_code(trained) == (decided, ())
    assert checked_changes({}, []).without_gpu_code(found) == (checked_changes({}, []), ())


def test_what_is_deployed_without_code_for_gpus_is_loaded_by_the_package_that_it_was_trained_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = {"xgboost": "3.4.1"}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    needed = Environment(python=RUNNING, machine="x86_64", packages={"xgboost-cpu": "3.4.1"})
    assert differences(needed) == []
    installed["xgboost"] = "3.3.0"
    assert differences(needed) == ["xgboost-cpu 3.4.1 is needed, 3.3.0 is installed"]
    installed.clear()
    assert differences(needed) == ["xgboost-cpu 3.4.1 is needed, it is not installed"]
