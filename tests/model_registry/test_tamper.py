"""Whoever edits a tag object behind the registry's back is found out when it is next read."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest

from model_registry import Registry, Storage
from model_registry.records import Tag, tag_key
from model_registry.reference import TagRef
from model_runtime.errors import IntegrityError, RecordError
from model_runtime.manifest import encode
from tests.model_registry.processes import add

Document = dict[str, Any]
PROD = TagRef("iris", "prod")
KEY = tag_key("iris", "prod")
MOVES = 6
UNPROTECTED = {"id", "action", "by", "at", "reason", "checks"}
"""Of the last move alone: nothing follows that has its digest, and the tag's own version does not depend on them."""


@pytest.fixture
def tag(storage: Storage, registry: Registry) -> Tag:
    """The tag prod of iris after six moves of every kind."""
    for number in range(1, 5):
        add(storage, "iris", str(number).encode())
    registry.tag("iris/3", "dev")
    registry.tag("iris/1", "prod", reason="first")
    registry.tag("iris/2", "prod", reason="better")
    registry.promote("iris", from_tag="dev", to_tag="prod")
    registry.rollback("iris@prod", reason="worse")
    registry.untag("iris@prod")
    return registry.tag("iris/4", "prod")


def document(tag: Tag) -> Document:
    """The tag object, to be edited."""
    decoded: Document = msgspec.json.decode(encode(tag))
    return decoded


def other_values(value: object) -> list[object]:
    """Values that somebody might put in place of one: of its own kind, of another, and none at all."""
    match value:
        case int():
            return [value + 1, value - 1, 0, None, "1"]
        case str():
            return [value + "0", value[:-1], "tag", "rollback", "f" * 64, "2020-01-01T00:00:00Z", "", None, 1]
        case list():
            return [["accuracy 1.0 >= 0.5"], None, "x"]
        case _:
            return [1, 2, "f" * 64]


def single_edits(tag: Tag) -> Iterator[tuple[str, int, str, Document]]:
    """Every field of every move set to another value, or taken out."""
    for index, move in enumerate(document(tag)["history"]):
        for field, value in move.items():
            for other in other_values(value):
                if other == value:
                    continue
                edited = document(tag)
                edited["history"][index][field] = other
                yield f"{field} of move {index + 1} is {other!r}", index, field, edited
            edited = document(tag)
            del edited["history"][index][field]
            yield f"move {index + 1} has no {field}", index, field, edited


def rearranged(tag: Tag) -> Iterator[tuple[str, Document]]:
    """The history with moves dropped, swapped, doubled, and put in from elsewhere."""
    for index in range(MOVES - 1):
        for count in range(1, MOVES - index):
            edited = document(tag)
            del edited["history"][index : index + count]
            yield f"without {count} from move {index + 1}", edited
    for first, second in combinations(range(MOVES), 2):
        edited = document(tag)
        moves = edited["history"]
        moves[first], moves[second] = moves[second], moves[first]
        yield f"moves {first + 1} and {second + 1} swapped", edited
    for source in range(MOVES):
        for place in range(MOVES + 1):
            edited = document(tag)
            edited["history"].insert(place, dict(edited["history"][source]))
            yield f"move {source + 1} once more at {place + 1}", edited
    edited = document(tag)
    edited["history"] = []
    yield "no moves", edited
    for fewer in range(1, MOVES):
        edited = document(tag)
        del edited["history"][-fewer:]
        yield f"the last {fewer} dropped, the version left", edited


def own_fields(tag: Tag) -> Iterator[tuple[str, Document]]:
    """The object's own fields set to other values, or taken out."""
    values: dict[str, list[object]] = {
        "version": [1, 2, 3, None, "4", 0],
        "name": ["wine", "", None],
        "tag": ["dev", "", None],
        "format": [3, 0, None, "1"],
        "history": [None, {}, "x"],
        "sealed": [1, 64, -1, None],
    }
    for field, others in values.items():
        for other in others:
            yield f"{field} is {other!r}", document(tag) | {field: other}
        if field not in {"format", "sealed"}:  # these have defaults
            yield f"no {field}", {name: value for name, value in document(tag).items() if name != field}


def is_found(storage: Storage, registry: Registry, edited: Document, ref: TagRef = PROD) -> bool:
    """Write the edited object in place of the tag, and see whether whoever reads it refuses, and names the tag."""
    key = tag_key(ref.name, ref.tag)
    stored = storage.read(key)
    storage.replace(key, msgspec.json.encode(edited), stored.etag if stored else None)
    read, resolved = refusal(registry.tag_of, ref), refusal(registry.resolve, ref)
    assert read in {"", resolved}, "what reading refuses is not resolved either"
    assert resolved.startswith(f"{ref}: ") or not resolved, "the message names the tag"
    return bool(resolved)


def refusal(read: Callable[[str], object], ref: TagRef) -> str:
    try:
        read(str(ref))
    except (RecordError, IntegrityError) as error:
        return str(error)
    return ""


def test_any_edit_of_any_move_but_the_last_is_found(storage: Storage, registry: Registry, tag: Tag) -> None:
    missed = [
        edit
        for edit, index, _, edited in single_edits(tag)
        if index < MOVES - 1 and not is_found(storage, registry, edited)
    ]
    assert missed == []


def test_of_the_last_move_any_edit_of_what_it_did_is_found(storage: Storage, registry: Registry, tag: Tag) -> None:
    """What it says of who and why has no witness inside the object: that is what `audit` is for."""
    missed = {
        field
        for _, index, field, edited in single_edits(tag)
        if index == MOVES - 1 and not is_found(storage, registry, edited)
    }
    assert missed <= UNPROTECTED


def test_dropped_swapped_and_added_moves_are_found(storage: Storage, registry: Registry, tag: Tag) -> None:
    missed = [edit for edit, edited in rearranged(tag) if not is_found(storage, registry, edited)]
    assert missed == []


def test_edits_of_the_object_around_the_history_are_found(storage: Storage, registry: Registry, tag: Tag) -> None:
    missed = [edit for edit, edited in own_fields(tag) if not is_found(storage, registry, edited)]
    assert missed == []


@pytest.mark.parametrize("ref", [TagRef("iris", "dev"), TagRef("iris", "new"), TagRef("wine", "prod")], ids=str)
def test_a_tag_object_that_was_moved_to_another_key_is_found(
    storage: Storage, registry: Registry, tag: Tag, ref: TagRef
) -> None:
    key = tag_key(ref.name, ref.tag)
    if storage.read(key) is None:
        storage.create(key, b"{}")
    assert is_found(storage, registry, document(tag), ref)


def test_a_tag_that_was_tampered_with_is_not_moved_on(storage: Storage, registry: Registry, tag: Tag) -> None:
    edited = document(tag)
    edited["history"][2]["by"] = "nobody"
    assert is_found(storage, registry, edited)
    for move in (
        lambda: registry.tag("iris/1", "prod"),
        lambda: registry.promote("iris", from_tag="dev", to_tag="prod"),
        lambda: registry.rollback("iris@prod"),
        lambda: registry.untag("iris@prod"),
        lambda: registry.which("iris@prod", tag.history[0].at + timedelta(seconds=1)),
    ):
        with pytest.raises(IntegrityError, match="iris@prod: move 4 does not follow from move 3, which was edited"):
            move()


def test_the_object_that_was_not_edited_is_read(storage: Storage, registry: Registry, tag: Tag) -> None:
    """What the tests above rest on: writing the object anew is not what is found."""
    assert not is_found(storage, registry, document(tag))
    assert registry.tag_of("iris@prod") == tag
