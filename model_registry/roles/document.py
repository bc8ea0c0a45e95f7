"""IAM policies as plain values."""

from typing import Any

Statement = dict[str, Any]
Policy = dict[str, Any]

EVERY = "*"
"""Any name."""


def policy(*statements: Statement) -> Policy:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def owned(account: str | None, operator: str = "StringEquals") -> dict[str, Any]:
    """The condition that a bucket is this account's; none where the account is not known.

    ARNs of buckets have no account, and names of buckets are free again once they are deleted, also for others.
    """
    return {operator: {"aws:ResourceAccount": account}} if account else {}


def allow(sid: str, actions: str | list[str], resources: str | list[str], **conditions: Any) -> Statement:
    """A statement that allows; conditions by their operator, as `StringEquals={...}`."""
    return _statement("Allow", sid, actions, resources, conditions)


def deny(sid: str, actions: str | list[str], resources: str | list[str], **conditions: Any) -> Statement:
    """A statement that denies, whatever else allows."""
    return _statement("Deny", sid, actions, resources, conditions)


def _statement(
    effect: str, sid: str, actions: str | list[str], resources: str | list[str], conditions: dict[str, Any]
) -> Statement:
    found: Statement = {"Sid": sid, "Effect": effect, "Action": actions, "Resource": resources}
    return {**found, "Condition": conditions} if conditions else found
