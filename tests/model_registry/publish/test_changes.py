"""The owner's word about packages counts, and the proof holds it against the model."""

from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from model_registry import Registry, Storage
from model_registry.publish.changes import checked_changes
from model_registry.publish.environment import environment_of
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
