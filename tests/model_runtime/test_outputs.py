"""Whatever is fitted here answers through the predictor as it does itself, in every bit."""

import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.discovery import all_estimators
from threadpoolctl import threadpool_limits

from model_runtime.forests import DirectForest
from model_runtime.outputs import ProvenOutputs

TYPES = dict(all_estimators(type_filter=["classifier", "regressor"]))
# What these wrap is not theirs to choose; the tests of nested estimators below have them.
GIVEN = {
    "ClassifierChain": lambda: ClassifierChain(LogisticRegression()),
    "FixedThresholdClassifier": lambda: TYPES["FixedThresholdClassifier"](LogisticRegression()),
    "MultiOutputClassifier": lambda: MultiOutputClassifier(RandomForestClassifier(3)),
    "MultiOutputRegressor": lambda: MultiOutputRegressor(RandomForestRegressor(3)),
    "OneVsOneClassifier": lambda: TYPES["OneVsOneClassifier"](LogisticRegression()),
    "OneVsRestClassifier": lambda: OneVsRestClassifier(RandomForestClassifier(3)),
    "OutputCodeClassifier": lambda: TYPES["OutputCodeClassifier"](LogisticRegression()),
    "RegressorChain": lambda: RegressorChain(RandomForestRegressor(3)),
    "SelfTrainingClassifier": lambda: TYPES["SelfTrainingClassifier"](GaussianNB()),
    "StackingClassifier": lambda: StackingClassifier([("forest", RandomForestClassifier(3)), ("bayes", GaussianNB())]),
    "StackingRegressor": lambda: StackingRegressor(
        [("forest", RandomForestRegressor(3)), ("line", LinearRegression())]
    ),
    "TunedThresholdClassifierCV": lambda: TYPES["TunedThresholdClassifierCV"](LogisticRegression()),
    "VotingClassifier": lambda: VotingClassifier([("forest", RandomForestClassifier(3)), ("bayes", GaussianNB())]),
    "VotingRegressor": lambda: VotingRegressor([("forest", RandomForestRegressor(3)), ("line", LinearRegression())]),
}
_random = np.random.default_rng(0)
# Whole numbers above zero, in few values: every estimator takes them, and equal distances and votes make ties.
X = _random.integers(1, 5, size=(60, 4)).astype(float)
BINARY = (X[:, 0] + X[:, 1] > 5).astype(int)
THREE = np.array(["low", "mid", "high"])[np.digitize(X.sum(axis=1), [9, 11])]
POSITIVE = X @ [1.0, 2.0, 0.5, 0.25] + 0.1
TARGETS: dict[str, Any] = {
    "two classes": BINARY,
    "three classes of text": THREE,
    "a number": POSITIVE,
    "several labels": np.c_[BINARY, 1 - np.roll(BINARY, 1)],
    "several numbers": np.c_[POSITIVE, POSITIVE[::-1]],
}
# Rows that were fitted, and such as were not, some of them between two classes.
INPUTS = np.r_[X[:20], _random.uniform(0.5, 4.9, size=(40, 4)), np.full((1, 4), 2.5)]


def fitted(name: str, y: Any) -> Any:
    """An estimator of this class, or None where it does not take such targets or inputs."""
    parameters = {"random_state": 0, "n_estimators": 7, "max_iter": 50, "cv": 2, "radius": 9.0}
    try:
        estimator = GIVEN[name]() if name in GIVEN else TYPES[name]()
        own = parameters.keys() & estimator.get_params().keys()
        return estimator.set_params(**{parameter: parameters[parameter] for parameter in own}).fit(X, y)
    except Exception:  # noqa: BLE001  # each refuses in its own words; how many do not is asserted
        return None


def own_answers(estimator: Any, inputs: Any) -> tuple[Any, Any]:
    """What the estimator says when it is asked twice."""
    return estimator.predict(inputs), estimator.predict_proba(inputs) if hasattr(estimator, "predict_proba") else None


def assert_same(found: Any, expected: Any) -> None:
    """Equal in type, shape and each bit."""
    if isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif expected is None:
        assert found is None
    else:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def assert_answers_as_itself(estimator: Any, inputs: Any = INPUTS, *, short: bool = True) -> None:
    """In a batch, row by row, and in each form that the short way has."""
    fast = ProvenOutputs(estimator, probabilities=hasattr(estimator, "predict_proba"))
    fast(inputs[:1])
    assert fast._is_proven or not short, "the first answer was not the same in both ways"
    batches = [inputs, inputs[:1], *(inputs[i : i + 1] for i in range(20, len(inputs), 7))]
    answers = [fast(batch) for batch in batches]
    assert fast._is_proven or not short
    for batch, answer in zip(batches, answers, strict=True):
        assert_same(answer, own_answers(estimator, batch))


