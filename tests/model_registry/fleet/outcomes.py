"""Try to publish and serve many fitted estimators, and say of each what came of it."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from threadpoolctl import threadpool_limits

from model_registry.publish.proof import prove_all
from model_runtime.errors import ProofError, PublishError
from model_runtime.manifest import Proof
from tests.model_registry.fleet.rows import Rows
from tests.model_registry.fleet.trial import Trial, try_publishing, wrong_answers

Result = Literal["served", "refused", "not fitted", "wrong"]
BATCH = 120
"""Versions that are proven in one process."""


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator with its rows, and what is declared when it is published."""

    estimator: Any
    rows: Rows


class NotFittedHereError(Exception):
    """The estimator itself refuses such rows."""


@dataclass(frozen=True)
class Attempt:
    """An estimator, by its name, in a form of rows; `make` fits it or raises NotFittedHereError."""

    group: str
    name: str
    form: str
    make: Callable[[], Fitted]


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: served with these outputs in this container, or what was said against it."""

    group: str
    name: str
    form: str
    result: Result
    said: str = ""
    container: str = ""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversion:
    """What came of converting a model to ONNX: how many rows were compared, or what was said against it."""

    name: str
    rows: int = 0
    said: str = ""


@dataclass(frozen=True)
class OwnAnswers:
    """Rows, and an estimator's own labels and probabilities of the class 1 for them."""

    rows: list[dict[str, Any]]
    labels: list[int]
    probabilities: list[float]


def outcomes(attempts: Iterable[Attempt]) -> list[Outcome]:
    """Fit, describe, prove and ask each, in the order of the attempts; a mistake is an outcome and does not raise."""
    with threadpool_limits(1):  # tiny tables: threads would only wait for each other
        return _outcomes(attempts)


def _outcomes(attempts: Iterable[Attempt]) -> list[Outcome]:
    found: list[Outcome] = []
    waiting: list[tuple[int, Trial]] = []
    for attempt in attempts:
        outcome, trial = _tried(attempt)
        if trial is not None:
            waiting.append((len(found), trial))
        found.append(outcome)
        if len(waiting) == BATCH:
            _prove(waiting, found)
            waiting = []
    _prove(waiting, found)
    return found


def _tried(attempt: Attempt) -> tuple[Outcome, Trial | None]:
    def outcome(result: Result, said: str = "", trial: Trial | None = None) -> tuple[Outcome, Trial | None]:
        signature = trial.described.signature if trial else None
        container = signature.container if signature else ""
        names = trial.outputs if trial else ()
        return Outcome(attempt.group, attempt.name, attempt.form, result, said, container, names), trial

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = attempt.make()
        except NotFittedHereError as error:
            return outcome("not fitted", str(error))
        try:
            trial = try_publishing(fitted.estimator, fitted.rows)
        except PublishError as error:
            return outcome("refused", str(error))
        wrong = wrong_answers(trial, fitted.rows.later)
    if wrong:
        return outcome("wrong", "; ".join(wrong))
    return outcome("served", trial=trial)


def _prove(waiting: Sequence[tuple[int, Trial]], found: list[Outcome]) -> None:
    """Prove those in one process, and put the error of each that fails into its outcome."""
    if not waiting:
        return
    proofs = prove_all([trial.case for _, trial in waiting], "process")
    for (index, _), proof in zip(waiting, proofs, strict=True):
        old = found[index]
        if isinstance(proof, ProofError):
            found[index] = Outcome(old.group, old.name, old.form, "refused", str(proof))
        elif not isinstance(proof, Proof):  # it lacks a package, in the very environment that trained it
            found[index] = Outcome(old.group, old.name, old.form, "wrong", proof.said)
