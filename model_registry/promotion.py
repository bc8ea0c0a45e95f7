"""Gates where a tag is moved: which ones hold, and what they are judged against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from model_registry import gates
from model_registry.gates import JointGates, Judgement
from model_registry.history import last_sequence
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


_ONLY_RULES = (
    "its promotion rules demand that it is verified, which runs the model's code on this machine: say that you mean "
    "it, `promote --verify`, have it verified elsewhere, `promote --in-account`, or name the tag in "
    "MODEL_REGISTRY_VERIFY"
)


@dataclass(frozen=True)
class Proposal:
    """A move of a tag as it would be made now, to be looked at; nothing was written.

    `current` is the tag before it, without a move where it never was set, and `replaced` what that points at, None
    for nothing, or before a rollback for what cannot be read.
    `judgements` are what was judged, a sentence each with whether it was passed. Where `is_to_verify`, the model is
    verified besides when the move is made.
    """

    current: Tag
    target: Release
    replaced: Manifest | None
    judgements: tuple[Judgement, ...]
    is_to_verify: bool = False

    @property
    def sequence(self) -> int:
        """The number of the tag's last move, which the move that is made can be bound to; 0 where there is none."""
        return last_sequence(self.current)

    @property
    def is_passed(self) -> bool:
        """Whether nothing that was judged refuses the move."""
        return all(is_passed for is_passed, _ in self.judgements)


@dataclass(frozen=True)
class Judge:
    """Decides whether a tag may be moved to a version.

    `gates` is None where neither the tag's promotion rules nor the call has any. `verify` rebuilds the candidate's
    environment, which runs the model's code, and says what it found; only where that `may_verify`.
    """

    gates: JointGates | None
    ref: TagRef
    candidate: Release
    versions: Versions
    tags: Tags
    verify: Callable[[], str]
    may_verify: bool

    def checks(self, current: Tag) -> tuple[str, ...]:
        """The checks that were passed, given the tag as it is before the move; GateError where one was not.

        The expensive verification comes last, and only where everything else was passed.
        """
        passed = gates.passed(str(self.ref), self.judged(current))
        return (*passed, self.verify()) if self.is_to_verify else passed

    @property
    def is_to_verify(self) -> bool:
        """Whether the model is to be verified."""
        return self.gates is not None and self.gates.verify

    def judged(self, current: Tag) -> tuple[Judgement, ...]:
        """What the gates say, given the tag as it is before the move, all but the verification itself."""
        if self.gates is None:
            return ()
        manifest = self.candidate.manifest
        replaced = self.manifest_of(current)
        found = gates.judged(
            self.gates,
            manifest,
            target=str(self.ref),
            current=replaced,
            baselines={tag: self._baseline(tag, replaced) for tag in self.gates.not_worse_than},
            deprecated=self.versions.deprecation(VersionRef(manifest.name, manifest.version)),
        )
        return found if self.may_verify or not self.is_to_verify else (*found, (False, _ONLY_RULES))

    def _baseline(self, tag: str, replaced: Manifest | None) -> Manifest | None:
        if tag == self.ref.tag:
            return replaced
        found = self.tags.read(TagRef(self.ref.name, tag))
        return None if found is None else self.manifest_of(found[0])

    def manifest_of(self, tag: Tag) -> Manifest | None:
        """What a tag points at; None for nothing."""
        if tag.version is None:
            return None
        # Signed or not: a registry that begins to ask for signing must be able to replace what is not signed.
        return self.versions.read(VersionRef(tag.name, tag.version)).manifest


def joint_gates(rules: PromotionRules | None, call: gates.Gates | None) -> JointGates | None:
    """The gates of a tag's rules and those of a call as one; None where there are neither."""
    if rules is None and call is None:
        return None
    return gates.joined(rules.gates if rules else None, call or gates.NO_GATES)
