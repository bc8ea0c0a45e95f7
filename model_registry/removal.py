"""How a version is taken away without a tag ever pointing at what is gone.

S3 writes one object at a time, and a version and its tags are several. Three rules make their order safe:

- A removal first takes the mark `deleted.json`, with its token, by compare-and-swap. It then fences every tag of the
  model (`Tags.fence`): where one points at the version, the mark is withdrawn and the version stays. It then makes sure
  that the mark is still its own, and only then removes the manifest, which is never put back.
- Whoever moves a tag reads the tag, then looks for the mark, then writes the tag over what was read (`If-Match`). A
  mark that was not there yet means that the fence came after that reading: it sees the move, or makes it conflict.
- Another removal may take the mark over at any time. The one before stops at its last look at the mark; if it was past
  that, the tags were fenced and the mark has been there since, so the later one finds no tag either, and goes on.
"""

import uuid

import msgspec

from model_registry.records import DELETED_FILE, Mark, decode_mark
from model_registry.reference import VersionRef
from model_runtime.errors import ConflictError, StorageError
from model_runtime.manifest import encode, version_key
from model_runtime.storage import Storage


def standing_mark(storage: Storage, ref: VersionRef) -> Mark | None:
    """The mark of a version that is being removed or was; None where there is none, or it was withdrawn."""
    stored = storage.read(version_key(ref.name, ref.version, DELETED_FILE))
    mark = None if stored is None else decode_mark(stored.data)
    return None if mark is None or mark.withdrawn else mark


class Removal:
    """A removal under way, which owns the version's mark until another takes it over."""

    def __init__(self, storage: Storage, ref: VersionRef, mark: Mark) -> None:
        self.token = uuid.uuid4().hex
        self._storage = storage
        self._ref = ref
        self._mark = msgspec.structs.replace(mark, token=self.token)
        self._key = version_key(ref.name, ref.version, DELETED_FILE)

    def take(self) -> None:
        """Write the mark, over another's where there is one; ConflictError where another removal was first."""
        data = encode(self._mark)
        there = self._storage.read(self._key)
        try:
            if there is None:
                self._storage.create(self._key, data, token=self.token)
            else:
                self._storage.replace(self._key, data, there.etag)
        except (ConflictError, StorageError):
            if not self._storage.holds(self._key, data):
                raise

    def require(self) -> str | None:
        """The mark's ETag; ConflictError where it is no longer ours."""
        stored = self._storage.read(self._key)
        if stored is None or stored.data != encode(self._mark):
            raise ConflictError(
                f"{self._ref} is being removed by somebody else as well, who goes on with it: "
                f"look at `show {self._ref}` in a moment"
            )
        return stored.etag

    def withdraw(self) -> None:
        """Give up: the version stays."""
        withdrawn = encode(msgspec.structs.replace(self._mark, withdrawn=True))
        try:
            self._storage.replace(self._key, withdrawn, self.require())
        except (ConflictError, StorageError):
            if not self._storage.holds(self._key, withdrawn):
                raise
