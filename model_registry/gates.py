"""What a version must show before a tag is moved to it. Pure: manifests in, passed checks or GateError out.

A gate holds exactly at its bound: 0.95 passes `accuracy>=0.95`. Higher is better, except for metrics named like errors
and losses (`is_lower_better`).
"""

import math
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from model_registry.comparison import breaking_changes
from model_registry.printable import figures
from model_registry.records import Gates, Mark
from model_runtime.errors import GateError, InvalidGateError
from model_runtime.manifest import Manifest, ProofKind, check_slug

__all__ = [
    "NO_GATES",
    "Gates",
    "JointGates",
    "Judgement",
    "Requirement",
    "check_gates",
    "is_lower_better",
    "joined",
    "judged",
    "marked",
    "parse",
    "passed",
]

NO_GATES = Gates()

_PROOFS: tuple[ProofKind, ...] = ("none", "process", "full")
"""The weakest first."""

Judgement = tuple[bool, str]
"""Whether a gate was passed, and in a sentence with its numbers why."""

_OPERATORS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}
_REQUIREMENT = re.compile(r"\s*([^<>=]+?)\s*(>=|<=|==|>|<)\s*([^<>=\s]+)\s*")
# The words of scikit-learn's names of losses, and of other libraries' short ones.
_LOWER_IS_BETTER = frozenset(
    {"brier", "deviance", "error", "errors", "logloss", "loss", "losses", "perplexity"}
    | {"mae", "mape", "mse", "msle", "rmse", "rmsle"}
)


@dataclass(frozen=True)
class Requirement:
    """A metric with a bound."""

    metric: str
    operator: str
    bound: float

    def is_met_by(self, value: float) -> bool:
        """Whether a value keeps the bound. NaN keeps none."""
        return bool(_OPERATORS[self.operator](value, self.bound))


@dataclass(frozen=True)
class JointGates:
    """The gates of a tag's promotion rules and those of a call as one."""

    require: tuple[Requirement, ...]
    not_worse_than: tuple[str, ...]
    verify: bool
    proof: ProofKind
    allow_breaking: bool
    allow_deprecated: bool


