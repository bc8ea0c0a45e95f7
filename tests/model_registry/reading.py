"""Every record that a registry reads, by the verbs that read it: for tests that put anything in their place."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.store import MemoryStore

from model_registry import Registry, Storage
from model_registry.doctor import findings
from model_registry.records import Gates, counter_key, rules_key, segment_key, tag_key
from model_registry.reference import VersionRef
from model_runtime.errors import RegistryError
from model_runtime.manifest import MANIFEST_FILE, version_key
from model_runtime.signing import SIGNING_FILE, public_key_text
from tests.model_registry.processes import add

KEYS = {
    "manifest": version_key("iris", 1, MANIFEST_FILE),
    "signing": version_key("iris", 1, SIGNING_FILE),
    "deprecation": version_key("iris", 2, "deprecated.json"),
    "deletion": version_key("iris", 3, "deleted.json"),
    "tag": tag_key("iris", "prod"),
    "segment": segment_key("iris", "prod", 1),
    "counter": counter_key("iris"),
    "rules": rules_key("iris", "prod"),
}
"""An object of each kind. The registry of `filled` has all of them but the signing."""
_KEY = public_key_text(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
_NOW = datetime(2999, 1, 1, tzinfo=UTC)

READ: Mapping[str, Callable[[Registry], object]] = {
    "resolve a version": lambda registry: registry.resolve("iris/1"),
    "resolve a tag": lambda registry: registry.resolve("iris@prod"),
    "a signed version": lambda registry: Registry(
        registry._storage, actor="x", trusted_keys=[f"ed25519:{'A' * 43}="]
    ).resolve("iris/1"),
    "history": lambda registry: registry.history("iris@prod"),
    "which": lambda registry: registry.which("iris@prod", _NOW),
    "a page": lambda registry: registry.page("iris"),
    "pages": lambda registry: list(registry.pages()),
    "rules": lambda registry: registry.rules("iris@prod"),
    "a deprecation": lambda registry: registry.deprecation(registry.resolve("iris/2")),
    "check a model": lambda registry: registry.check_model(registry.resolve("iris/1")),
    "what was cut off": lambda registry: list(registry.aborted()),
    "doctor": lambda registry: list(findings(registry._storage)),
}
"""What only reads."""
WRITE: Mapping[str, Callable[[Registry], object]] = {
    "tag": lambda registry: registry.tag("iris/2", "prod"),
    "roll back": lambda registry: registry.rollback("iris@prod"),
    "publish": lambda registry: add(registry._storage, "iris", b"new"),
    "undeprecate": lambda registry: registry.undeprecate("iris/2"),
    "delete": lambda registry: registry.delete(VersionRef("iris", 2), reason="old"),
}
"""What reads before it writes."""


def _trusting(registry: Registry) -> Registry:
    return Registry(registry._storage, actor="x", trusted_keys=[_KEY])


def filled() -> Registry:
    """A registry in memory with every kind of record."""
    storage = Storage(MemoryStore(), "memory")
    registry = Registry(storage, actor="the tests", proof="none")
    for number in range(1, 4):
        add(storage, "iris", str(number).encode())
    for number in range(90):  # until older moves go into a segment
        registry.tag(f"iris/{1 + number % 2}", "prod")
    registry.set_rules("iris@prod", Gates(allow_breaking=True), reason="all")
    registry.deprecate("iris/2", reason="old")
    registry.delete(VersionRef("iris", 3), reason="wrong")
    return registry


def objects() -> dict[str, bytes]:
    """All that is stored in it, by key."""
    storage = filled()._storage
    return {key: stored.data for key in storage.keys("") if (stored := storage.read(key))}


def put(storage: Storage, key: str, data: bytes) -> None:
    """Write an object as somebody who may do so can, whatever there is."""
    storage.overwrite(key, data)


def use(registry: Registry) -> None:
    """Every verb, of which each may refuse what it finds, and none fail otherwise."""
    for verb in (*READ.values(), *WRITE.values()):
        with suppress(RegistryError):
            verb(registry)
