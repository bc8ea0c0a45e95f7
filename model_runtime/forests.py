"""Forests, and boosted trees, that ask their trees themselves.

joblib's dispatch of each tree, and what is prepared for each, are most of the time that one row takes. The trees are
asked in the same order, and summed in the same way, as scikit-learn does; only for its own classes, never for
subclasses, whose methods may differ. Whether the answers are the same is proven by `model_runtime.outputs`.

Light: imports nothing of scikit-learn.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from model_runtime.changes import TREES, Change, objects_in, sklearn_name

_FORESTS = {
    "ExtraTreesClassifier": "predict_proba",
    "RandomForestClassifier": "predict_proba",
    "ExtraTreesRegressor": "predict",
    "RandomForestRegressor": "predict",
}
"""Forests, with the method that asks every tree."""

_COPIED_SLOWLY = 3
_MOST_WIDENED = 250_000
"""Nodes of a forest whose answers may be in memory twice: 8 MB."""

_BOOSTINGS = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
_ITERATIONS = "_predict_iterations"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor"


class DirectForest:
    """A forest's `predict_proba` (of a classifier) or `predict` (of a regressor), which asks its trees directly."""

    def __init__(self, forest: Any, method: str) -> None:
        self.__name__ = method  # by which scikit-learn tells what it was given
        self._forest = forest
        trees = [tree.tree_ for tree in forest.estimators_]
        of_tree = _widened if _is_widened(trees) else _values
        self._leaves = [(tree.apply, of_tree(tree).take) for tree in trees]
        self._is_widened = of_tree is _widened

    def __call__(self, X: Any) -> Any:
        """What the method returns for inputs (n, features)."""
        forest = self._forest
        X = forest._validate_X_predict(X)  # noqa: SLF001  # scikit-learn's own check, with its own errors
        total: Any = None
        # (n, classes) with one output, (n, outputs, classes) with several; a regressor has one class.
        for leaf_of, values_at in self._leaves:
            found = values_at(leaf_of(X), 0)
            if total is None:
                total = 0.0 + found  # scikit-learn begins with zeros, and 0.0 + -0.0 is 0.0
            else:
                total += found
        total /= len(self._leaves)
        if self._is_widened:
            total = total[:, :-1].copy()
        if hasattr(forest, "n_classes_"):
            several = forest.n_outputs_ > 1
            return [total[:, k, :count] for k, count in enumerate(forest.n_classes_)] if several else total
        return total[..., 0]


class DirectBoosting:
    """Histogram boosting's `_predict_iterations`, which asks its trees directly.

    Most of what one costs is that numpy describes the tree's array of nodes, again at each call: a `memoryview` has
    been described.
    """

    def __init__(self, boosting: Any, leaf_values: Callable[..., None]) -> None:
        self._leaf_values = leaf_values
        categories = boosting._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001  # what each call makes
        self._categories = [memoryview(each) for each in categories]
        self._iterations = [
            [(memoryview(tree.nodes), memoryview(tree.raw_left_cat_bitsets)) for tree in trees]
            for trees in boosting._predictors  # noqa: SLF001  # its trees
        ]

    def __call__(self, X: Any, _trees: Any, raw_predictions: Any, _is_binned: bool, threads: int) -> None:  # noqa: FBT001  # as it is called
        """Add to (n, classes) what the trees answer to inputs (n, features)."""
        total = raw_predictions.T
        found = total.copy()
        places = [memoryview(each) for each in found]
        inputs = memoryview(X)
        for trees in self._iterations:
            for (nodes, bitsets), place in zip(trees, places, strict=True):
                self._leaf_values(nodes, inputs, bitsets, *self._categories, threads, place)
            total += found


def _values(tree: Any) -> Any:
    """What each leaf of a tree answers: a view of (nodes, classes), or of (nodes, outputs, classes) with several."""
    return tree.value[:, 0, :] if tree.n_outputs == 1 else tree.value


def _is_widened(trees: Sequence[Any]) -> bool:
    """Whether each leaf gets a fourth number, of no meaning: numpy copies four at once, and three one by one."""
    one, nodes = trees[0], sum(tree.node_count for tree in trees)
    return bool(one.n_outputs == 1 and one.value.shape[2] == _COPIED_SLOWLY and nodes <= _MOST_WIDENED)


def _widened(tree: Any) -> Any:
    import numpy as np  # as the model has it

    values = np.zeros((tree.node_count, _COPIED_SLOWLY + 1))
    values[:, :-1] = _values(tree)
    return values


def direct_forests(estimator: Any) -> list[Change]:
    """Let each forest, and each histogram boosting, in a fitted estimator ask its trees itself."""
    changes: list[Change] = []
    leaf_values = getattr(sys.modules.get(_PREDICTOR), "_predict_from_raw_data", None)
    for found in objects_in(estimator):
        if sklearn_name(found) in _BOOSTINGS and "_predictors" in vars(found) and leaf_values is not None:
            changes.append((vars(found), _ITERATIONS, DirectBoosting(found, leaf_values)))
        method = _FORESTS.get(sklearn_name(found))
        trees = vars(found).get("estimators_")  # absent in the unfitted ones that estimators keep as parameters
        if method and trees and all(sklearn_name(tree) in TREES for tree in trees):
            changes.append((vars(found), method, DirectForest(found, method)))
    return changes
