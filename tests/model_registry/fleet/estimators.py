"""Every estimator of scikit-learn, fitted: on arrays and frames, with gaps where it takes them, behind a pipeline."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators, get_tags

from tests.model_registry.fleet.outcomes import Attempt, Fitted, NotFittedHereError
from tests.model_registry.fleet.rows import FORMS, Form, Rows, kernel, objects, one_column, rows_of, texts

# What is needed, or keeps a fit short.
_SETTINGS: dict[str, Any] = {
    "random_state": 0,
    "n_estimators": 3,
    "n_components": 2,
    "cv": 2,
    "max_subpopulation": 50,
    "n_nonzero_coefs": 2,
}
_OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "DummyClassifier": {"strategy": "prior"},
    "FeatureHasher": {"n_features": 8},
    "GaussianMixture": {"n_components": 2},
    "HDBSCAN": {"copy": True},
    "HashingVectorizer": {"n_features": 16},
    "HistGradientBoostingClassifier": {"max_iter": 3, "min_samples_leaf": 5},
    "HistGradientBoostingRegressor": {"max_iter": 3, "min_samples_leaf": 5},
    "KBinsDiscretizer": {"n_bins": 3, "quantile_method": "averaged_inverted_cdf"},
    "LocalOutlierFactor": {"novelty": True, "n_neighbors": 5},
    "MLPClassifier": {"max_iter": 10, "hidden_layer_sizes": (4,)},
    "MLPRegressor": {"max_iter": 10, "hidden_layer_sizes": (4,)},
    "PLSCanonical": {"n_components": 1},
    "PLSRegression": {"n_components": 1},
    "PLSSVD": {"n_components": 1},
    "CCA": {"n_components": 1},
    "QuantileTransformer": {"n_quantiles": 10},
    "RANSACRegressor": {"min_samples": 20},
    "RadiusNeighborsClassifier": {"radius": 50.0},
    "RadiusNeighborsRegressor": {"radius": 50.0},
    "SelectKBest": {"k": 2},
    "SpectralBiclustering": {"n_components": 3},
    "SequentialFeatureSelector": {"n_features_to_select": 2},
    "TSNE": {"perplexity": 5.0},
}
_NEED_ESTIMATOR = {"ClassifierChain", "RegressorChain", "SelfTrainingClassifier"}
OF_TARGETS = ("LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer")
"""They take what is to be predicted, no rows of features."""
_ROWS: dict[str, Callable[[], Rows]] = {
    "CountVectorizer": texts,
    "TfidfVectorizer": texts,
    "HashingVectorizer": texts,
    "DictVectorizer": objects,
    "FeatureHasher": objects,
    "KernelCenterer": kernel,
}
_ONE_COLUMN = {"IsotonicRegression"}
_SEVERAL_OUTPUTS = {
    "CCA", "ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "MultiTaskElasticNet",
    "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "PLSCanonical", "PLSSVD", "RegressorChain",
}  # fmt: skip
_MADE: dict[str, Callable[[], Any]] = {
    "ColumnTransformer": lambda: ColumnTransformer([("n", MinMaxScaler(), [0, 1])], remainder="passthrough"),
    "FeatureUnion": lambda: FeatureUnion([("n", MinMaxScaler()), ("p", PCA(2))]),
    "Pipeline": lambda: make_pipeline(StandardScaler(), PCA(2)),
}


def attempts(forms: Sequence[Form] = FORMS) -> Iterator[Attempt]:
    """All estimators in all these forms; those with rows of their own, such as texts, once."""
    for name, kind in all_estimators():
        if name not in OF_TARGETS:
            for form in forms[:1] if name in _ROWS else forms:
                yield Attempt(kind.__module__.split(".")[1], name, form, partial(fitted, name, form))


def fitted(name: str, form: Form) -> Fitted:
    """Fit an estimator; NotFittedHereError where it does not take such rows."""
    rows = _ROWS[name]() if name in _ROWS else one_column(form) if name in _ONE_COLUMN else rows_of(form)
    estimator = made(name)
    y = _target(name, estimator, rows)
    if form == "pipeline":
        estimator = make_pipeline(usual_columns(), estimator)
    return fitted_to(estimator, rows, y)


def fitted_to(estimator: Any, rows: Rows, y: Any) -> Fitted:
    """Fit without warnings; NotFittedHereError, with the reason, where it cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Fitted(estimator.fit(rows.X, y), rows)
        except Exception as error:
            raise NotFittedHereError(f"{type(error).__name__}: {error}") from error


def made(name: str) -> Any:
    """An estimator, not fitted, that is quick to fit."""
    kind = dict(all_estimators())[name]
    if name in _MADE:
        return _MADE[name]()
    inner = Ridge() if issubclass(kind, RegressorMixin) else LogisticRegression()
    given: dict[str, Any] = {
        "estimator": inner,
        "estimators": [("a", inner), ("b", clone(inner).set_params(**_other(inner)))],
        "param_grid": _other(inner, several=True),
        "param_distributions": _other(inner, several=True),
        "n_iter": 2,
        "dictionary": np.eye(4),
    }
    required = getattr(kind, "_required_parameters", None) or _required(kind)
    arguments = {parameter: given[parameter] for parameter in required if parameter in given}
    if name == "FrozenEstimator":
        rows = rows_of("array")
        return FrozenEstimator(inner.fit(rows.X, rows.classes))
    if name == "RandomizedSearchCV":
        arguments["n_iter"] = 2
    estimator = kind(**arguments)
    known = estimator.get_params(deep=False)
    settings = {key: value for key, value in _SETTINGS.items() if key in known and known[key] != "deprecated"}
    if name in _NEED_ESTIMATOR:
        settings["estimator"] = LogisticRegression() if issubclass(kind, ClassifierMixin) else inner
    if known.get("n_components", 0) is None and name in {
        "LinearDiscriminantAnalysis",
        "NeighborhoodComponentsAnalysis",
    }:
        settings.pop("n_components")
    return estimator.set_params(**{**settings, **_OWN_SETTINGS.get(name, {})})


def usual_columns() -> ColumnTransformer:
    """What most people put before a model: imputed and scaled numbers, imputed and encoded texts."""
    numbers = make_pipeline(SimpleImputer(), MinMaxScaler(clip=True))
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("texts", texts, make_column_selector(dtype_exclude="number")),
        ]
    )


def _target(name: str, estimator: Any, rows: Rows) -> Any:
    if name in _SEVERAL_OUTPUTS:
        if isinstance(estimator, ClassifierMixin):
            return np.column_stack([rows.numbers > np.median(rows.numbers), np.arange(len(rows.numbers)) % 2]).astype(
                int
            )
        return np.column_stack([rows.numbers, rows.numbers**2])
    if isinstance(estimator, RegressorMixin):
        return rows.numbers
    tags = get_tags(estimator)
    if tags.classifier_tags is not None and not tags.classifier_tags.multi_class:
        return rows.classes == rows.classes[0]
    return rows.classes


def _required(kind: Any) -> list[str]:
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [
        each.name for each in parameters if each.default is each.empty and each.name not in {"self", "args", "kwargs"}
    ]


def _other(inner: Any, *, several: bool = False) -> dict[str, Any]:
    name = "alpha" if isinstance(inner, Ridge) else "C"
    return {name: [0.5, 2.0] if several else 0.5}
