"""The interface of Lambda's own `snapshot_restore_py`, which is part of its runtime: a test double.

Source: "Lambda SnapStart runtime hooks for Python" in the AWS Lambda developer guide.
"""

from collections.abc import Callable
from typing import Any

_before: list[Callable[[], Any]] = []
_after: list[Callable[[], Any]] = []


def register_before_snapshot(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have a function called before the snapshot; the last that was registered comes first."""
    _before.insert(0, lambda: function(*args, **kwargs))
    return function


def register_after_restore(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have a function called in each copy, in the order of registration."""
    _after.append(lambda: function(*args, **kwargs))
    return function


def get_before_snapshot() -> list[Callable[[], Any]]:
    """What Lambda calls before the snapshot."""
    return list(_before)


def get_after_restore() -> list[Callable[[], Any]]:
    """What Lambda calls after a restore."""
    return list(_after)
