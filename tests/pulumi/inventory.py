"""What there is in the account, by kind: two inventories are equal when nothing was created or left behind."""

from typing import Any

from aws_check.inventory import Inventory
from aws_check.inventory import inventory as inventory_by
from local.ministack import LocalAws

ONE_STACK = {"REST APIs": 1, "buckets": 1, "functions": 1, "layer versions": 1, "log groups": 2, "roles": 1}
"""What a stack with default settings adds to an account."""


def inventory(aws: LocalAws) -> Inventory:
    """List everything of the kinds that the project creates, sorted."""
    return inventory_by(aws.client)


def added(before: Inventory, after: Inventory) -> dict[str, int]:
    """Return how many of each kind `after` has more than `before`, without the kinds of which there are as many."""
    counts: dict[str, Any] = {kind: len(after[kind]) - len(before[kind]) for kind in after}
    return {kind: count for kind, count in counts.items() if count}
