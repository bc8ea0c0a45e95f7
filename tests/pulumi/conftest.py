"""One engine, one MiniStack of its own, and the stacks that several tests look at."""

from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

from local.ministack import LocalAws, local_aws
from model_registry import Registry, Release
from tests.conftest import found_or_skip, let_vpc_reach_s3
from tests.go_programs import Progress, find_program
from tests.local.stacks import registry_of
from tests.pulumi.engine import find_engine
from tests.pulumi.stacks import EngineStack, Project, make_project
from training.train_iris import Trained, publish

BUCKET = "models-of-the-engine-tests"


@pytest.fixture(scope="session")
def engine(show: Progress) -> Path:
    """Pulumi's engine; tests that need it are skipped where there is none, and fail in CI."""
    return engine_or_skip(show)


@pytest.fixture(scope="session")
def language_host(show: Progress) -> Callable[[str], Path]:
    """The host of a language, or a skip as for the engine."""
    return lambda language: found_or_skip(lambda: find_program(f"pulumi-language-{language}", show))


def engine_or_skip(show: Progress) -> Path:
    """Return the engine; where there is none, skip with the reason, and fail in CI, where a skip would go unseen."""
    return found_or_skip(lambda: find_engine(show))


@pytest.fixture(scope="session")
def cloud(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:  # noqa: ARG001  # none without an engine
    """An account in which nobody else creates anything, so that inventories of it can be compared."""
    with local_aws(tmp_path_factory.mktemp("cloud")) as running:
        let_vpc_reach_s3(running)
        yield running


@pytest.fixture(scope="session")
def project(engine: Path, cloud: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's copy in which the shared stacks are deployed."""
    return make_project(tmp_path_factory.mktemp("engine"), engine, cloud)


@pytest.fixture
def stack(project: Project, tmp_path: Path) -> Any:
    """Make a stack that serves from the shared registry."""

    def make(name: str, **config: Any) -> EngineStack:
        return new_stack(project, tmp_path, name, **config)

    return make


def new_stack(project: Project, state: Path, name: str, **config: Any) -> EngineStack:
    """Make a stack of the shared registry; nothing is deployed yet."""
    return EngineStack(project.aws, name, state, {"registryBucket": BUCKET, **config}, project=project).init()


@pytest.fixture(scope="session")
def models(project: Project, trained_iris: Trained, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The registry of the stack `registry`: iris/1 is the guide's model, and `dev` and `prod` point at it."""
    new_stack(project, tmp_path_factory.mktemp("registry"), "registry").up()
    registry = registry_of(project.aws, BUCKET)
    publish(registry, trained_iris, "Random forest of the guide")
    registry.tag("iris/1", "dev")
    return registry


@pytest.fixture(scope="session")
def deployed(project: Project, models: Registry, tmp_path_factory: pytest.TempPathFactory) -> EngineStack:  # noqa: ARG001  # models fills it
    """The stack `dev`, deployed."""
    return new_stack(project, tmp_path_factory.mktemp("dev"), "dev").up()


@pytest.fixture
def dev(deployed: EngineStack, models: Registry) -> EngineStack:
    """The stack `dev` as it was first deployed, whatever the test before has made of it."""
    if models.resolve("iris@dev").manifest.version != 1 or set(deployed.counts()) - {"same", "create"}:
        models.tag("iris/1", "dev", reason="the next test")
        deployed.up()
    return deployed


def publish_with(registry: Registry, trained: Trained, folder: Path, **pins: str) -> Release:
    """Publish iris from an environment in which these packages have other versions."""
    lock = folder / "requirements.lock"
    installed = {found.name: found.version for found in distributions()}
    lock.write_text("".join(f"{name}=={version}\n" for name, version in (installed | pins).items()))
    return registry.publish(
        trained.estimator,
        name="iris",
        X_example=trained.X_example,
        class_names=load_iris().target_names.tolist(),
        lock=lock,
    )
