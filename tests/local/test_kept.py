"""What outlives a local AWS."""

from pathlib import Path

from local import cli, kept, ministack
from local.ministack import LocalAws
from tests.conftest import ACTOR, new_bucket
from tests.local.stacks import registry_of
from tests.model_registry.processes import add


def test_the_registry_of_the_last_one_is_that_of_the_next(aws: LocalAws, bucket: str, tmp_path: Path) -> None:
    registry = registry_of(aws, bucket)
    for data in (b"one", b"two"):
        add(registry._storage, "iris", data)
    registry.tag("iris/1", "dev", reason="first")
    registry.tag("iris/2", "dev", reason="second")
    kept.keep(aws, tmp_path, bucket)
    assert (tmp_path / "registry").stat().st_mode & 0o077 == 0

    other = new_bucket(aws)
    assert kept.bring_back(aws, tmp_path, other) > 4
    found = registry_of(aws, other)
    assert found.model("iris") == registry.model("iris")
    assert [move.by for move in found.history("iris@dev")] == [ACTOR, ACTOR]
    assert found.read_model(found.resolve("iris@dev")) == b"two"
    found.rollback("iris@dev")
    assert kept.bring_back(aws, tmp_path, other) == 0, "what is there is not written over"


def test_without_a_registry_the_one_of_before_stays(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "registry" / "models").mkdir(parents=True)
    kept.keep(aws, tmp_path, "no-such-bucket")
    assert (tmp_path / "registry" / "models").is_dir()
    assert kept.kept_port(tmp_path) == aws.port


def test_a_port_that_is_taken_by_now_is_told_and_another_chosen(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "port").write_text(str(aws.port))
    started = cli._start(tmp_path, None)
    try:
        assert started.port != aws.port
    finally:
        ministack.stop(tmp_path)
