from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry import history
from model_registry.records import Tag
from model_registry.reference import TagRef
from model_runtime.errors import NotFoundError

REF = TagRef("iris", "prod")
START = datetime(2026, 1, 1, tzinfo=UTC)


def step(tag: Tag | None, version: int | None, action: str = "tag", at: datetime = START) -> Tag:
    return history.moved(
        REF, tag, version, manifest_sha256=None if version is None else "0" * 64, action=action, by="me", at=at
    )


def after(*versions: int | None) -> Tag:
    """A tag that went through these versions, an hour apart."""
    tag: Tag | None = None
    for hours, version in enumerate(versions):
        tag = step(tag, version, at=START + timedelta(hours=hours))
    assert tag is not None
    return tag


def rolled_back(tag: Tag) -> Tag:
    return step(tag, history.before(tag), action="rollback", at=tag.history[-1].at)


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
    assert history.version_at(after(*versions), instant) == versions[min(half_hours // 2, len(versions) - 1)]


def test_before_the_first_move_it_pointed_at_nothing() -> None:
    assert history.version_at(after(1, 2), START - timedelta(microseconds=1)) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_rolling_back_again_and_again_goes_through_the_versions_in_reverse(versions: list[int]) -> None:
    tag = after(*versions)
    for expected in reversed(versions[:-1]):
        tag = rolled_back(tag)
        assert tag.version == expected
    with pytest.raises(NotFoundError, match="nothing to roll back to"):
        history.before(tag)
    assert list(history.faults(REF, tag)) == []


def test_a_rollback_after_untag_returns_to_what_was_there() -> None:
    assert history.before(after(1, None)) == 1


def test_a_move_after_rollbacks_is_taken_back_first() -> None:
    tag = rolled_back(rolled_back(after(1, 2, 3)))
    tag = step(tag, 7, at=tag.history[-1].at)
    assert history.before(tag) == 1


def test_a_writer_whose_clock_is_behind_does_not_turn_time_back() -> None:
    tag = step(step(None, 1, at=START), 2, at=START - timedelta(days=1))
    assert [move.at for move in tag.history] == [START, START]


def test_every_move_has_its_own_id() -> None:
    tag = after(1, 1, 1, 1)
    assert len({move.id for move in tag.history}) == 4


def test_a_history_is_continued_by_what_came_after_and_by_nothing_else() -> None:
    tag = after(1, 2, 3)
    assert history.is_continued_by(tag, rolled_back(tag))
    assert history.is_continued_by(tag, tag)
    assert not history.is_continued_by(rolled_back(tag), tag)
    assert not history.is_continued_by(tag, after(1, 2, 3))
