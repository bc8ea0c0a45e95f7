"""What is changed inside an estimator, and in the modules of its classes, for as long as it answers.

Light: imports nothing of scikit-learn.
"""

from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

Change = tuple[dict[str, Any], str, Any]
"""The `__dict__` of an object or module, the name of an attribute, and the value that it has for a while."""

TREES = {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
_PLAIN_VALUES = (bool, int, float, str, bytes, type(None), type, FunctionType, ModuleType)


class Changes:
    """Attributes that have other values within a `with` block.

    What they are at other times is kept from the start: what two threads change at once comes back all the same.
    """

    def __init__(self, changes: Iterable[Change]) -> None:
        by_object: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        for attributes, name, value in changes:
            by_object.setdefault(id(attributes), (attributes, {}))[1][name] = value
        self._new = list(by_object.values())
        self._own = [(own, {name: own[name] for name in new if name in own}) for own, new in self._new]
        self._absent = [(own, name) for own, new in self._new for name in new if name not in own]

    def __enter__(self) -> None:
        for attributes, values in self._new:
            attributes.update(values)

    def __exit__(self, *_: object) -> None:
        for attributes, values in self._own:
            attributes.update(values)
        for attributes, name in self._absent:
            attributes.pop(name, None)


def one_thread(estimator: Any) -> list[Change]:
    """Let nothing in an estimator use several threads: they cost more than they gain for the few rows of a request."""
    return [
        (vars(found), "n_jobs", 1)
        for found in objects_in(estimator)
        if hasattr(found, "get_params") and vars(found).get("n_jobs", 1) not in _means_one_thread(found)
    ]


def _means_one_thread(estimator: Any) -> set[int | None]:
    """The values of `n_jobs` that do; LightGBM takes all processors where others take one for None."""
    return {1} if type(estimator).__module__.startswith("lightgbm.") else {None, 1}


def sklearn_name(item: Any) -> str:
    """The name of a class of scikit-learn; "" for any other class."""
    kind = type(item)
    return kind.__qualname__ if kind.__module__.startswith("sklearn.") else ""


def objects_in(root: Any) -> Iterator[Any]:
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
            inside = () if sklearn_name(item) in TREES else vars(item).values()
        todo += [each for each in inside if not isinstance(each, _PLAIN_VALUES)]
