"""The outputs of `predict` and `predict_proba`, bit for bit, without what costs only time.

The short way passes once through a pipeline, computes once what both methods begin with, and changes what
`model_runtime.forests` and `model_runtime.checks` name, for as long as the estimator answers. It is not trusted: the
first answer is also computed in the estimator's own way. Where the two differ, as they may in an unknown release of
scikit-learn, only the own way is taken from then on.

Light: numpy is imported by the model anyway.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from model_runtime.changes import Change, Changes, one_thread, sklearn_name
from model_runtime.checks import quick_checks
from model_runtime.containers import Table
from model_runtime.forests import direct_forests

Outputs = tuple[Any, Any]
"""What `predict` returns for n rows, and what `predict_proba` does, or None where it was not asked for."""

Memory = dict[str, tuple[dict[str, Any], Any]]
"""By the name of a method what it was given and what it answered."""

_SEARCHES = {"GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV"}
_SHARED = (
    "_forward_pass_fast",
    "_joint_log_likelihood",
    "_raw_predict",
    "decision_function",
    "kneighbors",
    "predict_proba",
)
"""Methods of classifiers by which both labels and probabilities are computed."""

_SHARED_BY_BOOSTER = "inplace_predict"
"""The same of xgboost, where both are made by the attribute `_Booster`."""


class ProvenOutputs:
    """Answers as a fitted estimator does, sooner."""

    def __init__(self, estimator: Any, *, probabilities: bool, columns: Sequence[Change] = ()) -> None:
        """Prepare the short way; with `columns`, of `direct_columns`, it is asked with a Table and no frame."""
        self._estimator = estimator
        self._probabilities = probabilities
        threads = one_thread(estimator)
        self._own_way = Changes(threads)
        changes = [*threads, *quick_checks(estimator), *direct_forests(estimator), *columns]
        self._memory: Memory = {}
        if probabilities:
            changes += _remembering(_last_step(estimator), changes, self._memory)
        self._changes = changes
        self._short_way = Changes(changes)
        self._is_proven: bool | None = None
        """Whether the short way answers as the own way; None before the first answer."""

    def __call__(self, inputs: Any) -> Outputs:
        """What `predict` and `predict_proba` return for `inputs`; raises what the estimator itself raises."""
        if self._is_proven is False:
            return self._own_outputs(inputs)
        try:
            with self._short_way:
                outputs = _in_one_pass(self._estimator, inputs, probabilities=self._probabilities)
        except Exception:  # noqa: BLE001  # the estimator's own way answers, or raises what it always has
            return self._own_outputs(inputs)
        finally:
            self._memory.clear()
        if self._is_proven:
            return outputs
        own = self._own_outputs(inputs)
        self._is_proven = _is_same(outputs, own)
        useful = [
            each for each in self._changes if not (isinstance(each[2], Remembered) and not each[2].was_asked_twice)
        ]
        self._short_way = Changes(useful)
        return own

    def _own_outputs(self, inputs: Any) -> Outputs:
        if isinstance(inputs, Table):
            inputs = inputs.frame()
        with self._own_way:
            labels = self._estimator.predict(inputs)
            return labels, self._estimator.predict_proba(inputs) if self._probabilities else None


class Remembered:
    """A method that computes once what one request asks twice, about the very same objects."""

    def __init__(self, method: Callable[..., Any], memory: Memory) -> None:
        self.__name__ = method.__name__
        self._method = method
        self._memory = memory
        self.was_asked_twice = False
        parameters = inspect.signature(method).parameters.values()
        self._names = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        self._defaults = {each.name: each.default for each in parameters if each.default is not each.empty}

    def __call__(self, *given: Any, **named: Any) -> Any:
        """What the method returns; the callers may change it, so it is not the same object twice."""
        asked = {**self._defaults, **dict(zip(self._names, given, strict=False)), **named}
        last = self._memory.pop(self.__name__, None)
        if len(given) > len(self._names):
            return self._method(*given, **named)
        if last is not None and asked.keys() == last[0].keys() and all(asked[name] is last[0][name] for name in asked):
            self.was_asked_twice = True
            return last[1]
        answer = self._method(*given, **named)
        self._memory[self.__name__] = asked, answer
        return _copied(answer)


def _copied(answer: Any) -> Any:
    if isinstance(answer, list | tuple):
        return type(answer)(map(_copied, answer))
    return answer.copy("K")  # in its own order, by which sums are made


def _remembering(step: Any, changes: list[Change], memory: Memory) -> list[Change]:
    """Let a classifier compute once what its labels and its probabilities are both made of."""
    if type(step).__module__ == "xgboost.sklearn":
        step, shared = step.get_booster(), [_SHARED_BY_BOOSTER]
    elif sklearn_name(step) or type(step).__module__ == "lightgbm.sklearn":
        shared = [name for name in _SHARED if hasattr(step, name)]
    else:
        return []
    changed = {name: value for attributes, name, value in changes if attributes is vars(step)}
    return [(vars(step), name, Remembered(changed.get(name) or getattr(step, name), memory)) for name in shared]


def _last_step(estimator: Any) -> Any:
    kind = sklearn_name(estimator)
    if kind == "Pipeline":
        return _last_step(estimator.steps[-1][1])
    return _last_step(estimator.best_estimator_) if kind in _SEARCHES else estimator


def _in_one_pass(estimator: Any, inputs: Any, *, probabilities: bool) -> Outputs:
    kind = sklearn_name(estimator)
    if kind == "Pipeline":
        for _, step in estimator.steps[:-1]:
            if not (step is None or isinstance(step, str)):  # "passthrough"
                inputs = step.transform(inputs)
        return _in_one_pass(estimator.steps[-1][1], inputs, probabilities=probabilities)
    if kind in _SEARCHES:
        return _in_one_pass(estimator.best_estimator_, inputs, probabilities=probabilities)
    return estimator.predict(inputs), estimator.predict_proba(inputs) if probabilities else None


def _is_same(one: Any, other: Any) -> bool:
    """Whether arrays, or lists of arrays, are of one type and equal in each bit but for the payload of NaN."""
    import numpy as np

    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind in "fc":
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(one.tolist() == other.tolist())
