"""Gates where a tag is moved, and the promotion rules that hold them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from model_registry import Registry, Storage
from model_registry.gates import Gates
from model_registry.records import PromotionRules, Tag, decode_rules, rules_key, rules_prefix
from model_registry.reference import VersionRef
from model_registry.signing import Signer, generate_key
from model_registry.versions import Versions, files_of
from model_runtime.errors import (
    ConflictError,
    GateError,
    InvalidGateError,
    InvalidNameError,
    RecordError,
    SigningError,
    VerificationError,
)
from model_runtime.manifest import Feature, Signature, encode, version_key
from model_runtime.storage import Content
from tests.conftest import ACTOR

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])
STRICT = Gates(require=("accuracy>=0.95",), not_worse_than="prod")


def put(
    registry: Registry, storage: Storage, version: int, accuracy: float, signature: Signature | None = None
) -> None:
    """Put another version of iris/1 beside it, with the same files."""
    first, versions = registry.resolve("iris/1"), Versions(storage)
    manifest = msgspec.structs.replace(
        first.manifest,
        version=version,
        metrics={"accuracy": accuracy},
        signature=signature or first.manifest.signature,
    )
    files = [(one.file, versions.file_bytes(first, one)) for one in files_of(first.manifest)]
    versions.put(VersionRef("iris", version), files, encode(manifest))


@pytest.fixture
def three(registry: Registry, storage: Storage) -> Registry:
    """iris/1 with an accuracy of 0.96 is prod, iris/2 with 0.98 is dev, iris/3 has 0.9 and another feature."""
    registry.publish(ESTIMATOR, name="iris", X_example=X, metrics={"accuracy": 0.96}, examples="given")
    put(registry, storage, 2, 0.98)
    put(registry, storage, 3, 0.9, Signature(features=(Feature(name="p", type="number"),)))
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "dev")
    return registry


def checks(tag: Tag) -> tuple[str, ...]:
    return tag.history[-1].checks


# -- promote -------------------------------------------------------------------------------------------------


def test_a_promotion_records_the_checks_that_it_passed(three: Registry) -> None:
    moved = three.promote("iris", from_tag="dev", to_tag="prod", gates=STRICT, reason="better")
    assert moved == three.tag_of("iris@prod")
    assert checks(moved) == ("accuracy 0.98 >= 0.95", "accuracy 0.98 is not worse than 0.96 of iris/1 (prod)")
    assert (moved.version, moved.history[-1].action, moved.history[-1].reason) == (2, "promote", "better")


def test_a_promotion_that_fails_a_gate_changes_nothing(three: Registry) -> None:
    before = three.tag_of("iris@prod")
    with pytest.raises(GateError, match=r"iris@prod was not moved: accuracy of iris/3 is 0\.9, >= 0\.95 is required; "):
        three.promote("iris", version=3, to_tag="prod", gates=STRICT)
    assert three.tag_of("iris@prod") == before


def test_a_breaking_change_needs_leave_also_without_other_gates(three: Registry) -> None:
    with pytest.raises(GateError, match="breaks callers of iris/1") as raised:
        three.promote("iris", version=3, to_tag="prod")
    assert len(raised.value.failures) == 1
    moved = three.promote("iris", version=3, to_tag="prod", gates=Gates(allow_breaking=True))
    assert moved.version == 3
    assert [check.partition(" (")[0] for check in checks(moved)] == ["iris/3 breaks callers of iris/1"]


def test_a_deprecated_version_is_not_promoted_without_leave(three: Registry) -> None:
    three.deprecate("iris/2", reason="leaks")
    with pytest.raises(GateError, match=rf"iris/2 is deprecated by {ACTOR} \(leaks\)"):
        three.promote("iris", from_tag="dev", to_tag="prod")
    gates = Gates(allow_deprecated=True)
    assert three.promote("iris", from_tag="dev", to_tag="prod", gates=gates).version == 2


def test_a_tag_is_not_rolled_back_to_a_deprecated_version_without_leave(three: Registry) -> None:
    three.tag("iris/2", "prod")
    three.deprecate("iris/1", reason="leaks")
    with pytest.raises(GateError, match=r"iris/1 is deprecated by .* \(leaks\): promote .*, or allow it"):
        three.rollback("iris@prod")
    assert three.tag_of("iris@prod").version == 2
    moved = three.rollback("iris@prod", allow_deprecated=True)
    assert (moved.version, checks(moved)) == (1, (f"iris/1 is deprecated by {ACTOR} (leaks), which was allowed",))


def test_a_revoked_version_is_reached_by_nothing_until_that_is_undone(three: Registry) -> None:
    """A revocation takes the place of a deprecation, not the other way round."""
    three.deprecate("iris/2", reason="old")
    three.revoke("iris/2", reason="poisoned")
    for mark in (three.deprecate, three.revoke):
        with pytest.raises(ConflictError, match=rf"iris/2 was revoked already by {ACTOR} .*: poisoned\)"):
            mark("iris/2", reason="again")
    with pytest.raises(GateError, match=rf"iris/2 was revoked by {ACTOR} \(poisoned\)"):
        three.promote("iris", version=2, to_tag="prod", gates=Gates(allow_deprecated=True))
    three.undeprecate("iris/2")
    assert three.promote("iris", version=2, to_tag="prod").version == 2
    three.promote("iris", version=1, to_tag="prod")
    three.revoke("iris/2", reason="poisoned")
    with pytest.raises(GateError, match="iris/2 was revoked"):
        three.rollback("iris@prod", allow_deprecated=True)


def test_a_version_is_promoted_from_one_source(three: Registry) -> None:
    sources: list[dict[str, Any]] = [{}, {"from_tag": "dev", "version": 2}]
    for source in sources:
        with pytest.raises(InvalidNameError, match="iris is promoted from one version: give a tag or a version number"):
            three.promote("iris", to_tag="prod", **source)


def test_another_tag_than_the_target_can_be_the_measure(three: Registry) -> None:
    with pytest.raises(GateError, match=r"accuracy of iris/1 is 0\.96, worse than 0\.98 of iris/2 \(dev\)"):
        three.promote("iris", version=1, to_tag="new", gates=Gates(not_worse_than="dev"))
    with pytest.raises(GateError, match="iris@none points at no version"):
        three.promote("iris", version=1, to_tag="new", gates=Gates(not_worse_than="none"))
    three.untag("iris@dev")
    with pytest.raises(GateError, match="iris@dev points at no version"):
        three.promote("iris", version=1, to_tag="new", gates=Gates(not_worse_than="dev"))


def test_what_the_gates_were_judged_against_is_what_the_move_replaces(
    three: Registry, storage: Storage, bucket: str
) -> None:
    """iris/2 is better than iris/1, but not judged against iris/4, which another promoter was first with."""
    put(three, storage, 4, 0.99)

    class Overtaken(Storage):
        def read(self, key: str) -> Any:
            found = super().read(key)
            if key == version_key("iris", 1, "manifest.json"):  # the gates read what prod points at
                three.promote("iris", version=4, to_tag="prod")
            return found

    late = Registry(Overtaken.open(bucket), actor=ACTOR)
    with pytest.raises(ConflictError, match="iris@prod was moved by another writer meanwhile, this move was not made"):
        late.promote("iris", version=2, to_tag="prod", gates=STRICT)
    assert three.tag_of("iris@prod").version == 4


@pytest.mark.usefixtures("three")
def test_a_signed_version_can_replace_an_unsigned_one_where_signatures_are_asked_for(storage: Storage) -> None:
    signer = Signer.from_pem(generate_key()[0])
    Registry(storage, actor=ACTOR, signer=signer).publish(
        ESTIMATOR, name="iris", X_example=X, metrics={"accuracy": 0.97}
    )
    careful = Registry(storage, actor=ACTOR, trusted_keys=[signer.public_key])
    with pytest.raises(SigningError):
        careful.promote("iris", version=2, to_tag="prod", gates=STRICT)
    assert careful.promote("iris", version=4, to_tag="prod", gates=STRICT).version == 4


def test_verify_comes_last_and_is_on_record(three: Registry) -> None:
    gates = Gates(require=("accuracy>=0.95",), verify=True)
    steps: list[str] = []
    with pytest.raises(GateError):
        three.promote("iris", version=3, to_tag="prod", gates=gates, progress=steps.append)
    assert steps == []
    first, verified = checks(three.promote("iris", version=2, to_tag="prod", gates=gates, progress=steps.append))
    assert first == "accuracy 0.98 >= 0.95"
    assert verified.startswith("iris/2 answers 3 golden examples as recorded, with Python ")
    assert steps[0] == "reading iris/2"


def test_a_promotion_whose_verification_fails_changes_nothing(three: Registry, storage: Storage) -> None:
    release = three.resolve("iris/2")
    key = version_key("iris", 2, "manifest.json")
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, encode(msgspec.structs.replace(release.manifest, examples=())), stored.etag)
    with pytest.raises(VerificationError, match="no golden examples"):
        three.promote("iris", version=2, to_tag="prod", gates=Gates(verify=True))
    assert three.tag_of("iris@prod").version == 1


# -- promotion rules ------------------------------------------------------------------------------------------------


def test_rules_is_an_object_that_says_who_set_it_when_and_why(three: Registry, storage: Storage) -> None:
    assert three.rules("iris@prod") is None
    policy = three.set_rules("iris@prod", STRICT, reason="after the incident")
    assert three.rules("iris@prod") == policy
    assert (policy.gates, policy.set_by, policy.reason) == (STRICT, ACTOR, "after the incident")
    assert list(storage.keys(rules_prefix("iris"))) == ["models/iris/policies/prod.json"]
    stored = storage.read(rules_key("iris", "prod"))
    assert stored is not None
    assert decode_rules(stored.data) == policy
    assert json.loads(stored.data)["gates"]["require"] == ["accuracy>=0.95"]


MOVES: dict[str, Callable[[Registry], Tag]] = {
    "tag": lambda registry: registry.tag("iris/3", "prod"),
    "promote": lambda registry: registry.promote("iris", version=3, to_tag="prod"),
    "promote with leave": lambda registry: registry.promote(
        "iris", version=3, to_tag="prod", gates=Gates(allow_breaking=True, allow_deprecated=True)
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_every_move_of_a_tag_meets_its_policy_and_a_call_cannot_weaken_it(three: Registry, move: str) -> None:
    three.set_rules("iris@prod", STRICT, reason="")
    with pytest.raises(GateError) as raised:
        MOVES[move](three)
    assert [failure.partition(" (")[0] for failure in raised.value.failures] == [
        "accuracy of iris/3 is 0.9, >= 0.95 is required",
        "accuracy of iris/3 is 0.9, worse than 0.96 of iris/1",
        "iris/3 breaks callers of iris/1",
    ]
    assert three.tag_of("iris@prod").version == 1
    assert three.tag("iris/3", "dev").version == 3, "the policy is of one tag"


def test_gates_of_a_call_are_added_to_those_of_the_policy(three: Registry) -> None:
    three.set_rules("iris@prod", Gates(require=("accuracy>=0.95",)), reason="")
    with pytest.raises(GateError, match=r"accuracy of iris/2 is 0\.98, >= 0\.99 is required"):
        three.tag("iris/2", "prod", gates=Gates(require=("accuracy>=0.99",)))
    assert checks(three.tag("iris/2", "prod", gates=Gates(require=("accuracy>=0.97",)))) == (
        "accuracy 0.98 >= 0.95",
        "accuracy 0.98 >= 0.97",
    )


def test_rules_that_permits_breaking_changes_leaves_it_to_the_call(three: Registry) -> None:
    three.set_rules("iris@prod", Gates(allow_breaking=True), reason="")
    with pytest.raises(GateError, match="breaks callers"):
        three.promote("iris", version=3, to_tag="prod")
    assert three.promote("iris", version=3, to_tag="prod", gates=Gates(allow_breaking=True)).version == 3


def test_a_rollback_and_an_untag_ask_no_policy(three: Registry) -> None:
    """What gets a team out of trouble must not be in its way."""
    three.tag("iris/3", "prod")
    three.tag("iris/2", "prod")
    three.set_rules("iris@prod", STRICT, reason="")
    assert three.rollback("iris@prod").version == 3
    assert three.untag("iris@prod").version is None


def test_the_first_move_of_a_tag_is_possible_under_its_policy(three: Registry) -> None:
    three.set_rules("iris@new", Gates(not_worse_than="new"), reason="")
    assert checks(three.tag("iris/1", "new")) == ("iris@new points at no version, there is nothing to compare with",)


def test_rules_is_replaced_as_a_whole(three: Registry) -> None:
    three.set_rules("iris@prod", STRICT, reason="")
    three.set_rules("iris@prod", Gates(), reason="too strict")
    policy = three.rules("iris@prod")
    assert policy is not None
    assert (policy.gates, policy.reason) == (Gates(), "too strict")


def test_of_two_who_set_rules_at_once_one_is_told_that_it_did_not(three: Registry, bucket: str) -> None:
    class Overtaken(Storage):
        def read(self, key: str) -> Any:
            found = super().read(key)
            if not overtaken:
                overtaken.append(three.set_rules("iris@prod", STRICT, reason="first"))
            return found

    for _ in ("a new policy", "one that is replaced"):
        overtaken: list[PromotionRules] = []
        late = Registry(Overtaken.open(bucket), actor=ACTOR)
        with pytest.raises(
            ConflictError, match="the promotion rules of iris@prod were set by another writer meanwhile"
        ):
            late.set_rules("iris@prod", Gates(), reason="second")
        assert [three.rules("iris@prod")] == overtaken


def test_a_write_of_rules_whose_answer_was_lost_is_known_to_have_happened(three: Registry, bucket: str) -> None:
    class Lossy(Storage):
        def create(self, key: str, data: Content, *, token: str | None = None) -> None:
            super().create(key, data, token=token)
            raise ConflictError("the client tried again by itself, and met its own object")

        def replace(self, key: str, data: bytes, etag: str | None) -> None:
            super().replace(key, data, etag)
            raise ConflictError("the same")

    lossy = Registry(Lossy.open(bucket), actor=ACTOR)
    for gates in (STRICT, Gates()):
        assert lossy.set_rules("iris@prod", gates, reason="") == three.rules("iris@prod")


@pytest.mark.parametrize(
    ("gates", "error"),
    [(Gates(require=("accuracy",)), InvalidGateError), (Gates(not_worse_than="-"), InvalidNameError)],
)
def test_rules_that_nothing_could_meet_is_not_set(three: Registry, gates: Gates, error: type[Exception]) -> None:
    with pytest.raises(error):
        three.set_rules("iris@prod", gates, reason="")
    assert three.rules("iris@prod") is None


def test_under_rules_that_cannot_be_read_nothing_moves_until_it_is_set_again(three: Registry, storage: Storage) -> None:
    storage.create(rules_key("iris", "prod"), b'{"format": 2, "more": "gates"}')
    with pytest.raises(RecordError, match="the record of promotion rules has format 2, this release reads 1"):
        three.tag("iris/2", "prod")
    assert three.tag_of("iris@prod").version == 1
    three.set_rules("iris@prod", Gates(), reason="mended")
    assert three.tag("iris/2", "prod").version == 2