def parse(text: str) -> Requirement:
    """Read `METRIC>=NUMBER`, with >=, >, <=, < or ==; InvalidGateError otherwise."""
    found = _REQUIREMENT.fullmatch(text)
    try:
        bound = float(found[3]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or not math.isfinite(bound):
        raise InvalidGateError(
            f"{text!r} is not a requirement: write METRIC, one of >= > <= < == and a number, for example accuracy>=0.95"
        )
    return Requirement(found[1], found[2], bound)


def check_gates(gates: Gates) -> Gates:
    """Return the gates if they are well formed; InvalidGateError or InvalidNameError otherwise."""
    joined(None, gates)
    return gates


def joined(standing: Gates | None, call: Gates) -> JointGates:
    """Join the gates of a tag's promotion rules with those of a call, which never weaken them.

    What either demands is demanded. A breaking change or a deprecated version must be allowed by both: the rules say
    whether it is possible at all, the call that it is meant. Without rules the call alone decides.
    """
    both = [call] if standing is None else [standing, call]
    baselines = (gates.not_worse_than for gates in both if gates.not_worse_than is not None)
    return JointGates(
        require=tuple(parse(text) for text in dict.fromkeys(text for gates in both for text in gates.require)),
        not_worse_than=tuple(dict.fromkeys(check_slug(tag, "tag") for tag in baselines)),
        verify=any(gates.verify for gates in both),
        proof=max((gates.proof for gates in both), key=_PROOFS.index),
        allow_breaking=all(gates.allow_breaking for gates in both),
        allow_deprecated=all(gates.allow_deprecated for gates in both),
    )


def judged(
    gates: JointGates,
    candidate: Manifest,
    *,
    target: str,
    current: Manifest | None,
    baselines: Mapping[str, Manifest | None],
    deprecated: Mark | None,
) -> tuple[Judgement, ...]:
    """What each gate says of a version, passed or not.

    `target` is the tag to be moved as NAME@TAG, `current` the version that it points at. `baselines` has a version for
    each tag of `gates.not_worse_than`, None where it points at none. What `gates.verify` demands is not done here.
    """
    return (
        *_bounds(gates, candidate),
        *_baselines(gates, candidate, target, baselines),
        *_signature(gates, candidate, current),
        *_deprecation(gates, candidate, deprecated),
        *_proof(gates, candidate),
    )


def passed(target: str, judgements: Iterable[Judgement]) -> tuple[str, ...]:
    """The checks that were passed, a sentence each; GateError with all that were not, if there are any."""
    found = tuple(judgements)
    failures = [sentence for is_passed, sentence in found if not is_passed]
    if failures:
        raise GateError(target, failures)
    return tuple(sentence for _, sentence in found)


def marked(version: str, mark: Mark) -> str:
    """What a mark says of a version: by whom it was deprecated or revoked, and why."""
    what = "was revoked" if mark.revoked else "is deprecated"
    return f"{version} {what} by {mark.by} ({mark.reason or 'no reason given'})"


def is_lower_better(metric: str) -> bool:
    """Whether a metric is an error or a loss by its name, such as test_rmse, log_loss or mean_absolute_error.

    scikit-learn's negated ones (neg_log_loss) are higher where better.
    """
    words = re.split(r"[^a-z0-9]+", metric.lower())
    return "neg" not in words and not _LOWER_IS_BETTER.isdisjoint(words)


def _bounds(gates: JointGates, candidate: Manifest) -> Iterator[Judgement]:
    for requirement in gates.require:
        name, sign, bound = requirement.metric, requirement.operator, requirement.bound
        if name not in candidate.metrics:
            yield False, f"{candidate.reference} has no metric {name!r} (it has {_names(candidate)})"
            continue
        value = candidate.metrics[name]
        told, limit = figures(value, bound)
        if requirement.is_met_by(value):
            yield True, f"{name} {told} {sign} {limit}"
        else:
            yield False, f"{name} of {candidate.reference} is {told}, {sign} {limit} is required"


def _baselines(
    gates: JointGates, candidate: Manifest, target: str, baselines: Mapping[str, Manifest | None]
) -> Iterator[Judgement]:
    for tag in gates.not_worse_than:
        baseline = baselines[tag]
        if baseline is None:
            # The first move of a tag must be possible under its own rules; another tag that is missing is a typo.
            first = f"{candidate.name}@{tag}" == target
            yield first, f"{candidate.name}@{tag} points at no version, there is nothing to compare with"
            continue
        label = f"{baseline.reference} ({tag})"
        shared = sorted(candidate.metrics.keys() & baseline.metrics.keys())
        if not shared:
            have = f"{candidate.reference} has {_names(candidate)}, {label} has {_names(baseline)}"
            yield False, f"there is no metric in common to compare: {have}"
        for name in shared:
            value, bound = candidate.metrics[name], baseline.metrics[name]
            told, least = figures(value, bound)
            if value <= bound if is_lower_better(name) else value >= bound:
                yield True, f"{name} {told} is not worse than {least} of {label}"
            else:
                yield False, f"{name} of {candidate.reference} is {told}, worse than {least} of {label}"


def _signature(gates: JointGates, candidate: Manifest, current: Manifest | None) -> Iterator[Judgement]:
    changes = breaking_changes(current.signature, candidate.signature) if current else []
    if current and changes:
        sentence = f"{candidate.reference} breaks callers of {current.reference} ({', '.join(changes)})"
        if gates.allow_breaking:
            yield True, f"{sentence}, which was allowed"
        else:
            yield (
                False,
                f"{sentence}: allow breaking changes if it is meant, also in the tag's promotion rules if it has any",
            )


def _deprecation(gates: JointGates, candidate: Manifest, deprecated: Mark | None) -> Iterator[Judgement]:
    if deprecated is not None:
        refusal = marked(candidate.reference, deprecated)
        allowed = gates.allow_deprecated and not deprecated.revoked
        yield allowed, f"{refusal}, which was allowed" if allowed else refusal


def _proof(gates: JointGates, candidate: Manifest) -> Iterator[Judgement]:
    kind = candidate.proof.kind
    if gates.proof == "none":
        return
    if _PROOFS.index(kind) >= _PROOFS.index(gates.proof):
        yield True, f"proof {kind}"
    else:
        yield False, f"{candidate.reference} was published with the proof {kind!r}, {gates.proof!r} is required"


def _names(manifest: Manifest) -> str:
    return ", ".join(sorted(manifest.metrics)) or "none"
