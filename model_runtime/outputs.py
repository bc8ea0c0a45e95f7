"""The outputs of `predict` and `predict_proba`, bit for bit, without what costs only time.

The short way passes once through a pipeline, takes the labels from the probabilities where scikit-learn defines them
so, and changes what `model_runtime.forests` names, for as long as the estimator answers. It is not trusted: the first
answer is also computed in the estimator's own way. Where the two differ, as they may in an unknown release of
scikit-learn, only the own way is taken from then on.

Light: numpy is imported by the model anyway.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from model_runtime.forests import Change, direct_forests, one_thread, sklearn_name

Outputs = tuple[Any, Any]
"""What `predict` returns for n rows, and what `predict_proba` does, or None where it was not asked for."""

# Their `predict` takes the class of the highest probability; scikit-learn 1.5 to 1.9. Others decide by something else
# (decision_function, votes, logarithms), which rounds and breaks ties differently.
_LABEL_IS_LIKELIEST = {
    "BaggingClassifier",
    "CalibratedClassifierCV",
    "DecisionTreeClassifier",
    "ExtraTreeClassifier",
    "ExtraTreesClassifier",
    "LabelPropagation",
    "LabelSpreading",
    "RandomForestClassifier",
    "VotingClassifier",  # which has probabilities only with voting="soft"
}
_SEARCHES = {"GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV"}


class ProvenOutputs:
    """Answers as a fitted estimator does, sooner."""

    def __init__(self, estimator: Any, *, probabilities: bool) -> None:
        self._estimator = estimator
        self._probabilities = probabilities
        self._one_thread = one_thread(estimator)
        self._short_way = [*self._one_thread, *direct_forests(estimator)]
        self._is_proven: bool | None = None
        """Whether the short way answers as the own way; None before the first answer."""

    def __call__(self, inputs: Any) -> Outputs:
        """What `predict` and `predict_proba` return for `inputs`; raises what the estimator itself raises."""
        if self._is_proven is False:
            return self._own_outputs(inputs)
        try:
            with _applied(self._short_way):
                outputs = _in_one_pass(self._estimator, inputs, probabilities=self._probabilities)
        except Exception:  # noqa: BLE001  # the estimator's own way answers, or raises what it always has
            return self._own_outputs(inputs)
        if self._is_proven:
            return outputs
        own = self._own_outputs(inputs)
        self._is_proven = _is_same(outputs, own)
        return own

    def _own_outputs(self, inputs: Any) -> Outputs:
        with _applied(self._one_thread):
            labels = self._estimator.predict(inputs)
            return labels, self._estimator.predict_proba(inputs) if self._probabilities else None


@contextmanager
def _applied(changes: Sequence[Change]) -> Iterator[None]:
    try:
        for change in changes:
            change.apply()
        yield
    finally:
        for change in reversed(changes):
            change.undo()


def _in_one_pass(estimator: Any, inputs: Any, *, probabilities: bool) -> Outputs:
    kind = sklearn_name(estimator)
    if kind == "Pipeline":
        for _, step in estimator.steps[:-1]:
            if not (step is None or isinstance(step, str)):  # "passthrough"
                inputs = step.transform(inputs)
        return _in_one_pass(estimator.steps[-1][1], inputs, probabilities=probabilities)
    if kind in _SEARCHES:
        return _in_one_pass(estimator.best_estimator_, inputs, probabilities=probabilities)
    if not probabilities:
        return estimator.predict(inputs), None
    if kind in _LABEL_IS_LIKELIEST:
        table = estimator.predict_proba(inputs)
        if not isinstance(table, list):  # which it is with several outputs
            return estimator.classes_.take(table.argmax(axis=1)), table
        return estimator.predict(inputs), table
    return estimator.predict(inputs), estimator.predict_proba(inputs)


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
