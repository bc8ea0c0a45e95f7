"""The registry on the command line.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 a known error (one line on stderr, nothing changed), 2 wrong
usage, 3 a check found something (`verify`, `doctor`).
"""

from model_registry.cli import keeping, moving, publishing, reading  # noqa: F401  # they add their commands
from model_registry.cli.common import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
