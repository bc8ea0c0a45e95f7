"""Models converted to ONNX answer as their estimators do, on many rows, or are refused with the rows that differ."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from model_registry.publish.estimator import describe, rows_of
from model_registry.publish.onnx import Converted, convert
from model_registry.publish.onnx_comparison import TOLERANCE
from model_runtime.errors import PublishError
from model_runtime.formats.onnx import OnnxPredictor
from model_runtime.manifest import Prediction, Signature
from model_runtime.prediction import Predictor

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["a", "b", "c"])[Y]
XD, YD = (part[:200] for part in load_diabetes(return_X_y=True))
GAPS = X.copy()
GAPS[::7, 1] = np.nan
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "colour": RNG.choice(["red", "green", "blue"], 300),
        "the age": RNG.integers(18, 90, 300),
        "income": RNG.normal(3e4, 1e4, 300),
        "owns": RNG.random(300) < 0.5,
    }
)
RICH = (FRAME["income"] / 1e4 + (FRAME["colour"] == "red") + FRAME["the age"] / 50 > 4.5).astype(int)
TEXTS = ["a cat sat on the mat", "the dog ate my homework", "cats and dogs", "naïve café", "Über cat_dog x1 42"] * 6
KINDS = [0, 1, 0, 1, 0] * 6


def columns(**more: Any) -> ColumnTransformer:
    scaled = ("numbers", StandardScaler(), ["the age", "income"])
    return ColumnTransformer([("strings", OneHotEncoder(**more), ["colour"]), scaled])


MODELS: dict[str, tuple[Any, Any, Any]] = {
    "forest of strings": (RandomForestClassifier(100, random_state=0), X, NAMES),
    "forest of two": (RandomForestClassifier(20, random_state=0), X, Y == 1),
    "forest of floats": (RandomForestClassifier(5, max_depth=3, random_state=0), X, Y.astype(float)),
    "extra trees": (ExtraTreesClassifier(20, random_state=0), X, Y),
    "tree": (DecisionTreeClassifier(max_depth=3, random_state=0), X, Y),
    "scaled forest": (make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)), X, Y),
    "forest regressor": (RandomForestRegressor(20, random_state=0), XD, YD),
    "scaled forest regressor": (make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=0)), XD, YD),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=10, random_state=0), X, Y),
    "gradient boosting regressor": (GradientBoostingRegressor(n_estimators=10, random_state=0), XD, YD),
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=5), X, Y),
    "histogram boosting regressor": (HistGradientBoostingRegressor(max_iter=5), XD, YD),
    "histogram boosting with gaps": (HistGradientBoostingClassifier(max_iter=5), GAPS, Y),
    "imputed": (make_pipeline(SimpleImputer(), LogisticRegression(max_iter=1000)), GAPS, Y),
    "isolation forest": (IsolationForest(n_estimators=5, random_state=0), X, None),
    "logistic regression": (LogisticRegression(max_iter=1000), X, NAMES),
    "support vectors": (SVC(random_state=0), X, Y),
    "linear support vectors": (LinearSVC(random_state=0), X, Y),
    "network": (make_pipeline(StandardScaler(), MLPClassifier((10,), max_iter=1000, random_state=0)), X, Y),
    "ridge": (Ridge(), XD, YD),
    "two outputs": (LinearRegression(), XD, np.c_[YD, YD * 1000]),
    "one output in a list": (LinearRegression(), XD, YD[:, None]),
    "clusters": (KMeans(3, n_init=1, random_state=0), X, None),
    "stack": (
        StackingClassifier(
            [("a", LogisticRegression(max_iter=1000)), ("b", RandomForestClassifier(5, random_state=0))]
        ),
        X,
        Y,
    ),
    "search": (GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1]}), X, Y),
    "columns": (make_pipeline(columns(), LogisticRegression()), FRAME, RICH),
    "columns with a forest": (make_pipeline(columns(), RandomForestClassifier(20, random_state=0)), FRAME, RICH),
    "columns, any string": (make_pipeline(columns(handle_unknown="ignore"), LogisticRegression()), FRAME, RICH),
    "columns with boosting": (
        make_pipeline(
            ColumnTransformer([("c", OneHotEncoder(sparse_output=False), ["colour"])], remainder="passthrough"),
            HistGradientBoostingRegressor(max_iter=5),
        ),
        FRAME,
        FRAME["income"],
    ),
    "texts": (make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, KINDS),
    "texts by support vectors": (make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC()), TEXTS, KINDS),
    "counted words": (make_pipeline(CountVectorizer(), MultinomialNB()), TEXTS, [*KINDS[:-1], 1]),
}


def converted(estimator: Any, X: Any, **more: Any) -> tuple[Signature, Converted]:
    described = describe(estimator, X, **more)
    return described.signature, convert(estimator, described.signature, rows_of(estimator, X, described.signature))


@pytest.mark.filterwarnings("ignore:.*liblinear:FutureWarning", "ignore:The 'X' attribute")
@pytest.mark.no_cover  # the converter takes the time, and the other tests have what is ours of it
@pytest.mark.parametrize("name", MODELS)
def test_a_converted_model_answers_as_its_estimator(name: str) -> None:
    estimator, inputs, outputs = MODELS[name]
    estimator.fit(inputs, outputs)
    signature, found = converted(estimator, inputs)
    assert found.replay.rows >= 10_000
    assert found.replay.difference <= found.replay.tolerance
    rows = rows_of(estimator, inputs, signature)[:20]
    answers, expected = (
        each.predict(rows) for each in (OnnxPredictor(found.data, signature), Predictor(estimator, signature))
    )
    assert [answer.label for answer in answers] == [answer.label for answer in expected]
    assert [type(answer.label) for answer in answers] == [type(answer.label) for answer in expected]
    for answer, right in zip(answers, expected, strict=True):
        if right.probabilities is not None:
            assert answer.probabilities == pytest.approx(right.probabilities, abs=TOLERANCE)
        if right.value is not None:
            assert answer.value == pytest.approx(right.value, rel=1e-4)


@pytest.mark.parametrize("estimator", [RandomForestClassifier(100, random_state=0), ExtraTreesClassifier(50)])
def test_a_forest_s_votes_are_counted_exactly(estimator: Any) -> None:
    """Summed in float32 after they were divided, ties become wrong labels."""
    estimator.fit(X, Y == 1)
    assert converted(estimator, X)[1].replay.difference == 0


def test_class_names_are_answered_in_the_place_of_the_classes() -> None:
    for estimator in (RandomForestClassifier(5, random_state=0), LogisticRegression(max_iter=1000)):
        signature, found = converted(estimator.fit(X, Y), X, class_names=["s", "ve", "vi"])
        (answer,) = OnnxPredictor(found.data, signature).predict([(5.1, 3.5, 1.4, 0.2)])
        assert answer.label == "s"
        assert list(answer.probabilities or ()) == ["s", "ve", "vi"]


def test_what_the_estimator_refuses_is_refused() -> None:
    signature, found = converted(make_pipeline(columns(), LogisticRegression()).fit(FRAME, RICH), FRAME)
    predictor = OnnxPredictor(found.data, signature)
    row = rows_of(None, FRAME[:1], signature)[0]
    assert predictor.predict([row])
    with pytest.raises(ValueError, match="Unknown Category"):
        predictor.predict([("mauve", *row[1:])])
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    signature, found = converted(forest, X)
    predictor = OnnxPredictor(found.data, signature)
    for large in (1e39, -1e39):
        with pytest.raises(ValueError, match="too large"):
            predictor.predict([(large, 1.0, 1.0, 1.0)])
    with pytest.raises(OverflowError):
        predictor.predict([(10**400, 1.0, 1.0, 1.0)])


REFUSED: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "no converter": (
        lambda: make_pipeline(SplineTransformer(), Ridge()).fit(XD, YD),
        XD,
        r"skl2onnx has no converter for sklearn.preprocessing._polynomial.SplineTransformer\): leave out `--onnx`",
    ),
    "hashed words": (
        lambda: make_pipeline(HashingVectorizer(n_features=50), LogisticRegression()).fit(TEXTS, KINDS),
        TEXTS,
        "no converter for sklearn.feature_extraction.text.HashingVectorizer",
    ),
    "a custom function": (
        lambda: make_pipeline(FunctionTransformer(np.square), Ridge()).fit(XD, YD),
        XD,
        "the Pipeline cannot be converted to ONNX",
    ),
    "missing strings": (
        lambda: make_pipeline(ColumnTransformer([("c", OneHotEncoder(), ["colour"])]), LogisticRegression()).fit(
            FRAME.assign(colour=FRAME["colour"].where(FRAME.index > 3, None)), RICH
        ),
        FRAME.assign(colour=FRAME["colour"].where(FRAME.index > 3, None)),
        "feature 'colour' is a string that may be null",
    ),
    "texts in a column": (
        lambda: make_pipeline(ColumnTransformer([("t", TfidfVectorizer(), "text")]), LogisticRegression()).fit(
            pd.DataFrame({"text": TEXTS}), KINDS
        ),
        pd.DataFrame({"text": TEXTS}),
        "texts are lowercased inside the graph, by a locale that Lambda lacks",
    ),
    "several outputs": (
        lambda: RandomForestClassifier(5, random_state=0).fit(X, np.c_[Y, Y == 1]),
        X,
        "has several outputs with probabilities",
    ),
    "a split between present and missing": (
        lambda: RandomForestClassifier(20, random_state=0).fit(GAPS, Y),
        GAPS,
        "splits only between present and missing values",
    ),
    "stop words before pairs of words": (
        lambda: make_pipeline(TfidfVectorizer(ngram_range=(1, 2), stop_words="english"), LinearSVC()).fit(TEXTS, KINDS),
        TEXTS,
        r"answers \d+ of \d+ rows differently once converted to ONNX: \{'text': ",
    ),
    "nearest neighbours at the same distance": (
        lambda: KNeighborsClassifier().fit(X, Y),
        X,
        r"gives \d \{.*\} by ONNX, \d \{.*\} by the estimator itself",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_converted_or_answers_differently_is_refused(name: str) -> None:
    make, inputs, message = REFUSED[name]
    with pytest.raises(PublishError, match=message):
        converted(make(), inputs)


def test_an_estimator_that_refuses_its_own_range_is_not_compared_on_too_few_rows() -> None:
    class Picky(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, X: Any, y: Any = None) -> "Picky":  # noqa: ARG002  # as scikit-learn calls it
            self.fitted_ = True
            return self

        def transform(self, X: Any) -> Any:
            if not np.isin(X, XD).all():
                raise ValueError("not seen before")
            return X

    estimator = make_pipeline(Picky(), Ridge()).fit(XD, YD)
    signature = describe(Ridge().fit(XD, YD), XD).signature
    with pytest.raises(PublishError, match=r"refuses too many rows .* \(not seen before\), and at least 10000"):
        convert(estimator, signature, rows_of(estimator, XD, signature))


def test_the_answers_of_many_rows_are_those_of_each_alone() -> None:
    estimator = HistGradientBoostingRegressor(max_iter=5).fit(XD, YD)
    signature, found = converted(estimator, XD)
    predictor = OnnxPredictor(found.data, signature)
    rows = rows_of(estimator, XD[:50], signature)
    assert predictor.predict(rows) == [answer for row in rows for answer in predictor.predict([row])]
    assert isinstance(predictor.predict(rows[:1])[0], Prediction)
