"""Forests that ask their trees themselves.

joblib's dispatch of each tree, and the tree's own checks, are most of the time that one row takes. The trees are asked
in the same order, and summed in the same way, as scikit-learn does; only for its own classes, never for subclasses,
whose methods may differ. Whether the answers are the same is proven by `model_runtime.outputs`.

Light: imports nothing of scikit-learn.
"""

from typing import Any

from model_runtime.changes import TREES, Change, objects_in, sklearn_name

_FORESTS = {
    "ExtraTreesClassifier": "predict_proba",
    "RandomForestClassifier": "predict_proba",
    "ExtraTreesRegressor": "predict",
    "RandomForestRegressor": "predict",
}
"""Forests, with the method that asks every tree."""


class DirectForest:
    """A forest's `predict_proba` (of a classifier) or `predict` (of a regressor), which asks its trees directly."""

    def __init__(self, forest: Any, method: str) -> None:
        self.__name__ = method  # by which scikit-learn tells what it was given
        self._forest = forest
        self._leaves = [(tree.tree_.apply, _values(tree.tree_).take) for tree in forest.estimators_]

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
        if hasattr(forest, "n_classes_"):
            several = forest.n_outputs_ > 1
            return [total[:, k, :count] for k, count in enumerate(forest.n_classes_)] if several else total
        return total[..., 0]


def _values(tree: Any) -> Any:
    """What each leaf of a tree answers: a view of (nodes, classes), or of (nodes, outputs, classes) with several."""
    return tree.value[:, 0, :] if tree.n_outputs == 1 else tree.value


def direct_forests(estimator: Any) -> list[Change]:
    """Let each forest in a fitted estimator ask its trees itself."""
    changes = []
    for found in objects_in(estimator):
        method = _FORESTS.get(sklearn_name(found))
        trees = vars(found).get("estimators_")  # absent in the unfitted ones that estimators keep as parameters
        if method and trees and all(sklearn_name(tree) in TREES for tree in trees):
            changes.append((vars(found), method, DirectForest(found, method)))
    return changes
