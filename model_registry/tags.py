"""The tags of a bucket: each one object with its whole history, replaced by compare-and-swap."""

from collections.abc import Iterator

from model_registry import history
from model_registry.records import Tag, decode_tag, tag_key, tags_prefix
from model_registry.reference import TagRef
from model_runtime.errors import ConflictError, IntegrityError, RecordError, StorageError
from model_runtime.manifest import encode
from model_runtime.storage import Storage


class Tags:
    """Reads and writes tag objects; what a move means is decided by the caller."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def names(self, name: str) -> list[str]:
        """The tags that a model has or had, sorted."""
        # Other tools leave their own objects, such as the folder markers of the S3 console.
        files = [key.removeprefix(tags_prefix(name)) for key in self._storage.keys(tags_prefix(name))]
        return sorted(file.removesuffix(".json") for file in files if file.endswith(".json"))

    def read(self, ref: TagRef) -> tuple[Tag, str | None] | None:
        """A tag with its ETag, in one request; None where it never was. IntegrityError where its chain is broken."""
        stored = self._storage.read(tag_key(ref.name, ref.tag))
        if stored is None:
            return None
        try:
            tag = decode_tag(stored.data)
        except RecordError as error:
            raise RecordError(f"{ref}: {error}") from error
        faults = list(history.faults(ref, tag))
        if faults:
            raise IntegrityError(f"{faults[0]}: restore the tag object from the bucket's versions")
        return tag, stored.etag

    def pointing_at(self, name: str, version: int) -> Iterator[str]:
        """The tags that point at a version now."""
        for tag_name in self.names(name):
            found = self.read(TagRef(name, tag_name))
            if found and found[0].version == version:
                yield tag_name

    def write(self, moved: Tag, etag: str | None) -> None:
        """Write a tag after a move: a new one where `etag` is None. ConflictError where another writer was first.

        A failed write whose answer was lost may have happened: the tag is read again before that is believed.
        """
        key, data = tag_key(moved.name, moved.tag), encode(moved)
        try:
            if etag is None:
                self._storage.create(key, data)
            else:
                self._storage.replace(key, data, etag)
        except (ConflictError, StorageError) as error:
            if self._has(moved, error):
                return
            if isinstance(error, ConflictError):
                raise ConflictError(
                    f"{moved.name}@{moved.tag} was moved by another writer meanwhile, this move was not made: "
                    f"look at `history {moved.name}@{moved.tag}`, then decide again"
                ) from error
            raise

    def _has(self, moved: Tag, error: ConflictError | StorageError) -> bool:
        ref = TagRef(moved.name, moved.tag)
        try:
            found = self.read(ref)
        except StorageError as unreadable:
            # A conflict may be one with our own write, which only reading would show.
            failed = unreadable if isinstance(error, ConflictError) else error
            raise type(failed)(
                f"{failed}; whether {ref} was moved is not known: look at `history {ref}` first"
            ) from error
        ours = moved.history[-1].id
        return found is not None and any(move.id == ours for move in found[0].history)
