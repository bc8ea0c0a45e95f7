"""Gates where a tag is moved: which ones hold, and what they are judged against."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from model_registry import gates
from model_registry.records import Policy, Tag
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_runtime.errors import NotFoundError
from model_runtime.manifest import Manifest

if TYPE_CHECKING:
    from model_registry.registry import Registry

Progress = Callable[[str], None]
Judge = Callable[[Tag | None], tuple[str, ...]]
"""Given the tag as it is before a move: the checks that were passed, or GateError."""


def judge(
    registry: "Registry",
    ref: TagRef,
    candidate: Release,
    *,
    policy: Policy | None,
    call: gates.Gates | None,
    manifest_of: Callable[[VersionRef], Manifest],
    progress: Progress,
) -> Judge | None:
    """What decides whether a tag may be moved to a version; None where neither a policy nor the call has gates.

    `manifest_of` reads what the candidate is compared with. The expensive verification comes last, and only where
    everything else was passed.
    """
    if policy is None and call is None:
        return None
    rules = gates.rules(policy.gates if policy else None, call or gates.NO_GATES)

    def version_of(tag: Tag | None) -> Manifest | None:
        return None if tag is None or tag.version is None else manifest_of(VersionRef(tag.name, tag.version))

    def judged(current: Tag | None) -> tuple[str, ...]:
        replaced = version_of(current)
        passed = gates.evaluate(
            rules,
            candidate.manifest,
            target=str(ref),
            current=replaced,
            baselines={
                tag: replaced if tag == ref.tag else version_of(_tag(registry, TagRef(ref.name, tag)))
                for tag in rules.not_worse_than
            },
            deprecated=registry.deprecation(candidate),
        )
        if not rules.verify:
            return passed
        from model_registry.verification import verify_version

        version = VersionRef(candidate.manifest.name, candidate.manifest.version)
        return (*passed, str(verify_version(registry, version, progress=progress)))

    return judged


def _tag(registry: "Registry", ref: TagRef) -> Tag | None:
    try:
        return registry.tag_of(ref)
    except NotFoundError:
        return None
