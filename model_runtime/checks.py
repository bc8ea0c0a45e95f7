"""What scikit-learn checks at every call, and need not for what a request is made into.

The functions here do what scikit-learn's own do. For an array of finite floats that an estimator was fitted for they
know the outcome at once; everything else is left to the function that they stand for. They take its place, while an
estimator answers, in the modules of that estimator's classes.

Light: what is changed is found in modules that the estimator has imported.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

from model_runtime.changes import Change, objects_in, sklearn_name

_PARAMETERS = {
    "accept_sparse",
    "copy",
    "dtype",
    "ensure_all_finite",
    "ensure_min_samples",
    "force_writeable",
    "order",
    "reset",
}
"""Parameters of `validate_data` of which `_known` knows what they ask of an array."""

_NAMESPACE = "get_namespace_and_device"
_PARAMETERS_OF_LIGHTGBM = "_process_params"

_GRADIENT_BOOSTING = {"GradientBoostingClassifier", "GradientBoostingRegressor"}
_BEGINNING = "_raw_predict_init"
_STEADY = {"constant", "mean", "median", "most_frequent", "prior", "quantile"}
"""Strategies of scikit-learn's Dummy estimators that are not random."""


def quick_checks(estimator: Any) -> list[Change]:
    """Let the checks in the modules of every class in an estimator know what they need not look at."""
    found = list(objects_in(estimator))
    modules = [sys.modules[name] for name in _modules_of(found) if name in sys.modules]
    validation, sparse = sys.modules.get("sklearn.utils.validation"), sys.modules.get("scipy.sparse")
    array_api = sys.modules.get("sklearn.utils._array_api")
    pairs = [
        (own, make(own, found))
        for module, name, make in (
            (validation, "validate_data", _validate_data),
            (validation, "check_is_fitted", _check_is_fitted),
            (sparse, "issparse", _issparse),
            (array_api, _NAMESPACE, _namespace_of_arrays),
            (array_api, "move_to", _move_to),
        )
        if (own := getattr(module, name, None)) is not None
    ]
    changes: list[Change] = [
        (vars(module), name, quick)
        for module in modules
        for name, value in vars(module).items()
        for own, quick in pairs
        if value is own
    ]
    for each in found:
        if type(each).__module__ == "lightgbm.sklearn" and hasattr(each, _PARAMETERS_OF_LIGHTGBM):
            own = getattr(each, _PARAMETERS_OF_LIGHTGBM)
            changes.append((vars(each), _PARAMETERS_OF_LIGHTGBM, _asked_once(own)))
        if sklearn_name(each) in _GRADIENT_BOOSTING and _begins_steadily(each):
            changes.append((vars(each), _BEGINNING, _begun_once(getattr(each, _BEGINNING))))
    return changes


def _modules_of(found: list[Any]) -> set[str]:
    """The modules that have the methods of these objects; a tree's are in an extension module too."""
    modules = {kind.__module__ for each in found for kind in type(each).__mro__}
    return modules - {"builtins", "sklearn.base"} | {"sklearn.tree._tree"}


def _issparse(own: Callable[[Any], bool], _: list[Any]) -> Callable[[Any], bool]:
    ndarray = sys.modules["numpy"].ndarray

    def issparse(x: Any) -> bool:
        return False if type(x) is ndarray else own(x)

    return issparse


def _namespace_of_arrays(own: Callable[..., Any], _: list[Any]) -> Callable[..., Any]:
    """Ask once for arrays of numpy: while scikit-learn's dispatch is off, all have one namespace and no device."""
    ndarray, config = sys.modules["numpy"].ndarray, sys.modules["sklearn"].get_config
    found: list[Any] = []

    def get_namespace_and_device(*arrays: Any, **more: Any) -> Any:
        if more or len(arrays) != 1 or type(arrays[0]) is not ndarray or config()["array_api_dispatch"]:
            return own(*arrays, **more)
        if not found:
            found.append(own(arrays[0]))
        return found[0]

    return get_namespace_and_device


