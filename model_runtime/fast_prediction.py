"""The answers of `predict` and `predict_proba`, bit for bit, without what costs only time.

Three things are left out, the first two only for classes of scikit-learn itself and never for subclasses, whose
methods may differ:

- a second pass for the labels, where scikit-learn defines `predict` as the class of the highest probability, and a
  second pass through the steps of a pipeline;
- joblib's dispatch of each tree of a forest and the tree's own checks, most of the time that one row takes: the
  trees are asked in the same order and summed in the same way;
- `n_jobs`: threads cost more than they gain for the few rows of a request.

An estimator is changed only while it answers. The first answer is also computed in the estimator's own way, and where
the two differ, as they may in a release of scikit-learn that is not known yet, only that way is taken from then on.

Light: numpy is imported by the model anyway.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

Outputs = tuple[Any, Any]
"""What `predict` returns for n rows, and what `predict_proba` does, or None where it was not asked for."""

# Their `predict` takes the class of the highest probability; scikit-learn 1.5 to 1.9. Others decide by something else
# (decision_function, votes, logarithms), which rounds otherwise and breaks ties otherwise.
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
_FORESTS = {
    "ExtraTreesClassifier": "predict_proba",
    "RandomForestClassifier": "predict_proba",
    "ExtraTreesRegressor": "predict",
    "RandomForestRegressor": "predict",
}
"""Forests, with the method that asks every tree."""
_TREES = {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
_PLAIN_VALUES = (bool, int, float, str, bytes, type(None), type, FunctionType, ModuleType)

_Changes = list[tuple[dict[str, Any], str, Any, Any]]
"""Attributes of objects: the object's `__dict__`, the name, the value while it answers, and its own value."""
_ABSENT = object()


class FastEstimator:
    """Answers as a fitted estimator does, sooner."""

    def __init__(self, estimator: Any, *, probabilities: bool) -> None:
        self._estimator = estimator
        self._probabilities = probabilities
        self._serial: _Changes = []
        self._direct: _Changes = []
        for found in _objects_in(estimator):
            attributes = vars(found)
            if hasattr(found, "get_params") and attributes.get("n_jobs") not in {None, 1}:
                self._serial.append((attributes, "n_jobs", 1, attributes["n_jobs"]))
            method = _FORESTS.get(_name(found), "")
            trees = attributes.get("estimators_")  # absent in the unfitted ones that estimators keep as parameters
            if method and trees and all(_name(tree) in _TREES for tree in trees):
                self._direct.append((attributes, method, _DirectForest(found, method), attributes.get(method, _ABSENT)))
        self._is_proven = False
        self._is_refuted = False

    def __call__(self, inputs: Any) -> Outputs:
        """What `predict` and `predict_proba` return for `inputs`; raises what the estimator itself raises."""
        if self._is_refuted:
            return self._own_way(inputs)
        try:
            with _changed(self._serial), _changed(self._direct):
                outputs = _outputs(self._estimator, inputs, probabilities=self._probabilities)
        except Exception:  # noqa: BLE001  # the estimator's own way answers, or raises what it always has
            return self._own_way(inputs)
        return outputs if self._is_proven else self._compared(outputs, inputs)

    def _own_way(self, inputs: Any) -> Outputs:
        with _changed(self._serial):
            labels = self._estimator.predict(inputs)
            return labels, self._estimator.predict_proba(inputs) if self._probabilities else None

    def _compared(self, outputs: Outputs, inputs: Any) -> Outputs:
        own = self._own_way(inputs)
        self._is_proven = _same(outputs, own)
        self._is_refuted = not self._is_proven
        return own


class _DirectForest:
    """A forest's `predict_proba` (of a classifier) or `predict` (of a regressor), which asks its trees directly."""

    def __init__(self, forest: Any, method: str) -> None:
        self.__name__ = method  # by which scikit-learn tells what it was given
        self._forest = forest
        self._trees = [tree.tree_ for tree in forest.estimators_]

    def __call__(self, X: Any) -> Any:
        forest = self._forest
        X = forest._validate_X_predict(X)  # noqa: SLF001  # scikit-learn's own check, with its own errors
        first, *others = self._trees
        # (n, classes) with one output, (n, outputs, classes) with several; a regressor has one class.
        total = 0.0 + first.predict(X)  # scikit-learn begins with zeros, and 0.0 + -0.0 is 0.0
        for tree in others:
            total += tree.predict(X)
        total /= len(self._trees)
        if hasattr(forest, "n_classes_"):
            several = forest.n_outputs_ > 1
            return [total[:, k, :count] for k, count in enumerate(forest.n_classes_)] if several else total
        return total[..., 0]


def _outputs(estimator: Any, inputs: Any, *, probabilities: bool) -> Outputs:
    kind = _name(estimator)
    if kind == "Pipeline":
        for _, step in estimator.steps[:-1]:
            if not (step is None or isinstance(step, str)):  # "passthrough"
                inputs = step.transform(inputs)
        return _outputs(estimator.steps[-1][1], inputs, probabilities=probabilities)
    if kind in _SEARCHES:
        return _outputs(estimator.best_estimator_, inputs, probabilities=probabilities)
    if not probabilities:
        return estimator.predict(inputs), None
    if kind in _LABEL_IS_LIKELIEST:
        table = estimator.predict_proba(inputs)
        if not isinstance(table, list):  # which it is with several outputs
            return estimator.classes_.take(table.argmax(axis=1)), table
        return estimator.predict(inputs), table
    return estimator.predict(inputs), estimator.predict_proba(inputs)


def _name(item: Any) -> str:
    """The name of a class of scikit-learn; "" for any other class."""
    kind = type(item)
    return kind.__qualname__ if kind.__module__.startswith("sklearn.") else ""


def _objects_in(root: Any) -> Iterator[Any]:
    """The estimator and every object inside it that has attributes; trees of ensembles are not looked into."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        inside: Iterable[Any] = ()
        if isinstance(item, dict):
            inside = item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            inside = item
        elif getattr(getattr(item, "dtype", None), "kind", "") == "O":  # an array of estimators
            inside = item.ravel().tolist()
        elif hasattr(item, "__dict__"):
            yield item
            inside = () if _name(item) in _TREES else vars(item).values()
        todo += [each for each in inside if not isinstance(each, _PLAIN_VALUES)]


@contextmanager
def _changed(changes: _Changes) -> Iterator[None]:
    for attributes, name, value, _ in changes:
        attributes[name] = value
    try:
        yield
    finally:
        for attributes, name, _, own in changes:
            if own is _ABSENT:
                attributes.pop(name, None)
            else:
                attributes[name] = own


def _same(one: Any, other: Any) -> bool:
    """Whether arrays, or lists of arrays, are of one type and equal in each bit but for the names of NaN."""
    import numpy as np

    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind in "fc":
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(one.tolist() == other.tolist())
