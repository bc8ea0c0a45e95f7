"""The tags of a bucket: each one object with its latest moves, replaced by compare-and-swap, and sealed segments.

A tag object holds between 16 and 80 moves once it has more than that: what is older is in segments of 64 moves, each
written once. So a move and a look cost the same at any age. The chain of digests runs on through all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from model_registry import history
from model_registry.records import (
    SEGMENT,
    TAG_FORMAT,
    Move,
    Segment,
    Tag,
    decode_segment,
    decode_tag,
    segment_key,
    tag_key,
    tags_prefix,
)
from model_registry.reference import TagRef, is_slug
from model_runtime.errors import ConflictError, IntegrityError, RecordError, StorageError
from model_runtime.manifest import encode
from model_runtime.storage import Storage

_KEPT = 16
"""So many moves at least stay in the tag object when a segment is sealed: a rollback mostly needs no more."""
_RESTORE = "restore the object from the bucket's versions"


class Tags:
    """Reads and writes tags; what a move means is decided by the caller."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def names(self, name: str) -> list[str]:
        """The tags that a model has or had, sorted. Keys that are not a tag's are left out; `doctor` reports them."""
        files = [key.removeprefix(tags_prefix(name)) for key in self._storage.keys(tags_prefix(name))]
        return sorted(file.removesuffix(".json") for file in files if file.endswith(".json") and is_slug(file[:-5]))

    def read(self, ref: TagRef) -> tuple[Tag, str | None] | None:
        """A tag with its ETag, in one request; None where it never was. IntegrityError where its chain is broken."""
        found = self._decoded(ref)
        if found is None:
            return None
        faults = list(history.faults(ref, found[0]))
        if faults:
            raise IntegrityError(f"{faults[0]}: restore the tag object from the bucket's versions")
        return found

    def to_move(self, ref: TagRef) -> tuple[Tag, str | None]:
        """A tag that is about to be moved. One that does not exist is created, without a move, so that it has an ETag.

        A removal of a version that looks for tags later than this finds it, and one that looked earlier left its mark.
        """
        found = self.read(ref)
        if found is not None:
            return found
        refused: ConflictError | None = None
        try:
            self._storage.create(tag_key(ref.name, ref.tag), encode(history.unset(ref)))
        except ConflictError as error:  # another writer was first, or the answer was lost
            refused = error
        found = self.read(ref)
        if found is None:
            raise refused or StorageError(
                f"{self._storage.location} does not show {tag_key(ref.name, ref.tag)}, which was just written: "
                "it is not a service that a registry can be kept in"
            )
        return found

    def write(self, moved: Tag, etag: str | None) -> Tag:
        """Write a tag after a move, and return it as written; ConflictError where another writer was first.

        A failed write whose answer was lost may have happened: the tag is read again before that is believed.
        """
        sealed = self._sealed(moved)
        try:
            self._storage.replace(tag_key(moved.name, moved.tag), encode(sealed), etag)
        except (ConflictError, StorageError) as error:
            if self._has(moved, error):
                return sealed
            if isinstance(error, ConflictError):
                raise ConflictError(
                    f"{moved.name}@{moved.tag} was moved by another writer meanwhile, this move was not made: "
                    f"look at `history {moved.name}@{moved.tag}`, then decide again"
                ) from error
            raise
        return sealed

    def newest_first(self, tag: Tag) -> Iterator[Move]:
        """All moves of a tag, segment by segment as they are needed; IntegrityError where the chain is broken."""
        yield from reversed(tag.history)
        oldest = tag.history[0] if tag.history else None
        for first in range(tag.sealed - SEGMENT + 1, 0, -SEGMENT):
            moves = self.segment(TagRef(tag.name, tag.tag), first)
            faults = list(history.link_faults(moves[-1], oldest)) if oldest else []
            if faults:
                raise IntegrityError(f"{tag.name}@{tag.tag}: {faults[0]}: {_RESTORE}")
            yield from reversed(moves)
            oldest = moves[0]

    def moves_at(self, tag: Tag, at: datetime) -> Sequence[Move]:
        """The stretch of a tag's history that an instant is in, found by bisection."""
        if not tag.sealed or tag.history[0].at <= at:
            return tag.history
        low, high = 0, tag.sealed // SEGMENT  # the segment is in [low, high)
        moves: Sequence[Move] = ()
        while low < high:
            middle = (low + high) // 2
            found = self.segment(TagRef(tag.name, tag.tag), middle * SEGMENT + 1)
            if found[0].at <= at:
                moves, low = found, middle + 1
            else:
                high = middle
        return moves

    def segment(self, ref: TagRef, first: int) -> Sequence[Move]:
        """The moves of a segment, in one request; IntegrityError where it is lost or is not what it should be."""
        key = segment_key(ref.name, ref.tag, first)
        stored = self._storage.read(key)
        if stored is None:
            raise IntegrityError(f"{ref} has lost the moves from {first} to {first + SEGMENT - 1}, {key}: {_RESTORE}")
        try:
            segment = decode_segment(stored.data)
        except RecordError as error:
            raise RecordError(f"{key}: {error}") from error
        if (segment.name, segment.tag, len(segment.moves)) != (ref.name, ref.tag, SEGMENT):
            raise IntegrityError(
                f"{key} has {len(segment.moves)} moves of {segment.name}@{segment.tag}, "
                f"{SEGMENT} of {ref} belong there: {_RESTORE}"
            )
        faults = list(history.chain_faults(ref, segment.moves, after=first - 1))
        if faults:
            raise IntegrityError(f"{faults[0]}: {_RESTORE}")
        return segment.moves

    def pointing_at(self, name: str, version: int) -> list[str]:
        """The tags that point at a version now; those that cannot be read count as elsewhere."""
        found = []
        for tag_name in self.names(name):
            with suppress(RecordError):
                read = self._decoded(TagRef(name, tag_name))
                if read and _points_at(read[0], version):
                    found.append(tag_name)
        return found

    def fence(self, name: str, version: int, token: str) -> list[str]:
        """The tags that point at a version, after which every move that was decided before this is in conflict.

        Each tag that points elsewhere is written again with the token. RecordError where one cannot be read: it may
        point at the version.
        """
        return [tag for tag in self.names(name) if self._fenced(TagRef(name, tag), version, token)]

    def other_digests(self, name: str, version: int, sha256: str) -> list[tuple[str, str]]:
        """The tags that were pointed at a version with another manifest than this, and the digest that it had."""
        found = []
        for tag_name in self.names(name):
            with suppress(RecordError):
                read = self._decoded(TagRef(name, tag_name))
                found += [
                    (tag_name, move.manifest_sha256)
                    for move in (read[0].history if read else ())
                    if move.to_version == version and move.manifest_sha256 not in {None, sha256}
                ]
        return [(tag, digest) for tag, digest in found if digest is not None]

    def _fenced(self, ref: TagRef, version: int, token: str) -> bool:
        """Whether a tag points at a version; where it does not, it is fenced."""
        while True:
            found = self._decoded(ref)
            if found is None:
                return False
            tag, etag = found
            if _points_at(tag, version):
                return True
            if tag.fence == token:
                return False
            fenced = msgspec.structs.replace(tag, format=TAG_FORMAT, fence=token)
            with suppress(ConflictError):  # it was moved: look again; each time somebody gets on
                self._storage.replace(tag_key(ref.name, ref.tag), encode(fenced), etag)

    def _decoded(self, ref: TagRef) -> tuple[Tag, str | None] | None:
        stored = self._storage.read(tag_key(ref.name, ref.tag))
        if stored is None:
            return None
        try:
            return decode_tag(stored.data), stored.etag
        except RecordError as error:
            raise RecordError(f"{ref}: {error}") from error

    def _sealed(self, tag: Tag) -> Tag:
        """Write the oldest moves, which are committed already, to segments, and leave them out of the tag object."""
        moves, sealed = tag.history, tag.sealed
        while len(moves) >= SEGMENT + _KEPT:
            segment = Segment(name=tag.name, tag=tag.tag, moves=moves[:SEGMENT])
            key, data = segment_key(tag.name, tag.tag, sealed + 1), encode(segment)
            try:
                self._storage.create(key, data)
            except ConflictError:  # another writer, or one that was cut off, sealed the same moves
                stored = self._storage.read(key)
                if stored is None or stored.data != data:
                    raise IntegrityError(
                        f"{key} is not what {tag.name}@{tag.tag} holds as its moves from {sealed + 1}: {_RESTORE}"
                    ) from None
            moves, sealed = moves[SEGMENT:], sealed + SEGMENT
        return msgspec.structs.replace(tag, history=moves, sealed=sealed)

    def _has(self, moved: Tag, error: ConflictError | StorageError) -> bool:
        ref, ours = TagRef(moved.name, moved.tag), moved.history[-1]
        try:
            found = self.read(ref)
            for move in self.newest_first(found[0]) if found else ():
                if move.sequence <= ours.sequence:
                    return move.id == ours.id
        except StorageError as unreadable:
            # A conflict may be one with our own write, which only reading would show.
            failed = unreadable if isinstance(error, ConflictError) else error
            raise type(failed)(
                f"{failed}; whether {ref} was moved is not known: look at `history {ref}` first"
            ) from error
        return False


def _points_at(tag: Tag, version: int) -> bool:
    # Both are looked at: in a damaged object they may differ, and it may be restored.
    return tag.version == version or (bool(tag.history) and tag.history[-1].to_version == version)