@pytest.fixture(autouse=True)
def _training_may_warn() -> Iterator[None]:
    """Small data and few iterations: none of these converges. One thread, as in a function."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    ("target", "floor"),
    [
        ("two classes", 40),
        ("three classes of text", 37),
        ("a number", 43),
        ("several labels", 12),
        ("several numbers", 28),
    ],
)
def test_every_estimator_of_scikit_learn_answers_as_itself(target: str, floor: int) -> None:
    kind = "regressor" if "number" in target else "classifier"
    tested = []
    for name in dict(all_estimators(type_filter=kind)):
        estimator = fitted(name, TARGETS[target])
        if estimator is not None:
            assert_answers_as_itself(estimator)
            tested.append(name)
    assert len(tested) >= floor, tested


def forest(**parameters: Any) -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0, **parameters)


def growing(**parameters: Any) -> RandomForestRegressor:
    return RandomForestRegressor(5, random_state=0, **parameters)


def boosting(**parameters: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3, **parameters)


def members() -> list[tuple[str, Any]]:
    return [("forest", forest()), ("line", LogisticRegression()), ("trees", ExtraTreesClassifier(5, random_state=0))]


NESTED: dict[str, tuple[Callable[[], Any], str]] = {
    "forest that ties": (lambda: RandomForestClassifier(2, random_state=3), "two classes"),
    "forest in a pipeline": (lambda: make_pipeline(StandardScaler(), "passthrough", forest()), "three classes of text"),
    "pipeline in a pipeline": (
        lambda: make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), forest())),
        "two classes",
    ),
    "pipeline without a transformer": (lambda: make_pipeline(forest()), "two classes"),
    "regressor in a pipeline": (lambda: make_pipeline(StandardScaler(), growing()), "a number"),
    "pipeline of another classifier": (lambda: make_pipeline(StandardScaler(), SVC()), "three classes of text"),
    "search over a pipeline": (
        lambda: GridSearchCV(
            make_pipeline(StandardScaler(), forest()), {"randomforestclassifier__max_depth": [2]}, cv=2
        ),
        "three classes of text",
    ),
    "search in a pipeline": (
        lambda: make_pipeline(StandardScaler(), GridSearchCV(growing(), {"max_depth": [2]}, cv=2)),
        "a number",
    ),
    "bag of boostings": (lambda: BaggingClassifier(boosting(), 2, random_state=0), "two classes"),
    "soft voting": (lambda: VotingClassifier(members(), voting="soft"), "three classes of text"),
    "soft voting with weights": (lambda: VotingClassifier(members(), voting="soft", weights=[1, 2, 1]), "two classes"),
    "hard voting": (lambda: VotingClassifier(members()), "three classes of text"),
    "voting of regressors": (lambda: VotingRegressor([("a", growing()), ("b", LinearRegression())]), "a number"),
    "calibrated forest": (lambda: CalibratedClassifierCV(forest(), cv=2), "three classes of text"),
    "calibrated forest, isotonic": (lambda: CalibratedClassifierCV(forest(), cv=2, method="isotonic"), "two classes"),
    "stacked forests": (lambda: StackingClassifier(members(), forest(), cv=2), "three classes of text"),
    "stacked regressors": (lambda: StackingRegressor([("a", growing())], growing(), cv=2), "a number"),
    "bag of forests": (lambda: BaggingClassifier(forest(), 3, random_state=0), "three classes of text"),
    "bag of what has no probabilities": (lambda: BaggingClassifier(SVC(), 3, random_state=0), "two classes"),
    "one forest a class": (lambda: OneVsRestClassifier(forest()), "three classes of text"),
    "one forest an output": (lambda: MultiOutputClassifier(forest()), "several labels"),
    "chain of forests": (lambda: ClassifierChain(forest(), random_state=0), "several labels"),
    "forest of several outputs": (forest, "several labels"),
    "extra trees of several outputs in a pipeline": (
        lambda: make_pipeline(StandardScaler(), ExtraTreesClassifier(5, random_state=0)),
        "several labels",
    ),
    "regressors of several outputs": (lambda: ExtraTreesRegressor(5, random_state=0), "several numbers"),
    "chain of regressors": (lambda: RegressorChain(growing()), "several numbers"),
    "transformed target": (lambda: TransformedTargetRegressor(growing(), func=np.log, inverse_func=np.exp), "a number"),
    "probabilities that disagree with the labels": (lambda: SVC(probability=True, random_state=0), "two classes"),
    "threads in every part": (
        lambda: make_pipeline(StandardScaler(), VotingClassifier(members(), voting="soft", n_jobs=2)).set_params(
            votingclassifier__forest__n_jobs=2
        ),
        "two classes",
    ),
}


@pytest.fixture(params=NESTED)
def nested(request: pytest.FixtureRequest) -> Any:
    make, target = NESTED[request.param]
    with joblib.parallel_config("threading"):  # where n_jobs would start processes
        return make().fit(X, TARGETS[target])


def test_nested_estimators_answer_as_themselves(nested: Any) -> None:
    assert_answers_as_itself(nested)


def test_answering_leaves_the_estimator_as_it_was(nested: Any) -> None:
    """The one that publishing is given goes on to be pickled, and to be used."""

    def pickled() -> bytes:
        buffer = io.BytesIO()
        joblib.dump(nested, buffer)
        return buffer.getvalue()

    before = pickled()
    fast = ProvenOutputs(nested, probabilities=hasattr(nested, "predict_proba"))
    for inputs in (INPUTS, INPUTS[:1]):
        fast(inputs)
    with pytest.raises(ValueError, match="features"):
        fast(INPUTS[:, :2])
    assert pickled() == before


def test_the_forest_that_ties_does() -> None:
    make, target = NESTED["forest that ties"]
    table = make().fit(X, TARGETS[target]).predict_proba(INPUTS)
    assert (table[:, 0] == table[:, 1]).any()


def test_texts_reach_a_forest_as_a_sparse_matrix() -> None:
    texts = np.array(["good thing", "bad thing", "good", "so bad", "thing"] * 4, dtype=object)
    estimator = make_pipeline(TfidfVectorizer(), forest()).fit(texts, [1, 0, 1, 0, 0] * 4)
    assert_answers_as_itself(estimator, np.array([*texts[:5], "unknown words", ""] * 4, dtype=object))


@pytest.mark.parametrize("make", [forest, growing, boosting, lambda: DecisionTreeClassifier(random_state=0)])
def test_missing_values_are_answered_where_they_were_fitted(make: Callable[[], Any]) -> None:
    gaps, rows = X.copy(), INPUTS.copy()
    gaps[::3, 1] = rows[::4, 1] = np.nan
    assert_answers_as_itself(make().fit(gaps, BINARY), rows)


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesRegressor", "VotingClassifier", "Pipeline"])
@pytest.mark.parametrize(
    "inputs",
    [np.full((1, 4), np.nan), np.full((1, 4), np.inf), np.full((2, 4), 1e300), X[:1, :3], X[0], np.array([["x"] * 4])],
    ids=["nan", "infinity", "too large for float32", "too few columns", "no rows", "text"],
)
def test_what_is_refused_is_refused_in_the_estimator_s_own_words(name: str, inputs: Any) -> None:
    estimator = make_pipeline(StandardScaler(), forest()) if name == "Pipeline" else fitted(name, BINARY)
    estimator = estimator.fit(X, BINARY)
    fast = ProvenOutputs(estimator, probabilities=False)
    fast(X)

    def outcome(answer: Callable[[Any], Any]) -> Any:
        try:
            return answer(inputs)
        except ValueError as error:
            return f"{type(error).__name__}: {error}"

    own = outcome(lambda inputs: (estimator.predict(inputs), None))
    takes_nan = name != "VotingClassifier"  # trees do, which is no error then
    assert isinstance(own, str) or (takes_nan and np.isnan(inputs).all())
    if isinstance(own, str):
        assert outcome(fast) == own
    else:
        assert_same(outcome(fast), own)


def test_what_is_not_fitted_says_so() -> None:
    with pytest.raises(NotFittedError):
        ProvenOutputs(forest(), probabilities=True)(X)


def test_no_tree_of_a_forest_is_dispatched_and_labels_take_no_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []

    class Counted(StandardScaler):  # type: ignore[misc]  # scikit-learn has no types
        def transform(self, X: Any) -> Any:
            passes.append(len(X))
            return super().transform(X)

    estimator = make_pipeline(Counted(), VotingClassifier(members(), voting="soft")).fit(X, THREE)
    fast = ProvenOutputs(estimator, probabilities=True)
    expected = fast(INPUTS)
    passes.clear()

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("joblib was asked")

    monkeypatch.setattr("sklearn.ensemble._forest.Parallel", refuse)
    assert_same(fast(INPUTS), expected)
    assert passes == [len(INPUTS)]
    with pytest.raises(AssertionError, match="joblib was asked"):
        estimator.predict(INPUTS)


def test_boosting_of_categories_answers_as_itself() -> None:
    assert_answers_as_itself(boosting(categorical_features=[0, 2]).fit(X, THREE))


def test_no_tree_of_a_boosting_is_prepared_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = boosting().fit(X, THREE)
    fast = ProvenOutputs(estimator, probabilities=True)
    expected = fast(INPUTS)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a tree was asked")

    monkeypatch.setattr("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor.predict", refuse)
    assert_same(fast(INPUTS), expected)
    with pytest.raises(AssertionError, match="a tree was asked"):
        estimator.predict(INPUTS)


@pytest.mark.parametrize("most", [0, 250_000])
def test_a_forest_of_three_classes_answers_as_itself_whether_or_not_it_is_large(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_runtime.forests._MOST_WIDENED", most)
    estimator = forest().fit(X, THREE)
    assert DirectForest(estimator, "predict_proba")._is_widened is bool(most)
    assert_answers_as_itself(estimator)


class Contrary(RandomForestClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Labels that are not the likeliest ones, from a subclass that the short way must not take for its parent."""

    def predict(self, X: Any) -> Any:
        return self.classes_.take(self.predict_proba(X).argmin(axis=1))


