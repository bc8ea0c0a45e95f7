"""What release 0.1.0 wrote is read, and carried over by the next write; `written_by_0_1_0.json` has its objects."""

import base64
import json
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from model_registry import Registry, Storage
from model_registry.doctor import findings
from model_registry.reference import VersionRef
from model_runtime.errors import ConflictError, NotFoundError
from tests.model_registry.processes import add


@pytest.fixture
def storage() -> Storage:
    storage = Storage(MemoryStore(), "memory")
    objects = json.loads(Path(__file__).with_name("written_by_0_1_0.json").read_text(encoding="utf-8"))
    for key, text in objects.items():
        kind, _, data = text.partition("base64:")
        storage.create(key, text.encode() if kind else base64.b64decode(data))
    return storage


@pytest.fixture
def registry(storage: Storage) -> Registry:
    return Registry(storage, actor="now")


def steps(registry: Registry) -> list[tuple[str, int | None, str]]:
    return [(move.action, move.to_version, move.by) for move in registry.history("iris@prod")]


WRITTEN = [("tag", version, "somebody") for version in (1, 2, 3, 2)]


def test_it_reads_as_it_was_written(registry: Registry, storage: Storage) -> None:
    model = registry.model("iris")
    assert (model.versions, model.tags, model.deprecated) == ((1, 2, 3), {"dev": 1, "prod": 2}, frozenset({3}))
    assert [one.number for one in registry.page("iris").versions] == [1, 2, 3]
    assert steps(registry) == WRITTEN
    assert registry.read_model(registry.resolve("iris@dev")).startswith(b"\x80")
    assert registry.resolve("iris/2").manifest.format == 1
    assert list(findings(storage)) == []


def test_the_next_writes_go_on_from_it(registry: Registry, storage: Storage) -> None:
    assert add(storage, "iris", b"next").manifest.version == 5, "4 was deleted"
    registry.rollback("iris@prod", reason="worse", allow_deprecated=True)
    registry.promote("iris", version=1, to_tag="prod")
    assert steps(registry) == [*WRITTEN, ("rollback", 3, "now"), ("promote", 1, "now")]
    registry.delete(VersionRef("iris", 2), reason="old")
    with pytest.raises(NotFoundError):
        registry.resolve("iris/2")
    with pytest.raises(ConflictError, match="tagged"):
        registry.delete(VersionRef("iris", 1), reason="old")
    registry.undeprecate("iris/3")
    assert [one for one in findings(storage, check_bytes=False) if one.severity == "error"] == []