def _move_to(own: Callable[..., Any], found: list[Any]) -> Callable[..., Any]:
    ndarray = sys.modules["numpy"].ndarray
    place_of = _namespace_of_arrays(getattr(sys.modules["sklearn.utils._array_api"], _NAMESPACE), found)

    def move_to(*arrays: Any, xp: Any, device: Any) -> Any:
        if len(arrays) == 1 and type(arrays[0]) is ndarray and place_of(arrays[0]) == (xp, False, device):
            return arrays[0]  # it is there already
        return own(*arrays, xp=xp, device=device)

    return move_to


def _check_is_fitted(own: Callable[..., None], found: list[Any]) -> Callable[..., None]:
    """Ask once for each object and its attributes: what is fitted stays so."""
    known = {id(each) for each in found}  # which live as long as the estimator does
    fitted: set[tuple[int, str | None]] = set()

    def check_is_fitted(estimator: Any, attributes: Any = None, **more: Any) -> None:
        if not more and (attributes is None or isinstance(attributes, str)):
            asked = id(estimator), attributes
            if asked in fitted:
                return
            own(estimator, attributes)
            if asked[0] in known:
                fitted.add(asked)
        else:
            own(estimator, attributes, **more)

    return check_is_fitted


def _begins_steadily(boosting: Any) -> bool:
    init = vars(boosting).get("init_")
    return sklearn_name(init).startswith("Dummy") and init.strategy in _STEADY and hasattr(boosting, _BEGINNING)


def _begun_once(own: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Gradient boosting computes, for each row, what it begins with: the same for every row."""
    found: list[Any] = []

    def raw_predict_init(X: Any) -> Any:
        if len(X) != 1:
            return own(X)
        if not found:
            found.append(own(X))
        return found[0].copy("K")  # the caller adds to it

    return raw_predict_init


def _asked_once(own: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """LightGBM collects an estimator's parameters at every call, and then changes what it has collected."""
    found: dict[str, dict[str, Any]] = {}

    def process_params(stage: str) -> dict[str, Any]:
        if stage not in found:
            found[stage] = own(stage)
        return dict(found[stage])

    return process_params


def _validate_data(own: Callable[..., Any], _: list[Any]) -> Callable[..., Any]:
    ndarray = sys.modules["numpy"].ndarray

    def validate_data(estimator: Any, /, X: Any = "no_validation", *rest: Any, **more: Any) -> Any:
        if type(X) is ndarray and not rest and more.keys() <= _PARAMETERS:
            found = _known(estimator, X, **more)
            if found is not None:
                return found
        return own(estimator, X, *rest, **more)

    return validate_data


def _known(
    estimator: Any,
    X: Any,
    *,
    reset: bool = True,
    dtype: Any = "numeric",
    copy: bool = False,
    ensure_all_finite: Any = True,
    ensure_min_samples: int = 1,
    order: str | None = None,
    **_: Any,
) -> Any:
    """The array as `validate_data` returns it; None for one that it has to look at."""
    if reset or X.ndim != 2 or X.shape[1] != getattr(estimator, "n_features_in_", None):  # noqa: PLR2004  # rows and columns
        return None
    if len(X) < max(1, ensure_min_samples) or order not in {None, "C"}:
        return None
    if X.dtype.char not in "df" or not X.flags.writeable:
        return None
    if not (X.flags.c_contiguous if order == "C" else X.flags.forc):
        return None
    wanted = dtype if isinstance(dtype, list | tuple) else (dtype,)
    if not (dtype is None or dtype == "numeric" or X.dtype in wanted):
        X = X.astype(wanted[0])
    elif copy:
        X = X.copy("K")
    # The sum is finite if all are; for anything else, also where only the sum is not, the own check is asked.
    return X if ensure_all_finite is False or math.isfinite(X.sum()) else None
