"""Lambda SnapStart: the function starts once, when its version is published, and each environment is a copy of that.

Source: "Handling uniqueness with Lambda SnapStart" and "Lambda SnapStart runtime hooks for Python" in the AWS Lambda
developer guide. What may not be the same in all copies is renewed after the copy was made. Credentials and connections
stay out of it, as nothing keeps them once the model is loaded. A generator that the estimator holds itself cannot be
reached: with `random_state=numpy.random.RandomState(...)`, all copies draw the same numbers.
"""

import sys
from collections.abc import Callable


def after_restore(*hooks: Callable[[], None]) -> None:
    """Have Lambda call these in each copy, in this order, before the first request."""
    from snapshot_restore_py import register_after_restore  # part of Lambda's runtime, in no package of ours

    for hook in hooks:
        register_after_restore(hook)


def reseed() -> None:
    """Reseed the global generators of Python and numpy, from the operating system."""
    if random := sys.modules.get("random"):
        random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
