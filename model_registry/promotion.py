"""Gates where a tag is moved: which ones hold, and what they are judged against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from model_registry import gates
from model_registry.gates import JointGates
from model_registry.records import PromotionRules, Tag
from model_registry.reference import TagRef, VersionRef
from model_registry.release import Release
from model_registry.tags import Tags
from model_registry.versions import Versions
from model_runtime.manifest import Manifest

Progress = Callable[[str], None]


class _Silence:
    """Progress that nobody is told of; `help` shows it by its name, and not by an address."""

    def __call__(self, line: str, /) -> None:
        """Say nothing."""

    def __repr__(self) -> str:
        return "SILENCE"


SILENCE: Progress = _Silence()


class Verifier(Protocol):
    """Verifies versions elsewhere than in this process."""

    def __call__(self, release: Release, *, model_format: str | None, progress: Progress) -> object:
        """Say what was found; an error where the version is not as it must be, or that cannot be known."""


@dataclass(frozen=True)
class Judge:
    """Decides whether a tag may be moved to a version.

    `gates` is None where neither the tag's promotion rules nor the call has any. `verify` rebuilds the candidate's
    environment and says what it found.
    """

    gates: JointGates | None
    ref: TagRef
    candidate: Release
    versions: Versions
    tags: Tags
    verify: Callable[[], str]

    def checks(self, current: Tag) -> tuple[str, ...]:
        """The checks that were passed, given the tag as it is before the move; GateError where one was not.

        The expensive verification comes last, and only where everything else was passed.
        """
        if self.gates is None:
            return ()
        manifest = self.candidate.manifest
        replaced = self._manifest_of(current)
        passed = gates.evaluate(
            self.gates,
            manifest,
            target=str(self.ref),
            current=replaced,
            baselines={tag: self._baseline(tag, replaced) for tag in self.gates.not_worse_than},
            deprecated=self.versions.deprecation(VersionRef(manifest.name, manifest.version)),
        )
        return (*passed, self.verify()) if self.gates.verify else passed

    def _baseline(self, tag: str, replaced: Manifest | None) -> Manifest | None:
        if tag == self.ref.tag:
            return replaced
        found = self.tags.read(TagRef(self.ref.name, tag))
        return None if found is None else self._manifest_of(found[0])

    def _manifest_of(self, tag: Tag) -> Manifest | None:
        if tag.version is None:
            return None
        # Signed or not: a registry that begins to ask for signing must be able to replace what is not signed.
        return self.versions.read(VersionRef(tag.name, tag.version)).manifest


def joint_gates(rules: PromotionRules | None, call: gates.Gates | None) -> JointGates | None:
    """The gates of a tag's rules and those of a call as one; None where there are neither."""
    if rules is None and call is None:
        return None
    return gates.joined(rules.gates if rules else None, call or gates.NO_GATES)
