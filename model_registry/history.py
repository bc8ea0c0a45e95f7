"""What a tag's history says. Pure functions on the records; nothing here talks to the bucket."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import msgspec

from model_registry.records import Move, Tag
from model_registry.reference import TagRef
from model_runtime.errors import NotFoundError
from model_runtime.manifest import digest, encode


def moved(
    ref: TagRef,
    current: Tag | None,
    to_version: int | None,
    *,
    manifest_sha256: str | None,
    action: str,
    by: str,
    at: datetime,
    reason: str = "",
    checks: tuple[str, ...] = (),
) -> Tag:
    """The tag after one more move. Its time is never before the last move's, whatever the writers' clocks say."""
    last = current.history[-1] if current else None
    move = Move(
        sequence=last.sequence + 1 if last else 1,
        id=uuid.uuid4().hex,
        action=msgspec.convert(action, type=Move.__annotations__["action"]),
        from_version=current.version if current else None,
        to_version=to_version,
        by=by,
        at=max(at, last.at) if last else at,
        reason=reason,
        manifest_sha256=manifest_sha256,
        checks=checks,
        previous=digest(encode(last)) if last else None,
    )
    history = (*current.history, move) if current else (move,)
    return Tag(name=ref.name, tag=ref.tag, version=to_version, history=history)


def before(tag: Tag) -> int:
    """The version to roll back to: what was there before the last move that was not itself taken back.

    Rolling back several times in a row goes back step by step. NotFoundError where there is nothing earlier.
    """
    there: list[int | None] = []
    for move in tag.history:
        if move.action == "rollback" and there:
            there.pop()
        else:
            there.append(move.to_version)
    earlier = [version for version in there[:-1] if version is not None]
    if not earlier:
        raise NotFoundError(f"{tag.name}@{tag.tag} has nothing to roll back to: its history begins where it is now")
    return earlier[-1]


def version_at(tag: Tag, time: datetime) -> int | None:
    """What the tag pointed at, at an instant; None where it was not set then."""
    version = None
    for move in tag.history:
        if move.at > time:
            break
        version = move.to_version
    return version


def faults(ref: TagRef, tag: Tag) -> Iterator[str]:
    """Everything that is wrong with a history: an edited, dropped, added or reordered entry breaks the chain."""
    if (tag.name, tag.tag) != (ref.name, ref.tag):
        yield f"{ref}: the object says that it is {tag.name}@{tag.tag}"
    if not tag.history:
        yield f"{ref}: the history is empty"
        return
    first = tag.history[0]
    if first.sequence != 1 or first.previous is not None or first.from_version is not None:
        yield f"{ref}: the history does not begin with the first move, but with number {first.sequence}"
    for move in tag.history:
        if (move.to_version is None) != (move.manifest_sha256 is None):
            yield f"{ref}: move {move.sequence} does not say which manifest version {move.to_version} has"
    for earlier, later in pairwise(tag.history):
        yield from (f"{ref}: {fault}" for fault in _between(earlier, later))
    if tag.version != tag.history[-1].to_version:
        yield f"{ref}: it points at {tag.version}, its last move went to {tag.history[-1].to_version}"


def _between(earlier: Move, later: Move) -> Iterator[str]:
    """What is wrong with one move as the next after another."""
    if later.sequence != earlier.sequence + 1:
        yield f"move {later.sequence} follows move {earlier.sequence}"
    if later.previous != digest(encode(earlier)):
        yield f"move {later.sequence} does not follow from move {earlier.sequence}, which was edited"
    if later.from_version != earlier.to_version:
        yield f"move {later.sequence} goes from {later.from_version}, the one before went to {earlier.to_version}"
    if later.at < earlier.at:
        yield f"move {later.sequence} is dated before move {earlier.sequence}"


def is_continued_by(older: Tag, newer: Tag) -> bool:
    """Whether a later state of a tag has the whole history of an earlier one: nothing was cut off or rewritten."""
    return newer.history[: len(older.history)] == older.history
