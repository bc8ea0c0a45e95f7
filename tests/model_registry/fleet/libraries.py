"""Estimators of other packages that people use with scikit-learn: boosting, resampling, encoding.

Imported in environments of those packages only (`environments`), and not in the project's own.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from tests.model_registry.fleet.estimators import fitted_to, usual_columns
from tests.model_registry.fleet.outcomes import Attempt, Fitted
from tests.model_registry.fleet.rows import FORMS, Rows, rows_of

_CATEGORIES = "native categories"


def attempts(*, only: str = "") -> Iterator[Attempt]:
    """All of them; `only` names one package."""
    for group, makers in _GROUPS.items():
        if only in {"", group}:
            for name, (make, forms) in makers().items():
                for form in forms:
                    yield Attempt(group, name, form, partial(_fitted, make, form))


def _fitted(make: Callable[[], Any], form: str) -> Fitted:
    rows = categories(whole="whole" in form) if _CATEGORIES in form else rows_of(form)  # type: ignore[arg-type]  # the rest are forms
    estimator = make()
    y = rows.numbers if is_regressor(estimator) else rows.classes
    if type(estimator).__name__ == "XGBClassifier":  # which wants classes from 0
        y = np.unique(y, return_inverse=True)[1]
    if form == "pipeline" and not hasattr(estimator, "steps"):
        estimator = make_pipeline(usual_columns(), estimator)
    return fitted_to(estimator, rows, y)


def categories(*, whole: bool) -> Rows:
    """A frame with a categorical column, of texts with gaps or of whole numbers, whose classes hang on it."""
    rng = np.random.default_rng(5)
    shop = rng.choice([11, 22, 33, 44], 400)
    value = rng.normal(size=400)
    is_good = np.isin(shop, [22, 44]) & (value > -0.5)
    texts = pd.Series([f"s{each}" for each in shop], dtype="object").mask(rng.random(400) < 0.1)
    values = shop if whole else texts
    X = pd.DataFrame({"shop": pd.Categorical(values), "value": value})
    return Rows(X, is_good.astype(int), value + 10.0 * is_good)


_Makers = dict[str, tuple[Callable[[], Any], tuple[str, ...]]]
_ALL_FORMS: tuple[str, ...] = FORMS
_WITH_CATEGORIES = (*FORMS, f"{_CATEGORIES}, text with gaps", f"{_CATEGORIES}, whole numbers")


def _lightgbm() -> _Makers:
    import lightgbm

    settings = {"n_estimators": 5, "min_child_samples": 3, "verbose": -1, "num_threads": 1}
    return {
        "LGBMClassifier": (partial(lightgbm.LGBMClassifier, **settings), _WITH_CATEGORIES),
        "LGBMRegressor": (partial(lightgbm.LGBMRegressor, **settings), _WITH_CATEGORIES),
    }


def _xgboost() -> _Makers:
    import xgboost

    settings = {"n_estimators": 5, "n_jobs": 1, "enable_categorical": True}
    return {
        "XGBClassifier": (partial(xgboost.XGBClassifier, **settings), _WITH_CATEGORIES),
        "XGBRegressor": (partial(xgboost.XGBRegressor, **settings), _WITH_CATEGORIES),
        "XGBRFRegressor": (partial(xgboost.XGBRFRegressor, **settings), _ALL_FORMS),
    }


def _catboost() -> _Makers:
    import catboost

    settings = {"iterations": 5, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    own = {"cat_features": ["shop"], **settings}
    return {
        "CatBoostClassifier": (partial(catboost.CatBoostClassifier, **settings), _ALL_FORMS),
        "CatBoostRegressor": (partial(catboost.CatBoostRegressor, **settings), _ALL_FORMS),
        "CatBoostClassifier, cat_features": (partial(catboost.CatBoostClassifier, **own), _WITH_CATEGORIES[-1:]),
        "CatBoostRegressor, cat_features": (partial(catboost.CatBoostRegressor, **own), _WITH_CATEGORIES[-1:]),
    }


def _imbalanced() -> _Makers:
    from imblearn.ensemble import BalancedRandomForestClassifier, EasyEnsembleClassifier, RUSBoostClassifier
    from imblearn.over_sampling import SMOTE, RandomOverSampler
    from imblearn.pipeline import make_pipeline as make_resampling
    from imblearn.under_sampling import RandomUnderSampler

    def resampled(sampler: Any) -> Callable[[], Any]:
        return lambda: make_resampling(usual_columns(), sampler, LogisticRegression())

    return {
        "SMOTE": (resampled(SMOTE(random_state=0, k_neighbors=2)), ("pipeline",)),
        "RandomOverSampler": (resampled(RandomOverSampler(random_state=0)), ("pipeline",)),
        "RandomUnderSampler": (resampled(RandomUnderSampler(random_state=0)), ("pipeline",)),
        "BalancedRandomForestClassifier": (lambda: BalancedRandomForestClassifier(3, random_state=0), FORMS),
        "EasyEnsembleClassifier": (lambda: EasyEnsembleClassifier(2, random_state=0), FORMS),
        "RUSBoostClassifier": (lambda: RUSBoostClassifier(n_estimators=3, random_state=0), FORMS),
    }


def _encoders() -> _Makers:
    import category_encoders

    names = (
        "BackwardDifferenceEncoder", "BaseNEncoder", "BinaryEncoder", "CatBoostEncoder", "CountEncoder",
        "HashingEncoder", "HelmertEncoder", "JamesSteinEncoder", "LeaveOneOutEncoder", "MEstimateEncoder",
        "OneHotEncoder", "OrdinalEncoder", "SumEncoder", "TargetEncoder", "WOEEncoder",
    )  # fmt: skip

    def encoded(name: str) -> Any:
        settings = {"max_process": 1} if name == "HashingEncoder" else {}
        encoder = getattr(category_encoders, name)(cols=["district"], **settings)
        return make_pipeline(encoder, SimpleImputer(), MinMaxScaler(), LogisticRegression())

    return {name: (partial(encoded, name), ("pipeline",)) for name in names}


def _engine() -> _Makers:
    from feature_engine.discretisation import EqualFrequencyDiscretiser
    from feature_engine.encoding import CountFrequencyEncoder, OneHotEncoder, OrdinalEncoder, RareLabelEncoder
    from feature_engine.imputation import AddMissingIndicator, CategoricalImputer, MeanMedianImputer
    from feature_engine.outliers import Winsorizer
    from feature_engine.transformation import YeoJohnsonTransformer

    def ending(*steps: Any) -> Any:
        return make_pipeline(MeanMedianImputer(), CategoricalImputer(), *steps, MinMaxScaler(), LogisticRegression())

    numbers = ["area", "rent"]
    return {
        "OneHotEncoder": (lambda: ending(OneHotEncoder()), ("pipeline",)),
        "CountFrequencyEncoder": (lambda: ending(CountFrequencyEncoder(unseen="encode")), ("pipeline",)),
        "OrdinalEncoder": (lambda: ending(OrdinalEncoder(encoding_method="arbitrary")), ("pipeline",)),
        "RareLabelEncoder": (lambda: ending(RareLabelEncoder(n_categories=1), OneHotEncoder()), ("pipeline",)),
        "EqualFrequencyDiscretiser": (
            lambda: ending(EqualFrequencyDiscretiser(q=3, variables=numbers), OneHotEncoder()), ("pipeline",)
        ),
        "Winsorizer": (lambda: ending(OneHotEncoder(), Winsorizer(variables=numbers)), ("pipeline",)),
        "YeoJohnsonTransformer": (
            lambda: ending(OneHotEncoder(), YeoJohnsonTransformer(variables=numbers)), ("pipeline",)
        ),
        "AddMissingIndicator": (lambda: make_pipeline(AddMissingIndicator(), ending(OneHotEncoder())), ("pipeline",)),
    }  # fmt: skip


_GROUPS: dict[str, Callable[[], _Makers]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
    "imbalanced-learn": _imbalanced,
    "category_encoders": _encoders,
    "feature-engine": _engine,
}
