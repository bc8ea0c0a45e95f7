from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from model_registry import history
from model_registry.records import Move, Tag
from model_registry.reference import TagRef

REF = TagRef("iris", "prod")
START = datetime(2026, 1, 1, tzinfo=UTC)


def step(tag: Tag | None, version: int | None, action: str = "tag", at: datetime = START) -> Tag:
    return history.moved(
        tag or history.unset(REF),
        version,
        manifest_sha256=None if version is None else "0" * 64,
        action=action,
        by="me",
        at=at,
    )


def after(*versions: int | None) -> Tag:
    """A tag that went through these versions, an hour apart."""
    tag: Tag | None = None
    for hours, version in enumerate(versions):
        tag = step(tag, version, at=START + timedelta(hours=hours))
    assert tag is not None
    return tag


def before(tag: Tag) -> Iterator[tuple[int, Move]]:
    """What it can be rolled back to, the nearest first."""
    return history.earlier(reversed(tag.history))


def rolled_back(tag: Tag, place: int = 0) -> Tag:
    """The tag rolled back to the nearest candidate, or to one further back, as where others were deleted."""
    steps, move = list(before(tag))[place]
    at = tag.history[-1].at
    return history.moved(
        tag, move.to_version, manifest_sha256=move.manifest_sha256, action="rollback", by="me", at=at, steps=steps
    )


versions_ = st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=1, max_size=12)


@given(versions_)
def test_a_history_that_was_only_ever_moved_has_no_faults(versions: list[int | None]) -> None:
    tag = after(*versions)
    assert list(history.faults(REF, tag)) == []
    assert [move.to_version for move in tag.history] == versions
    assert tag.version == versions[-1]


@given(versions_, st.integers(0, 20))
def test_what_it_pointed_at_is_the_last_move_not_after_the_instant(versions: list[int | None], half_hours: int) -> None:
    instant = START + timedelta(minutes=30 * half_hours)
    assert history.version_at(after(*versions).history, instant) == versions[min(half_hours // 2, len(versions) - 1)]


def test_before_the_first_move_it_pointed_at_nothing() -> None:
    assert history.version_at(after(1, 2).history, START - timedelta(microseconds=1)) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_rolling_back_again_and_again_goes_through_the_versions_in_reverse(versions: list[int]) -> None:
    tag = after(*versions)
    for expected in reversed(versions[:-1]):
        tag = rolled_back(tag)
        assert tag.version == expected
    assert list(before(tag)) == []
    assert list(history.faults(REF, tag)) == []


def test_a_rollback_after_untag_returns_to_what_was_there() -> None:
    assert rolled_back(after(1, None)).version == 1


def test_a_move_after_rollbacks_is_taken_back_first() -> None:
    tag = rolled_back(rolled_back(after(1, 2, 3)))
    tag = step(tag, 7, at=tag.history[-1].at)
    assert rolled_back(tag).version == 1


def test_a_rollback_that_skipped_versions_is_not_undone_by_the_next() -> None:
    """1, 2, 3, with 2 deleted: back to 1, from where there is nothing earlier; 2 must not be offered again."""
    tag = rolled_back(after(1, 2, 3), place=1)
    assert tag.version == 1
    assert list(before(tag)) == []


def test_a_writer_whose_clock_is_behind_does_not_turn_time_back() -> None:
    tag = step(step(None, 1, at=START), 2, at=START - timedelta(days=1))
    assert [move.at for move in tag.history] == [START, START]


def test_every_move_has_its_own_id() -> None:
    tag = after(1, 1, 1, 1)
    assert len({move.id for move in tag.history}) == 4
