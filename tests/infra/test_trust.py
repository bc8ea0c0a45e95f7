"""What a stack remembers of its tag and its keys, and what it refuses for it."""

import re
from typing import Any

import pytest
from obstore.store import MemoryStore

from infra.inputs import follow_tag
from infra.settings import SettingsError
from infra.trust import OUTPUT, check_history, check_keys, check_mark, trust_output
from model_registry import Registry, Storage, history
from model_registry.records import SEGMENT, tag_key
from model_registry.signing import generate_key
from tests.infra.examples import settings
from tests.model_registry.processes import add
from tests.model_registry.test_cost import Counted

PROD = settings(model="iris", tag="prod")
KEY, OTHER = generate_key()[1], generate_key()[1]


@pytest.fixture
def storage() -> Counted:
    return Counted(MemoryStore(), "memory")


@pytest.fixture
def two(storage: Storage) -> Registry:
    """Versions 1 and 2 of iris; prod was moved to 1, then to 2."""
    registry = Registry(storage, actor="the tests")
    for _ in range(2):
        add(storage, "iris", b"model")
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "prod")
    return registry


def deployed(registry: Registry, **changes: Any) -> dict[str, Any]:
    """The outputs of a stack that has just deployed what prod points at."""
    tag = registry.tag_of("iris@prod")
    return {
        OUTPUT: trust_output(settings(model="iris", tag="prod", **changes), tag.history[-1]),
        "modelManifestSha256": registry.release_of(tag).manifest_sha256,
    }


def checked(registry: Registry, outputs: dict[str, Any], **changes: Any) -> str | None:
    given = settings(**{"model": "iris", "tag": "prod", **changes})
    return check_history(given, registry, registry.tag_of("iris@prod"), outputs)


def test_a_history_that_goes_on_is_followed_and_a_rollback_is_a_move_like_any_other(two: Registry) -> None:
    outputs = deployed(two)
    assert checked(two, outputs) is None
    assert two.rollback("iris@prod").version == 1
    assert checked(two, outputs) is None
    assert checked(two, {}) is None, "the first update knows nothing"


def test_a_tag_that_was_turned_back_is_refused_until_exactly_that_history_is_accepted(
    two: Registry, storage: Storage
) -> None:
    """Somebody with the right to write the bucket puts an older state of the tag there, which is consistent."""
    stored = storage.read(tag_key("iris", "prod"))
    assert stored is not None
    two.tag("iris/1", "prod")
    outputs = deployed(two)
    storage.overwrite(tag_key("iris", "prod"), stored.data)
    assert two.resolve("iris@prod").manifest.version == 2
    with pytest.raises(SettingsError, match="it ends with move 2 now, move 3 is gone") as refused:
        checked(two, outputs)
    head = history.move_digest(two.tag_of("iris@prod").history[-1])
    assert str(refused.value).endswith(f"`pulumi config set acceptHistory {head}`")
    accepted = checked(two, outputs, accept_history=head)
    assert accepted is not None
    assert accepted.endswith("which acceptHistory accepts")
    two.tag("iris/1", "prod", reason="another move on the cut history")
    with pytest.raises(SettingsError, match="its move 3 is another one now"):
        checked(two, outputs, accept_history=head)


def test_a_tag_that_was_made_anew_is_refused(two: Registry, storage: Storage) -> None:
    two.tag("iris/1", "prod")
    outputs = deployed(two)
    storage.delete(tag_key("iris", "prod"))
    two.tag("iris/2", "prod")
    with pytest.raises(SettingsError, match="it ends with move 1 now, move 3 is gone"):
        checked(two, outputs)


@pytest.mark.parametrize("changes", [{"tag": "dev"}, {"registry_bucket": "another-one"}])
def test_another_tag_or_registry_begins_anew(two: Registry, changes: dict[str, Any]) -> None:
    """Who may change the stack's settings may point it anywhere."""
    outputs = deployed(two)
    outputs[OUTPUT]["sequence"] = 99
    assert checked(two, outputs, **changes) is None
    with pytest.raises(SettingsError):
        checked(two, outputs)


