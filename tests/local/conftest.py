import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ministack import LocalAws
from model_registry import Registry
from tests.local.made import Made
from tests.local.stacks import Deployed, registry_of
from training.train_iris import Trained, publish

with warnings.catch_warnings():
    # pulumi-aws warns of its own deprecated classes when this module is imported, whoever uses what.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_aws.lambda_  # noqa: F401  # imported here so that no program under test is the first


@pytest.fixture(scope="session")
def served(aws: LocalAws, trained_iris: Trained, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The project deployed once for all tests that only read: the guide's model behind its API."""
    state = tmp_path_factory.mktemp("served")
    config = {"registryBucket": f"served-{uuid.uuid4().hex[:12]}"}
    Deployed(aws, "registry", state, config).up()
    registry = registry_of(aws, config["registryBucket"])
    publish(registry, trained_iris, "Random forest of the guide")
    registry.tag("iris/1", "dev")
    return Deployed(aws, "dev", state, config).up()


@pytest.fixture(autouse=True)
def _no_idle_environments(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete the functions that a test has deployed: each version's process keeps 80 MB as long as MiniStack runs."""
    if "aws" not in request.fixturenames:
        yield
        return
    client = request.getfixturevalue("aws").client("lambda")

    def names() -> set[str]:
        pages = client.get_paginator("list_functions").paginate()
        return {function["FunctionName"] for page in pages for function in page["Functions"]}

    before = names()
    yield
    for name in names() - before:
        client.delete_function(FunctionName=name)


@pytest.fixture
def unique(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a name that no other test uses on the shared MiniStack, fit for a bucket."""
    return (
        f"{request.node.name[:30]}-{tmp_path.name[-3:]}".lower().translate(str.maketrans("_[]:/.", "------")).strip("-")
    )


@pytest.fixture
def made(aws: LocalAws, unique: str) -> Iterator[Made]:
    """Makes resources; whatever a test makes must be there in the end, and gone once it is deleted."""
    made = Made(aws, unique)
    yield made
    made.remove_all()


@pytest.fixture
def models(aws: LocalAws, bucket: str, trained_iris: Trained) -> Registry:
    """A registry with the guide's model, tagged dev."""
    registry = registry_of(aws, bucket)
    publish(registry, trained_iris, "first")
    registry.tag("iris/1", "dev")
    return registry
