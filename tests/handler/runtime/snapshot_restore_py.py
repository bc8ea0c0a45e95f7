"""The interface of Lambda's own `snapshot_restore_py`, which is part of its runtime: a test double.

Source: "Lambda SnapStart runtime hooks for Python" in the AWS Lambda developer guide.
"""

from collections.abc import Callable, Mapping
from typing import Any

Hook = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]

_before: list[Hook] = []
_after: list[Hook] = []


def register_before_snapshot(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have a function called before the snapshot; Lambda begins with the one that was registered last."""
    _before.append((function, args, kwargs))
    return function


def register_after_restore(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have a function called in each copy, in the order of registration."""
    _after.append((function, args, kwargs))
    return function


def get_before_snapshot() -> list[Hook]:
    """What was registered for before the snapshot, in the order of registration."""
    return _before


def get_after_restore() -> list[Hook]:
    """What was registered for after a restore."""
    return _after