def test_a_recent_history_is_compared_without_a_request_and_an_old_one_by_one_for_64_moves(
    two: Registry, storage: Counted
) -> None:
    outputs = deployed(two)
    requests = []
    for number in range(1, 3 * SEGMENT):
        two.tag(f"iris/{1 + number % 2}", "prod")
        if number % 15 == 0:
            tag, before = two.tag_of("iris@prod"), storage.requests
            assert check_history(PROD, two, tag, outputs) is None
            requests.append((storage.requests - before, tag.sealed // SEGMENT))
    assert all(needed == sealed for needed, sealed in requests)
    assert {0, 1, 2} <= {needed for needed, _ in requests}


def test_a_deprecated_version_is_not_deployed_but_goes_on_being_served(two: Registry) -> None:
    two.deprecate("iris/2", reason="leaks")
    release = two.resolve("iris@prod")
    mark = two.deprecation(release)
    with pytest.raises(SettingsError, match=r"iris/2 is deprecated by the tests \(leaks\): move the tag away.*true`"):
        check_mark(PROD, release, mark, {})
    allowed = settings(model="iris", tag="prod", allow_deprecated=True)
    assert "which allowDeprecated allows" in str(check_mark(allowed, release, mark, {}))
    assert "this stack serves it already" in str(check_mark(PROD, release, mark, deployed(two)))


def test_a_revoked_version_is_refused_also_where_the_stack_serves_it(two: Registry) -> None:
    outputs = deployed(two)
    two.deprecate("iris/2", reason="old")
    two.revoke("iris/2", reason="poisoned")
    release = two.resolve("iris@prod")
    allowed = settings(model="iris", tag="prod", allow_deprecated=True)
    with pytest.raises(SettingsError, match=r"iris/2 was revoked by the tests \(poisoned\).*rollback iris@prod"):
        check_mark(allowed, release, two.deprecation(release), outputs)
    two.undeprecate("iris/2")
    assert check_mark(PROD, release, two.deprecation(release), outputs) is None


def test_the_last_key_is_not_dropped_without_leave_and_each_change_is_said(two: Registry) -> None:
    outputs = deployed(two, public_keys=(KEY,))
    with pytest.raises(SettingsError, match="pulumi config set allowUnsigned true"):
        check_keys(PROD, outputs)
    (said,) = check_keys(settings(allow_unsigned=True), outputs)
    assert said.endswith("from now on, which allowUnsigned allows")
    assert check_keys(settings(public_keys=(KEY,)), outputs) == []
    assert check_keys(settings(public_keys=(OTHER,)), outputs) == [
        f"publicKey no longer trusts {KEY}",
        f"publicKey trusts {OTHER}, too",
    ]
    assert check_keys(settings(public_keys=(KEY,)), {}) == []


def test_promoters_are_dropped_as_keys_are(two: Registry) -> None:
    outputs = deployed(two, trusted_promoters=(KEY,))
    with pytest.raises(SettingsError, match=f"`pulumi config set trustedPromoters {re.escape(KEY)}`"):
        check_keys(PROD, outputs)
    (said,) = check_keys(settings(allow_unsigned=True), outputs)
    assert "moves of the tag that nobody signed are deployed" in said


def test_an_update_asks_whose_the_registrys_bucket_is(bucket: str) -> None:
    """MiniStack does not look at the owner, so that it is refused wherever one is asked for."""
    with pytest.raises(SettingsError, match="it is empty, publish one first"):
        follow_tag(settings(registry_bucket=bucket), {})
    with pytest.raises(SettingsError, match="ignores `x-amz-expected-bucket-owner`"):
        follow_tag(settings(registry_bucket=bucket, registry_account="210987654321"), {})
