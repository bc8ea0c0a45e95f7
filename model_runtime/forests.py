"""What is changed in an estimator while it answers: forests ask their trees themselves, and nothing starts threads.

joblib's dispatch of each tree, and the tree's own checks, are most of the time that one row takes. The trees are asked
in the same order, and summed in the same way, as scikit-learn does; only for its own classes, never for subclasses,
whose methods may differ. Whether the answers are the same is proven by `model_runtime.outputs`.

Light: imports nothing of scikit-learn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

_FORESTS = {
    "ExtraTreesClassifier": "predict_proba",
    "RandomForestClassifier": "predict_proba",
    "ExtraTreesRegressor": "predict",
    "RandomForestRegressor": "predict",
}
"""Forests, with the method that asks every tree."""
_TREES = {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
_PLAIN_VALUES = (bool, int, float, str, bytes, type(None), type, FunctionType, ModuleType)
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """An attribute of an object inside an estimator, and the value that it has while the estimator answers."""

    attributes: dict[str, Any]
    """The object's `__dict__`."""
    name: str
    value: Any
    own: Any
    """The value at other times, kept from the start: what two threads change at once comes back all the same."""

    @classmethod
    def of(cls, found: Any, name: str, value: Any) -> "Change":
        """Prepare a change of an object's attribute."""
        return cls(vars(found), name, value, vars(found).get(name, _ABSENT))

    def apply(self) -> None:
        """Set the attribute; `undo` puts back what it was."""
        self.attributes[self.name] = self.value

    def undo(self) -> None:
        """Put back what the attribute was."""
        if self.own is _ABSENT:
            self.attributes.pop(self.name, None)
        else:
            self.attributes[self.name] = self.own


class DirectForest:
    """A forest's `predict_proba` (of a classifier) or `predict` (of a regressor), which asks its trees directly."""

    def __init__(self, forest: Any, method: str) -> None:
        self.__name__ = method  # by which scikit-learn tells what it was given
        self._forest = forest
        self._trees = [tree.tree_ for tree in forest.estimators_]

    def __call__(self, X: Any) -> Any:
        """What the method returns for inputs (n, features)."""
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


def one_thread(estimator: Any) -> list[Change]:
    """Let nothing in an estimator use several threads: they cost more than they gain for the few rows of a request."""
    return [
        Change.of(found, "n_jobs", 1)
        for found in _objects_in(estimator)
        if hasattr(found, "get_params") and vars(found).get("n_jobs") not in {None, 1}
    ]


def direct_forests(estimator: Any) -> list[Change]:
    """Let each forest in a fitted estimator ask its trees itself."""
    changes = []
    for found in _objects_in(estimator):
        method = _FORESTS.get(sklearn_name(found))
        trees = vars(found).get("estimators_")  # absent in the unfitted ones that estimators keep as parameters
        if method and trees and all(sklearn_name(tree) in _TREES for tree in trees):
            changes.append(Change.of(found, method, DirectForest(found, method)))
    return changes


def sklearn_name(item: Any) -> str:
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
            inside = () if sklearn_name(item) in _TREES else vars(item).values()
        todo += [each for each in inside if not isinstance(each, _PLAIN_VALUES)]
