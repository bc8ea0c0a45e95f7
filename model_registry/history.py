"""What a tag's history says. Pure functions on the records; nothing here talks to the bucket."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from model_registry.records import Move, Tag
from model_registry.reference import TagRef
from model_runtime.manifest import digest, encode


def unset(ref: TagRef) -> Tag:
    """A tag before its first move."""
    return Tag(name=ref.name, tag=ref.tag, version=None, history=())


def last_sequence(tag: Tag) -> int:
    """The number of a tag's last move; 0 before the first."""
    return tag.history[-1].sequence if tag.history else 0


def moved(
    current: Tag,
    to_version: int | None,
    *,
    manifest_sha256: str | None,
    action: str,
    by: str,
    at: datetime,
    reason: str = "",
    checks: tuple[str, ...] = (),
    steps: int = 1,
    caller: str = "",
) -> Tag:
    """The tag after one more move. Its time is never before the last move's, whatever the writers' clocks say."""
    last = current.history[-1] if current.history else None
    move = Move(
        sequence=last.sequence + 1 if last else 1,
        id=uuid.uuid4().hex,
        action=msgspec.convert(action, type=Move.__annotations__["action"]),
        from_version=current.version,
        to_version=to_version,
        by=by,
        at=max(at, last.at) if last else at,
        reason=reason,
        manifest_sha256=manifest_sha256,
        checks=checks,
        steps=steps,
        caller=caller,
        previous=move_digest(last) if last else None,
    )
    return Tag(
        name=current.name, tag=current.tag, version=to_version, history=(*current.history, move), sealed=current.sealed
    )


def earlier(newest_first: Iterable[Move]) -> Iterator[tuple[int, Move]]:
    """What a tag can be rolled back to, the nearest first: a move, and how many moves that takes back.

    Moves that were taken back already do not count: rolling back several times goes back step by step.
    """
    taken_back = steps = 0
    for move in newest_first:
        if move.action == "rollback":
            taken_back += move.steps
        elif taken_back:
            taken_back -= 1
        else:
            if steps:
                yield steps, move
            steps += 1


def move_digest(move: Move) -> str:
    """The SHA-256 of a move, which the next one holds as `previous`: it stands for the whole history up to there."""
    return digest(encode(move))


def departure(newest_first: Iterable[Move], sequence: int, sha256: str) -> str | None:
    """How a history does not continue the one whose last move had this number and digest; None where it does."""
    for move in newest_first:
        if move.sequence == sequence:
            return None if move_digest(move) == sha256 else f"its move {sequence} is another one now"
        if move.sequence < sequence:
            return f"it ends with move {move.sequence} now, move {sequence} is gone"
    return f"it has no move {sequence} any more"


def version_at(moves: Sequence[Move], time: datetime) -> int | None:
    """What the tag pointed at, at an instant; None where it was not set then."""
    version = None
    for move in moves:
        if move.at > time:
            break
        version = move.to_version
    return version


def faults(ref: TagRef, tag: Tag) -> Iterator[str]:
    """Everything that is wrong with a tag object: an edited, dropped, added or reordered entry breaks the chain."""
    if (tag.name, tag.tag) != (ref.name, ref.tag):
        yield f"{ref}: the object says that it is {tag.name}@{tag.tag}"
    if not tag.history:
        if tag.version is not None or tag.sealed:
            yield f"{ref}: the history is empty"
        return
    yield from chain_faults(ref, tag.history, after=tag.sealed)
    if tag.version != tag.history[-1].to_version:
        yield f"{ref}: it points at {tag.version}, its last move went to {tag.history[-1].to_version}"


def chain_faults(ref: TagRef, moves: Sequence[Move], *, after: int = 0) -> Iterator[str]:
    """What is wrong with moves that follow one another, the first of them with the number `after` + 1."""
    first = moves[0]
    is_start = first.previous is None and first.from_version is None
    if first.sequence != after + 1 or (after == 0 and not is_start):
        begin = f"follow move {after}" if after else "begin with the first move"
        yield f"{ref}: the history does not {begin}, but begins with number {first.sequence}"
    for move in moves:
        if (move.to_version is None) != (move.manifest_sha256 is None):
            yield f"{ref}: move {move.sequence} does not say which manifest version {move.to_version} has"
    for before, later in pairwise(moves):
        yield from (f"{ref}: {fault}" for fault in link_faults(before, later))


def link_faults(earlier: Move, later: Move) -> Iterator[str]:
    """What is wrong with one move as the next after another."""
    if later.sequence != earlier.sequence + 1:
        yield f"move {later.sequence} follows move {earlier.sequence}"
    if later.previous != move_digest(earlier):
        yield f"move {later.sequence} does not follow from move {earlier.sequence}, which was edited"
    if later.from_version != earlier.to_version:
        yield f"move {later.sequence} goes from {later.from_version}, the one before went to {earlier.to_version}"
    if later.at < earlier.at:
        yield f"move {later.sequence} is dated before move {earlier.sequence}"
