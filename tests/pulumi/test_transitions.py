"""Changes of settings that pass through what AWS refuses, by the real engine; and what an update leaves behind."""

from collections.abc import Callable

import pytest

from aws_check.errors import EngineError
from model_registry import Registry
from tests.pulumi.stacks import EngineStack
from training.train_iris import GUIDE_EVENT

NewStack = Callable[..., EngineStack]
SUBNETS = {"subnetIds": ["subnet-00000001"], "securityGroupIds": ["sg-00000001"]}


def versions(stack: EngineStack) -> list[int]:
    found = stack.aws.client("lambda").list_versions_by_function(FunctionName=stack.outputs["functionName"])["Versions"]
    return [int(one["Version"]) for one in found if one["Version"] != "$LATEST"]


def live(stack: EngineStack) -> int:
    alias = stack.aws.client("lambda").get_alias(FunctionName=stack.outputs["functionName"], Name="live")
    return int(alias["FunctionVersion"])


def test_from_provisioned_concurrency_to_less_than_it_reserved_in_two_updates_and_not_in_one(
    stack: NewStack, models: Registry
) -> None:
    """What is refused changes nothing; the two updates of the message lead there."""
    models.tag("iris/1", "dev")
    capacity = stack("capacity", tag="dev", provisionedConcurrency=3, reservedConcurrency=5).up()
    capacity.set(provisionedConcurrency=1, reservedConcurrency=2)
    for command in (capacity.preview, capacity.up):
        with pytest.raises(EngineError, match="3 environments are provisioned now"):
            command()
        assert capacity.changed() == set()
    capacity.set(reservedConcurrency=5)
    capacity.up()
    capacity.set(reservedConcurrency=2)
    capacity.up()
    assert capacity.post(GUIDE_EVENT).status == 200
    capacity.destroy()


def test_old_versions_go_and_the_rights_for_interfaces_stay_while_a_version_has_some(
    stack: NewStack, models: Registry
) -> None:
    models.tag("iris/1", "dev")
    pruned = stack("pruned", tag="dev", keepVersions=2, **SUBNETS).up()
    assert _may_remove_interfaces(pruned)
    pruned.unset(*SUBNETS)
    seen, previewed = [], False
    for memory in (512, 768, 1024, 1280):
        pruned.set(memory=memory)
        before = versions(pruned)
        if len(before) > 2 and not previewed:
            pruned.preview()
            assert versions(pruned) == before, "a preview deletes nothing"
            previewed = True
        pruned.up()
        assert len(before) <= 3, "an update leaves two and adds one"
        assert live(pruned) == max(versions(pruned))
        seen.append((versions(pruned), _may_remove_interfaces(pruned)))
    assert seen == [([1, 2], True), ([1, 2, 3], True), ([2, 3, 4], True), ([3, 4, 5], False)]
    assert pruned.post(GUIDE_EVENT).status == 200
    pruned.destroy()


def _may_remove_interfaces(stack: EngineStack) -> bool:
    iam, role = stack.aws.client("iam"), stack.configuration()["Role"].rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return "ec2:DeleteNetworkInterface" in str(iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
