"""A new layer answers the golden examples of the model that it is built for, in a process that has nothing else."""

import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest
from obstore.store import MemoryStore

from infra import inputs
from infra.inputs import golden_trial
from infra.settings import Settings
from model_registry import Registry, Release, Storage
from model_registry.environments import RUNNING
from model_registry.lambda_packages.errors import LayerAnswerError
from model_runtime.manifest import Prediction, encode
from tests.infra.examples import settings
from training.train_iris import Trained

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the folder of packages is a symbolic link")


@pytest.fixture(scope="module")
def registry(trained_iris: Trained) -> Registry:
    made = Registry(Storage(MemoryStore(), "memory"), actor="the tests")
    made.publish(trained_iris.estimator, name="iris", X_example=trained_iris.X_example, proof="none")
    return made


@pytest.fixture
def stack(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(inputs, "_storage", lambda _settings: registry._storage)
    return settings()


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    """A layer that has what this environment has."""
    site_packages = tmp_path / f"opt/python/lib/python{RUNNING}/site-packages"
    site_packages.parent.mkdir(parents=True)
    site_packages.symlink_to(sysconfig.get_path("platlib"))
    return tmp_path / "opt"


def test_one_from_which_the_model_answers_as_recorded_passes(stack: Settings, registry: Registry, opt: Path) -> None:
    golden_trial(stack, registry.resolve("iris/1"), {})(opt, sys.executable)


def test_one_from_which_it_answers_differently_does_not(stack: Settings, registry: Registry, opt: Path) -> None:
    manifest = registry.resolve("iris/1").manifest
    wrong = msgspec.structs.replace(manifest.examples[0], output=Prediction(label="3"))
    manifest = msgspec.structs.replace(manifest, examples=(wrong, *manifest.examples[1:]))
    with pytest.raises(LayerAnswerError, match=r"from it iris/1 answers 1 of \d+ golden examples differently"):
        golden_trial(stack, Release(manifest, encode(manifest)), {})(opt, sys.executable)


def test_one_that_lacks_a_package_has_none_of_this_environments(
    stack: Settings, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(LayerAnswerError, match=r"No module named '(msgspec|numpy|joblib)'"):
        golden_trial(stack, registry.resolve("iris/1"), {})(tmp_path, sys.executable)
