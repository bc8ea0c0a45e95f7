"""The engine ends the programs that it has started; where it was killed, they must end themselves."""

import os

_PARENT = os.getppid()


def is_orphan() -> bool:
    """Whether the process that started this one is gone."""
    return os.getppid() != _PARENT