class Backwards(Pipeline):  # type: ignore[misc]  # scikit-learn has no types
    """Steps that are taken in another way than a pipeline's."""

    def predict(self, X: Any) -> Any:
        return self.steps[-1][1].predict(X[:, ::-1])

    def predict_proba(self, X: Any) -> Any:
        return self.steps[-1][1].predict_proba(X[:, ::-1])


@pytest.mark.parametrize("estimator", [Contrary(5), Backwards([("scale", StandardScaler()), ("forest", forest())])])
def test_a_subclass_answers_in_its_own_way(estimator: Any) -> None:
    assert_answers_as_itself(clone(estimator).fit(X, THREE))


def test_a_forest_of_other_trees_is_asked_as_a_whole() -> None:
    class OwnTree(DecisionTreeClassifier):  # type: ignore[misc]  # scikit-learn has no types
        def predict_proba(self, X: Any, check_input: bool = True) -> Any:  # noqa: FBT001, FBT002  # its parent's signature
            return super().predict_proba(X, check_input)[:, ::-1]

    estimator = forest().fit(X, BINARY)
    estimator.estimators_[1].__class__ = OwnTree
    assert_answers_as_itself(estimator)


def test_threads_are_not_used_and_the_parameter_comes_back() -> None:
    seen: list[int] = []

    class Jobs(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def __init__(self, n_jobs: int | None = None) -> None:
            self.n_jobs = n_jobs

        def fit(self, _: Any, y: Any = None) -> "Jobs":
            self.fitted_ = y
            return self

        def transform(self, X: Any) -> Any:
            seen.append(self.n_jobs or 0)
            return X

    estimator = make_pipeline(Jobs(-1), Jobs(), KNeighborsClassifier(n_jobs=3)).fit(X, BINARY)
    seen.clear()
    ProvenOutputs(estimator, probabilities=True)(INPUTS)
    assert set(seen) == {1, 0}
    assert [getattr(step, "n_jobs", 0) for _, step in estimator.steps] == [-1, None, 3]


def test_where_the_short_way_differs_it_is_never_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = forest().fit(X, BINARY)
    right = DirectForest.__call__
    monkeypatch.setattr(DirectForest, "__call__", lambda self, X: right(self, X) + 1e-16)
    fast = ProvenOutputs(estimator, probabilities=True)
    own = own_answers(estimator, INPUTS)
    assert_same(fast(INPUTS), own)
    monkeypatch.setattr(DirectForest, "__call__", lambda *_: pytest.fail("it was taken again"))
    assert_same(fast(INPUTS), own)


def test_where_the_short_way_fails_the_own_way_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release of scikit-learn may lack what it relies on."""
    estimator = forest().fit(X, BINARY)
    monkeypatch.setattr(DirectForest, "__call__", lambda *_: 1 / 0)
    assert_same(ProvenOutputs(estimator, probabilities=True)(INPUTS), own_answers(estimator, INPUTS))
