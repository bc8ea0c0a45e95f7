import pytest

from benchmarks.cold import ColdStart, prepare, publish_iris
from local.ministack import LocalAws


@pytest.fixture(scope="session")
def iris(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> ColdStart:
    """The guide's forest, ready to start cold."""
    bucket = "cold-iris"
    return prepare(aws, tmp_path_factory.mktemp("cold"), bucket, publish_iris(aws, bucket))
