"""A pipeline on named columns answers through arrays as it does through the frame that it was fitted on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

from model_runtime.columns import direct_columns
from model_runtime.containers import Table
from model_runtime.manifest import Feature, FeatureType, Signature
from model_runtime.prediction import Predictor

ROWS = 60
_random = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "width": _random.normal(size=ROWS),
        "height": np.where(np.arange(ROWS) % 7 == 0, np.nan, _random.normal(size=ROWS)),
        "count": _random.integers(0, 9, ROWS),
        "colour": _random.choice(np.array(["red", "green", "blue"], dtype=object), ROWS),
        "size": pd.Series([None if i % 5 == 0 else "SL"[i % 2] for i in range(ROWS)], dtype=object),
        "note": _random.choice(np.array(["a good one", "bad", "good and bad"], dtype=object), ROWS),
        "is_new": _random.integers(0, 2, ROWS).astype(bool),
    }
)
FRAME["note"] = FRAME["note"].astype(object)
y = (FRAME["width"] + FRAME["count"] > 4).astype(int).to_numpy()  # about half of them
TYPES: dict[str, FeatureType] = {
    "float64": "number",
    "int64": "integer",
    "object": "string",
    "str": "string",  # pandas 3
    "bool": "boolean",
    "category": "string",
}
NUMBERS, TEXTS = ["width", "height"], ["colour", "size"]


def signature_of(frame: pd.DataFrame, **more: Any) -> Signature:
    features = tuple(
        Feature(
            name=name,
            type=TYPES[str(dtype)],
            dtype=str(dtype),
            nullable=bool(frame[name].isna().any()),
            missing="none" if name == "size" else "nan" if name == "height" else None,
        )
        for name, dtype in frame.dtypes.items()
    )
    return Signature(features=features, container="dataframe", **more)


def texts() -> Any:
    return make_pipeline(SimpleImputer(strategy="constant", fill_value="?", missing_values=None), OneHotEncoder())


PREPARATIONS: dict[str, Callable[[], Any]] = {
    "numbers and texts": lambda: make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS), (texts(), TEXTS)
    ),
    "a text of words": lambda: make_column_transformer((TfidfVectorizer(), "note"), (StandardScaler(), ["width"])),
    "what is left passes": lambda: make_column_transformer(
        (texts(), TEXTS), ("drop", ["note"]), (SimpleImputer(), ["height"]), remainder="passthrough"
    ),
    "by position, by a mask, by a slice": lambda: make_column_transformer(
        (SimpleImputer(), [1, 0]),
        (OneHotEncoder(sparse_output=False), [name == "colour" for name in FRAME]),
        ("passthrough", slice("is_new", "is_new")),
    ),
    "whole numbers beside fractions": lambda: make_column_transformer((StandardScaler(), ["count", "width"])),
    "whole numbers alone": lambda: make_column_transformer(
        (KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["count"])
        if "quantile_method" in KBinsDiscretizer().get_params()
        else (KBinsDiscretizer(3), ["count"])
    ),
    "ordered texts": lambda: make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TEXTS)
    ),
}


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows as requests hold them."""
    columns = [[None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame]
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(5, random_state=0), LogisticRegression()], ids=["forest", "line"]
)
@pytest.mark.parametrize("name", PREPARATIONS)
def test_arrays_are_answered_as_the_frame_is_and_no_frame_is_made(
    monkeypatch: pytest.MonkeyPatch, name: str, model: Any
) -> None:
    estimator = make_pipeline(PREPARATIONS[name](), model).fit(FRAME, y)
    predictor = Predictor(estimator, signature_of(FRAME, labels=(0, 1), probabilities=True))
    batches = [FRAME, *(FRAME.iloc[i : i + 1] for i in range(12))]
    own = [(estimator.predict(batch).tolist(), estimator.predict_proba(batch).tolist()) for batch in batches]
    asked = [rows_of(batch) for batch in batches]
    predictor.predict(asked[1])
    assert predictor._outputs._is_proven
    monkeypatch.setattr(Table, "frame", lambda _: pytest.fail("a frame was made"))
    for rows, (labels, table) in zip(asked, own, strict=True):
        answers = predictor.predict(rows)
        assert [answer.label for answer in answers] == labels
        tables = [answer.probabilities for answer in answers]
        assert [list(each.values()) for each in tables if isinstance(each, dict)] == table


def test_a_regressor_is_answered_in_the_same_way() -> None:
    estimator = make_pipeline(PREPARATIONS["numbers and texts"](), Ridge()).fit(FRAME, FRAME["width"])
    predictor = Predictor(estimator, signature_of(FRAME, output="value", targets=1))
    predictor.predict(rows_of(FRAME[:1]))
    assert [answer.value for answer in predictor.predict(rows_of(FRAME))] == estimator.predict(FRAME).tolist()


def test_what_is_refused_is_refused_in_the_estimator_s_own_words() -> None:
    estimator = make_pipeline(PREPARATIONS["numbers and texts"](), Ridge()).fit(FRAME, y)
    predictor = Predictor(estimator, signature_of(FRAME, output="value"))
    predictor.predict(rows_of(FRAME[:1]))
    strange = FRAME[:1].assign(colour="violet")
    with pytest.raises(ValueError, match="unknown categories") as own:
        estimator.predict(strange)
    with pytest.raises(ValueError, match="unknown categories") as found:
        predictor.predict(rows_of(strange))
    assert str(found.value) == str(own.value)


class Lengths(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An owner's own transformer, which asks the frame."""

    def fit(self, X: Any, _y: Any = None) -> "Lengths":
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return X.apply(lambda column: column.str.len())


def weighted(transformer: Any, **weights: float) -> Any:
    return ColumnTransformer([("it", transformer, ["width"])], transformer_weights={"it": weights["it"]})


UNTOUCHED: dict[str, Callable[[], Any]] = {
    "an own transformer": lambda: make_column_transformer((Lengths(), ["colour"])),
    "a function": lambda: make_column_transformer((FunctionTransformer(np.exp), ["width"])),
    "columns within columns": lambda: make_column_transformer(
        (make_column_transformer((StandardScaler(), ["width"])), ["width", "count"])
    ),
    "frames between the steps": lambda: make_column_transformer((StandardScaler(), ["width"])).set_output(
        transform="pandas"
    ),
    "weights": lambda: weighted(StandardScaler(), it=2.0),
    "columns of several types": lambda: make_column_transformer((OneHotEncoder(), ["colour", "is_new"])),
    "categories": lambda: make_column_transformer((OneHotEncoder(), ["kind"])),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_may_need_a_frame_is_given_one(name: str) -> None:
    frame = FRAME.assign(kind=FRAME["colour"].astype("category"))
    estimator = make_pipeline(UNTOUCHED[name](), Ridge()).fit(frame, y)
    assert direct_columns(estimator, signature_of(frame)) == []


def test_names_in_another_order_are_not_taken_for_one_another() -> None:
    estimator = make_pipeline(make_column_transformer((StandardScaler(), ["width"])), Ridge()).fit(FRAME, y)
    assert direct_columns(estimator, signature_of(FRAME))
    assert direct_columns(estimator, signature_of(FRAME[FRAME.columns[::-1]])) == []
    assert direct_columns(estimator.steps[0][1], signature_of(FRAME))
