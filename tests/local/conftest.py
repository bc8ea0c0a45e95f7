import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ministack import LocalAws, local_aws
from tests.local.made import Made

with warnings.catch_warnings():
    # pulumi-aws warns of its own deprecated classes when this module is imported, whoever uses what.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_aws.lambda_  # noqa: F401 - imported here so that no program under test is the first


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Give one MiniStack to all tests; its Python environment is the project's, in `.local`."""
    with local_aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def unique(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a name that no other test uses on the shared MiniStack, fit for a bucket."""
    return (
        f"{request.node.name[:30]}-{tmp_path.name[-3:]}".lower().translate(str.maketrans("_[]:/.", "------")).strip("-")
    )


@pytest.fixture
def made(aws: LocalAws, unique: str) -> Made:
    return Made(aws, unique)
