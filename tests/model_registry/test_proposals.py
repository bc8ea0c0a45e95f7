"""What a move would do, looked at before it is made, and a move that is made only where nothing moved since."""

from functools import partial

import pytest
from obstore.store import MemoryStore

from model_registry import Registry, Storage
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_runtime.errors import ConflictError, GateError, NotFoundError
from model_runtime.manifest import version_key
from tests.model_registry.made import made, put


@pytest.fixture
def registry() -> Registry:
    """iris/1 to iris/3 with an accuracy of 0.91 to 0.93; `prod` went from 1 to 2."""
    storage = Storage(MemoryStore(), "memory")
    put(storage, *(made(number, metrics={"accuracy": 0.9 + number / 100}) for number in (1, 2, 3)))
    registry = Registry(storage, actor="ada")
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "prod")
    return registry


def test_a_proposal_says_what_each_gate_says_and_writes_nothing(registry: Registry) -> None:
    before = registry.tag_of("iris@prod")
    gates = Gates(require=("accuracy>=0.95",), not_worse_than="prod", proof="full")
    proposal = registry.propose("iris", to_tag="prod", version=3, gates=gates)
    assert proposal.judgements == (
        (False, "accuracy of iris/3 is 0.93, >= 0.95 is required"),
        (True, "accuracy 0.93 is not worse than 0.92 of iris/2 (prod)"),
        (False, "iris/3 was published with the proof 'none', 'full' is required"),
    )
    assert (proposal.is_passed, proposal.is_to_verify, proposal.sequence) == (False, False, 2)
    assert proposal.replaced is not None
    assert (proposal.replaced.version, proposal.target.manifest.version) == (2, 3)
    with pytest.raises(GateError) as refused:
        registry.promote("iris", to_tag="prod", version=3, gates=gates)
    assert refused.value.failures == [sentence for passed, sentence in proposal.judgements if not passed]
    assert registry.tag_of("iris@prod") == before
    assert registry.propose("iris", to_tag="new", version=3).sequence == 0
    with pytest.raises(NotFoundError):
        registry.tag_of("iris@new")
    assert list(registry._tags.names("iris")) == ["prod"]


def test_rules_that_demand_verification_refuse_it_until_somebody_means_it(registry: Registry) -> None:
    registry.set_rules("iris@prod", Gates(verify=True), reason="")
    proposal = registry.propose("iris", to_tag="prod", version=3)
    ((passed, sentence),) = proposal.judgements
    assert (passed, proposal.is_to_verify) == (False, True)
    assert "say that you mean it, `promote --verify`" in sentence
    meant = registry.propose("iris", to_tag="prod", version=3, gates=Gates(verify=True))
    assert (meant.is_passed, meant.is_to_verify) == (True, True)


def test_a_rollback_is_proposed_with_what_it_skips_and_whether_it_is_refused(registry: Registry) -> None:
    registry.tag("iris/3", "prod")
    registry.delete(VersionRef("iris", 2), reason="mistake")
    registry.deprecate("iris/1", reason="old")
    proposal = registry.propose_rollback("iris@prod")
    assert proposal.target.manifest.version == 1
    assert proposal.judgements[0] == (True, "iris/2 was skipped: it was deleted")
    assert not proposal.is_passed
    assert "iris/1 is deprecated by ada (old)" in proposal.judgements[1][1]
    assert registry.propose_rollback("iris@prod", allow_deprecated=True).is_passed
    assert registry.tag_of("iris@prod").version == 3


def test_a_rollback_from_a_version_that_cannot_be_read_is_proposed_as_it_is_made(registry: Registry) -> None:
    key = version_key("iris", 2, "manifest.json")
    stored = registry._storage.read(key)
    assert stored is not None
    registry._storage.replace(key, b"{}", stored.etag)
    proposal = registry.propose_rollback("iris@prod")
    assert (proposal.replaced, proposal.current.version, proposal.is_passed) == (None, 2, True)
    assert registry.rollback("iris@prod", expected=proposal.sequence).version == 1


def test_a_tag_that_moved_since_is_not_moved_again(registry: Registry) -> None:
    seen = registry.propose("iris", to_tag="prod", version=3)
    registry.promote("iris", to_tag="prod", version=1)
    moves = [
        partial(registry.promote, "iris", to_tag="prod", version=3, expected=seen.sequence),
        partial(registry.rollback, "iris@prod", expected=seen.sequence),
        partial(registry.promote, "iris", to_tag="prod", version=3, expected=0),
        partial(registry.promote, "iris", to_tag="new", version=3, expected=1),
    ]
    for move in moves:
        with pytest.raises(ConflictError, match="was moved meanwhile"):
            move()
    assert registry.promote("iris", to_tag="prod", version=3, expected=3).version == 3
    assert registry.promote("iris", to_tag="new", version=3, expected=0).version == 3


def test_a_rollback_goes_to_the_version_that_was_seen_or_nowhere(registry: Registry) -> None:
    registry.tag("iris/3", "prod")
    seen = registry.propose_rollback("iris@prod")
    registry.delete(VersionRef("iris", 2), reason="mistake")
    with pytest.raises(ConflictError, match="goes back to iris/1, and not to 2, which is gone"):
        registry.rollback("iris@prod", expected=seen.sequence, version=seen.target.manifest.version)
    assert registry.rollback("iris@prod", expected=seen.sequence, version=1).version == 1
