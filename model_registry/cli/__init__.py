"""The registry on the command line.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 a known error (one line on stderr, nothing changed), 2 wrong
usage, 3 a check found something (`verify`, `doctor`).
"""

import os
import sys

from model_registry.cli import (  # noqa: F401  # they add their commands
    keeping,
    looking,
    materials,
    moving,
    policies,
    publishing,
    reading,
    reporting,
)
from model_registry.cli.common import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line. Where its output cannot be written, that is said in one line, too."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()  # whoever reads has enough, as `head` does
        sys.exit(1)
    except OSError as error:
        _silence()
        print(f"error: the output cannot be written ({error.strerror}): write it elsewhere", file=sys.stderr)
        sys.exit(1)


def _silence() -> None:
    """Let what is still buffered go nowhere: Python would try to write it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
