"""Run the fleet and print its outcomes as JSON, in whatever environment this is; or write docs/models.md from all.

`python -m tests.model_registry.fleet run [GROUP]` prints; `python -m tests.model_registry.fleet page` writes.
`convert [all]` prints what came of conversions to ONNX, `publish STORAGE LIBRARY PROOF` publishes a boosted model.
"""

import sys
from contextlib import redirect_stdout
from typing import Any

import msgspec

from model_registry import Registry, open_storage
from model_runtime.manifest import ProofKind
from tests.model_registry.fleet import environments, estimators, page
from tests.model_registry.fleet.outcomes import Attempt, outcomes

_PROOFS: dict[str, ProofKind] = {"full": "full", "none": "none"}


def main(arguments: list[str]) -> None:
    """Do what the module says."""
    if arguments[:1] == ["page"]:
        page.write(environments.everything(), environments.versions())
        return
    with redirect_stdout(sys.stderr):  # where the function's log and what libraries print go
        found = _done(*arguments)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _done(verb: str, *arguments: str) -> Any:
    if verb == "run":
        return outcomes(_attempts(list(arguments)))
    from tests.model_registry.fleet import conversions

    if verb == "convert":
        return conversions.tried(everything=arguments == ("all",))
    storage, library, proof = arguments
    return conversions.publish(Registry(open_storage(storage), actor="the tests"), library, proof=_PROOFS[proof])


def _attempts(groups: list[str]) -> list[Attempt]:
    if groups == ["scikit-learn"]:
        return list(estimators.attempts())
    from tests.model_registry.fleet import libraries

    return list(libraries.attempts(only=groups[0] if groups else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
