"""The doctor finds what is wrong anywhere in a registry, and says what to do."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from model_registry import Registry, Storage
from model_registry.doctor import Finding, findings
from model_registry.records import Mark, tag_key
from model_registry.reference import VersionRef
from model_registry.versions import Versions
from model_runtime.manifest import encode, version_key
from tests.model_registry.processes import add

FORMED = (4, 6)
"""The versions with further forms; 4 is deleted."""
MARK = Mark(by="the tests", at=datetime.now(UTC), reason="why")


@pytest.fixture(autouse=True)
def healthy(storage: Storage, registry: Registry) -> None:
    """Two models with everything that a sound registry has, keys that begin alike among them."""
    for name in ("iris", "iris-2"):
        for number in range(1, 12):
            add(storage, name, f"{name} {number}".encode(), {"skops": b"s", "onnx": b"o"} if number in FORMED else None)
        registry.tag(f"{name}/1", "prod")
        registry.tag(f"{name}/11", "prod")
        registry.tag(f"{name}/2", "old")
        registry.untag(f"{name}@old")
        registry.deprecate(f"{name}/3", reason="old")
        registry.deprecate(f"{name}/4", reason="old")
        registry.delete(VersionRef(name, 4), reason="wrong")
        storage.create(version_key(name, 5, "manifest.sig"), b"whose signature it is, is not the doctor's to say")


def overwrite(storage: Storage, key: str, data: bytes) -> None:
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, data, stored.etag)


def edit_prod(storage: Storage, *, to_version: int | None = None, by: str | None = None) -> None:
    key = tag_key("iris", "prod")
    stored = storage.read(key)
    assert stored is not None
    document = msgspec.json.decode(stored.data)
    if by:
        document["history"][0]["by"] = by
    if to_version:
        document["version"] = document["history"][-1]["to_version"] = to_version
    overwrite(storage, key, msgspec.json.encode(document))


def copy_version(storage: Storage, source: int, target: int) -> None:
    for name in ("manifest.json", "model.joblib"):
        stored = storage.read(file(source, name))
        assert stored is not None
        overwrite(storage, file(target, name), stored.data)


def file(version: int, name: str) -> str:
    return version_key("iris", version, name)


FAULTS: dict[str, tuple[Callable[[Storage], object], tuple[str, str, str, str]]] = {
    "damaged manifest": (
        lambda s: overwrite(s, file(5, "manifest.json"), b"{"),
        (
            "error",
            file(5, "manifest.json"),
            "iris/5: the manifest cannot be read",
            "restore the object from the bucket's",
        ),
    ),
    "manifest of a later format": (
        lambda s: overwrite(s, file(5, "manifest.json"), b'{"format": 99}'),
        ("error", file(5, "manifest.json"), "iris/5: the manifest has format 99", "use the release that wrote it"),
    ),
    "manifest copied over another's": (
        lambda s: copy_version(s, 7, 5),
        ("error", file(5, "manifest.json"), "the manifest of iris/5 says that it is iris/7", "restore the object"),
    ),
    "damaged policy": (
        lambda s: s.create("models/iris/policies/prod.json", b"{"),
        (
            "error",
            "models/iris/policies/prod.json",
            "the promotion rules of iris@prod: the record",
            "restore the object",
        ),
    ),
    "damaged tag": (
        lambda s: overwrite(s, tag_key("iris", "prod"), b"[]"),
        ("error", tag_key("iris", "prod"), "iris@prod: the tag cannot be read", "restore the object"),
    ),
    "edited history": (
        lambda s: edit_prod(s, by="somebody else"),
        ("error", tag_key("iris", "prod"), "iris@prod: move 2 does not follow from move 1", "restore the object"),
    ),
    "tag at no version": (
        lambda s: edit_prod(s, to_version=77),
        ("error", tag_key("iris", "prod"), "iris@prod points at iris/77, which does not exist", "move the tag"),
    ),
    "tag at a deleted version": (
        lambda s: edit_prod(s, to_version=4),
        ("error", tag_key("iris", "prod"), "iris@prod points at iris/4, which was deleted", "move the tag"),
    ),
    "lost model": (
        lambda s: s.delete(file(5, "model.joblib")),
        (
            "error",
            file(5, "model.joblib"),
            "iris/5 has lost its model.joblib",
            "restore the object from the bucket's versions, or",
        ),
    ),
    "other bytes": (
        lambda s: overwrite(s, file(5, "model.joblib"), b"iris X"),
        ("error", file(5, "model.joblib"), "model.joblib of iris/5 has SHA-256 ", "do not load it"),
    ),
    "other size": (
        lambda s: overwrite(s, file(5, "model.joblib"), b"iris 50"),
        ("error", file(5, "model.joblib"), "model.joblib of iris/5 has 7 bytes, its manifest says 6", "do not load it"),
    ),
    "lost further form": (
        lambda s: s.delete(file(6, "model.skops")),
        ("error", file(6, "model.skops"), "iris/6 has lost its model.skops", "restore the object from the bucket's"),
    ),
    "other bytes of a further form": (
        lambda s: overwrite(s, file(6, "model.onnx"), b"x"),
        ("error", file(6, "model.onnx"), "model.onnx of iris/6 has SHA-256 ", "do not load it"),
    ),
    "other size of a further form": (
        lambda s: overwrite(s, file(6, "model.skops"), b"ss"),
        ("error", file(6, "model.skops"), "model.skops of iris/6 has 2 bytes, its manifest says 1", "do not load it"),
    ),
    "further form that no manifest names": (
        lambda s: s.create(file(5, "model.skops"), b"s"),
        ("note", file(5, "model.skops"), "is not an object of the registry", "keep it in another bucket"),
    ),
    "cut-off publish": (
        lambda s: s.create(file(12, "model.joblib"), b"1"),
        ("warning", file(12, "model.joblib"), "iris/12 has a model and no manifest: a publish 0:00:", "`gc`, once"),
    ),
    "cut-off deletion, early": (
        lambda s: s.create(file(5, "deleted.json"), encode(MARK)),
        (
            "error",
            file(5, "manifest.json"),
            "iris/5 is marked as deleted, and its manifest is still there",
            "`delete iris/5` again",
        ),
    ),
    "cut-off deletion, late": (
        lambda s: s.create(file(4, "model.joblib"), b"1"),
        ("warning", file(4, "model.joblib"), "iris/4 is deleted, its model is still there", "`gc`"),
    ),
    "mark of no version": (
        lambda s: s.create(file(12, "deprecated.json"), encode(MARK)),
        (
            "warning",
            file(12, "deprecated.json"),
            "iris/12 is marked as deprecated, and there is no such",
            "delete the mark",
        ),
    ),
    "damaged mark": (
        lambda s: overwrite(s, file(4, "deleted.json"), b"{}"),
        ("error", file(4, "deleted.json"), "deleted.json of iris/4: the mark cannot be read", "restore the object"),
    ),
    "foreign file of a version": (
        lambda s: s.create(file(5, "notes.txt"), b""),
        ("note", file(5, "notes.txt"), "is not an object of the registry", "keep it in another bucket"),
    ),
    "foreign file between the tags and the versions": (
        lambda s: s.create("models/iris/tags/zzz", b""),
        ("note", "models/iris/tags/zzz", "is not an object of the registry", "keep it"),
    ),
    "foreign folder of a model": (
        lambda s: s.create("models/iris/zzz/1/model.joblib", b""),
        ("note", "models/iris/zzz/1/model.joblib", "is not an object of the registry", "keep it"),
    ),
    "foreign file in the bucket": (
        lambda s: s.create("README", b""),
        ("note", "README", "is not an object of the registry", "keep it"),
    ),
}


def test_a_sound_registry_gives_no_finding(storage: Storage) -> None:
    assert list(findings(storage)) == []


def test_an_empty_registry_gives_no_finding(storage: Storage) -> None:
    for key in list(storage.keys("")):
        storage.delete(key)
    assert list(findings(storage)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_alone_with_its_key_and_remedy(storage: Storage, fault: str) -> None:
    make, (severity, key, fact, remedy) = FAULTS[fault]
    make(storage)
    (found,) = findings(storage)
    assert (found.severity, found.key) == (severity, key)
    assert found.fact.startswith(fact)
    assert found.remedy.startswith(remedy)


def test_a_damaged_manifest_with_a_colon_in_its_error_is_told_from_its_remedy(storage: Storage) -> None:
    overwrite(storage, file(5, "manifest.json"), b"\xff")
    (found,) = findings(storage)
    assert re.fullmatch(r"iris/5: the manifest cannot be read \(.*: .*\)", found.fact)
    assert found.remedy == "restore the object from the bucket's versions"


def test_many_faults_are_all_found_and_streamed(storage: Storage) -> None:
    edit_prod(storage, to_version=77)
    for version in (5, 6, 7):
        storage.delete(file(version, "model.joblib"))
    storage.create("a", b"")
    stream = findings(storage)
    assert next(stream) == Finding(
        "note", "a", "is not an object of the registry, which ignores it", "keep it in another bucket"
    )
    assert len(list(stream)) == 4


def test_without_the_bytes_only_a_lost_model_shows(storage: Storage) -> None:
    overwrite(storage, file(5, "model.joblib"), b"iris X")
    assert list(findings(storage, check_bytes=False)) == []
    storage.delete(file(5, "model.joblib"))
    assert len(list(findings(storage, check_bytes=False))) == 1


def test_the_remedy_gc_is_one(storage: Storage, registry: Registry) -> None:
    for name in ("model.joblib", "model.skops", "model.onnx"):
        storage.create(file(12, name), b"1")
        storage.create(file(4, name), b"1")
    assert len(list(findings(storage))) == 2
    assert [str(ref) for ref in registry.gc(older_than=timedelta(0))] == ["iris/4", "iris/12"]
    assert list(findings(storage)) == []


def test_the_remedy_delete_again_is_one(storage: Storage, registry: Registry) -> None:
    storage.create(file(5, "deleted.json"), encode(MARK))
    registry.delete(VersionRef("iris", 5), reason="again")
    assert list(findings(storage)) == []
    assert 5 not in Versions(storage).numbers("iris")
