"""Run the fleet and print its outcomes as JSON, in whatever environment this is; or write docs/models.md from all.

`python -m tests.model_registry.fleet run [GROUP]` prints; `python -m tests.model_registry.fleet page` writes.
"""

import sys
from contextlib import redirect_stdout

import msgspec

from tests.model_registry.fleet import environments, estimators, page
from tests.model_registry.fleet.outcomes import Attempt, outcomes


def main(arguments: list[str]) -> None:
    """Do what the module says."""
    if arguments[:1] == ["page"]:
        page.write(environments.everything())
        return
    with redirect_stdout(sys.stderr):  # where the function's log and what libraries print go
        found = outcomes(_attempts(arguments[1:]))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _attempts(groups: list[str]) -> list[Attempt]:
    if groups == ["scikit-learn"]:
        return list(estimators.attempts())
    from tests.model_registry.fleet import libraries

    return list(libraries.attempts(only=groups[0] if groups else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
