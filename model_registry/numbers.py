"""The numbers of versions, given by the model's counter: in two requests, however many versions there are."""

import uuid

from model_registry.records import Counter, counter_key, decode_counter
from model_registry.reference import MAX_VERSION, is_version
from model_runtime.errors import ConflictError, RecordError, StorageError
from model_runtime.manifest import encode, versions_prefix
from model_runtime.storage import Storage

TRIES = 1000
"""So many others would have to be first in a row."""


class Numbers:
    """Reads and moves the counters of a registry."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def last(self, name: str) -> int:
        """The last number that was given, of a version that may not be there; counted by listing where none is kept."""
        stored = self._storage.read(counter_key(name))
        return self.highest(name) if stored is None else self._decoded(name, stored.data)

    def next(self, name: str, token: str, *, after: int) -> int:
        """Take the next number, and one behind `after`; ConflictError where that never succeeds."""
        return self._move(name, token, after + 1, is_new=True)

    def reach(self, name: str, version: int) -> None:
        """Let no number up to this be given, as it is taken without the counter."""
        self._move(name, "copy", version, is_new=False)

    def recount(self, name: str) -> None:
        """Count anew where the counter cannot be read; one that can is left as it is."""
        key, stored = counter_key(name), None
        try:
            stored = self._storage.read(key)
            if stored is not None:
                decode_counter(stored.data)
        except RecordError:
            counter = encode(Counter(last=self.highest(name), writer="recounted"))
            if stored is None:  # too large to be read, and so by every publish, none of which has written it meanwhile
                self._storage.overwrite(key, counter)
            else:
                self._storage.replace(key, counter, stored.etag)

    def highest(self, name: str) -> int:
        """The highest number that anything is stored under, by listing."""
        return max((int(f) for f in self._storage.folders(versions_prefix(name)) if is_version(f)), default=0)

    def _move(self, name: str, token: str, least: int, *, is_new: bool) -> int:
        key = counter_key(name)
        for _ in range(TRIES):
            stored = self._storage.read(key)
            last = self.highest(name) if stored is None else self._decoded(name, stored.data)
            if stored is not None and not is_new and last >= least:
                return last
            version = max(last + is_new, least)
            if version > MAX_VERSION:
                raise StorageError(
                    f"the version numbers of {name} end at {MAX_VERSION}, which is taken: "
                    "publish under another name, or remove what does not belong there (`doctor` names it)"
                )
            moved = encode(Counter(last=version, writer=f"{token}-{uuid.uuid4().hex}"))
            try:
                if stored is None:
                    self._storage.create(key, moved)
                else:
                    self._storage.replace(key, moved, stored.etag)
            except (ConflictError, StorageError) as error:
                # A write whose answer was lost may have happened.
                if not self._storage.holds(key, moved):
                    if isinstance(error, ConflictError):
                        continue
                    raise
            return version
        raise ConflictError(f"{name}: {TRIES} other publishes were first, nothing was published: try again")

    def _decoded(self, name: str, data: bytes) -> int:
        try:
            return decode_counter(data).last
        except RecordError:  # it can be counted anew
            return self.highest(name)
