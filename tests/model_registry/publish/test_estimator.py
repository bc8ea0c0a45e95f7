import pickle
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from model_registry.publish import values
from model_registry.publish.estimator import describe, load_file
from model_registry.publish.pickles import pickled
from model_runtime.errors import PublishError
from model_runtime.prediction import Predictor
from model_runtime.schema import label_names

X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
words = np.array(["no", "yes"])[y]
frame = pd.DataFrame(X, columns=["a", "b c", "d"])
gaps = np.where(np.arange(180).reshape(60, 3) % 7 == 0, np.nan, X)
mixed = pd.DataFrame(
    {"n": [1.0, None, 3.0, 4.0] * 5, "s": ["x", "y", None, "x"] * 5, "i": range(20), "b": [True, False] * 10}
)
texts = ["a good thing", "a bad thing", "good", "bad, so bad"] * 3

by_column = ColumnTransformer(
    [("n", SimpleImputer(), ["n", "i"]), ("s", OneHotEncoder(handle_unknown="ignore"), ["s"])], remainder="passthrough"
)
CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "forest on a DataFrame": (lambda: RandomForestClassifier(5, random_state=0).fit(frame, y), frame),
    "forest on an array": (lambda: RandomForestClassifier(5, random_state=0).fit(X, y), X),
    "forest on float32": (lambda: RandomForestClassifier(5, random_state=0).fit(X, y), X.astype(np.float32)),
    "text labels": (lambda: LogisticRegression().fit(X, words), X),
    "boolean labels": (lambda: GaussianNB().fit(X, y == 1), X),
    "no probabilities": (lambda: SVC().fit(X, words), X),
    "grid search": (lambda: GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(frame, y), frame),
    "missing numbers": (lambda: HistGradientBoostingClassifier(max_iter=3).fit(gaps, y), gaps),
    "mixed columns": (lambda: make_pipeline(by_column, LogisticRegression()).fit(mixed, [0, 1] * 10), mixed),
    "text": (lambda: make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, ["g", "b"] * 6), texts),
    "regressor": (lambda: LinearRegression().fit(X, X[:, 0]), X),
    "several outputs": (lambda: LinearRegression().fit(X, X[:, :2]), X),
    "several labels": (lambda: MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[y, 1 - y]), X),
    "several indicators": (lambda: OneVsRestClassifier(LogisticRegression()).fit(X, np.c_[y, 1 - y]), X),
    "clusters": (lambda: KMeans(2, n_init=1, random_state=0).fit(X), X),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    fit, example = CASES[request.param]
    return fit(), example


def fitted(name: str) -> Any:
    return CASES[name][0]()


def test_the_golden_examples_are_what_the_estimator_itself_predicts(case: tuple[Any, Any]) -> None:
    estimator, example = case
    described = describe(estimator, example)
    outputs = [item.output for item in described.examples]
    expected = estimator.predict(example[:3]).tolist()
    assert [o.value if described.signature.output == "value" else o.label for o in outputs] == expected
    if described.signature.probabilities:
        table, classes = estimator.predict_proba(example[:3]), estimator.classes_
        is_several = isinstance(table, list)
        found = [o.probabilities if isinstance(o.probabilities, list) else [o.probabilities or {}] for o in outputs]
        for k, (each, labels) in enumerate(zip(table, classes, strict=True) if is_several else [(table, classes)]):
            assert [list(row[k].values()) for row in found] == each.tolist()
            assert {tuple(row[k]) for row in found} == {tuple(label_names(labels.tolist()))}


def test_the_file_answers_the_examples_as_recorded(case: tuple[Any, Any], tmp_path: Path) -> None:
    estimator, example = case
    described = describe(estimator, example)
    described.stored.write(tmp_path / "model.joblib")
    predictor = Predictor(joblib.load(tmp_path / "model.joblib"), described.signature)
    rows = [tuple(item.input[f.name] for f in described.signature.features) for item in described.examples]
    assert predictor.predict(rows) == [item.output for item in described.examples]


def test_the_packages_are_all_that_unpickling_needs_as_installed(case: tuple[Any, Any]) -> None:
    packages = describe(*case).environment.packages
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= packages.keys()
    assert packages == {name: metadata.version(name) for name in packages}
    assert packages.keys().isdisjoint({"boto3", "pytest", "model-registry", "sklearn-on-lambda"})


@pytest.mark.parametrize(
    ("name", "container", "output", "labels", "probabilities"),
    [
        ("forest on a DataFrame", "array", "label", (0, 1), True),
        ("text labels", "array", "label", ("no", "yes"), True),
        ("boolean labels", "array", "label", (False, True), True),
        ("no probabilities", "array", "label", ("no", "yes"), False),
        ("mixed columns", "dataframe", "label", (0, 1), True),
        ("text", "list", "label", ("b", "g"), True),
        ("regressor", "array", "value", None, False),
        ("several labels", "array", "label", None, True),
        ("several indicators", "array", "label", None, False),
        ("clusters", "array", "label", None, False),
    ],
)
def test_the_signature_says_what_goes_in_and_comes_out(
    name: str,
    container: str,
    output: str,
    labels: tuple[Any, ...] | None,
    probabilities: bool,  # noqa: FBT001  # a parameter of the table
) -> None:
    found = describe(fitted(name), CASES[name][1]).signature
    assert (found.container, found.output, found.labels, found.probabilities) == (
        container,
        output,
        labels,
        probabilities,
    )


def test_the_labels_of_several_outputs_are_those_of_each() -> None:
    """One table of probabilities for all outputs, as a classifier of indicators has, names nobody's labels."""
    targets = np.c_[words, np.roll(words, 1)]
    forest = RandomForestClassifier(5, random_state=0).fit(X, targets)
    assert describe(forest, X).signature.output_labels == (("no", "yes"), ("no", "yes"))
    chain = ClassifierChain(LogisticRegression()).fit(X, np.c_[y, 1 - y])
    assert describe(chain, X).signature.output_labels is None


def test_feature_names_and_types_come_from_the_columns() -> None:
    features = describe(fitted("mixed columns"), mixed).signature.features
    assert [(feature.name, feature.type, feature.nullable) for feature in features] == [
        ("n", "number", True),
        ("s", "string", True),
        ("i", "number", True),
        ("b", "boolean", False),
    ]


def test_pandas_is_a_package_of_the_model_only_where_it_needs_a_dataframe() -> None:
    assert "pandas" in describe(fitted("mixed columns"), mixed).environment.packages
    assert "pandas" not in describe(fitted("forest on a DataFrame"), frame).environment.packages


@pytest.mark.parametrize("example", [X[:2], X[:2].tolist()], ids=["array", "list"])
def test_names_of_an_array_s_columns_are_the_fitted_ones_or_given_or_numbered(example: Any) -> None:
    def names(name: str, given: list[str] | None = None) -> list[str]:
        return [f.name for f in describe(fitted(name), example, feature_names=given).signature.features]

    assert names("forest on an array") == ["x0", "x1", "x2"]
    assert names("forest on a DataFrame") == ["a", "b c", "d"]
    assert names("forest on an array", ["p", "q", "r"]) == ["p", "q", "r"]


def test_class_names_replace_the_classes_in_their_order() -> None:
    described = describe(fitted("forest on an array"), X, class_names=["small", "large"])
    assert described.signature.labels == ("small", "large")
    expected = ["large" if each else "small" for each in fitted("forest on an array").predict(X[:3])]
    assert [item.output.label for item in described.examples] == expected


class OwnClassifier(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A class that no installed package provides."""

    def holding(self, lock: Any) -> "OwnClassifier":
        self.lock_ = lock
        return self


REFUSED: dict[str, tuple[Callable[[], Any], Any, dict[str, Any], str]] = {
    "a dictionary": (dict, X, {}, "a dict is not a scikit-learn estimator"),
    "nothing": (lambda: None, X, {}, "a NoneType is not a scikit-learn estimator"),
    "a class": (lambda: LogisticRegression, X, {}, "a type is not a scikit-learn estimator"),
    "only fit_predict": (lambda: DBSCAN().fit(X), X, {}, "a DBSCAN has neither predict nor any of transform"),
    "unfitted": (LogisticRegression, X, {}, "this LogisticRegression is not fitted: call fit"),
    "unfitted pipeline": (lambda: make_pipeline(StandardScaler(), SVC()), X, {}, "this Pipeline is not fitted"),
    "unfitted search": (lambda: GridSearchCV(SVC(), {"C": [1]}), X, {}, "this GridSearchCV is not fitted"),
    "a lock": (
        lambda: OwnClassifier(C=1.0).fit(X, y).holding(Lock()),
        X,
        {},
        "cannot be pickled .*: leave out what holds",
    ),
    "own class that must not be taken": (
        lambda: OwnClassifier().fit(X, y),
        X,
        {"code": False},
        "test_estimator, own code that must not be taken: leave out `--no-code` .*, or install it from an",
    ),
    "one row": (lambda: GaussianNB().fit(X, y), X[0], {}, r"X_example has shape \(3,\): give rows and columns"),
    "no rows": (lambda: GaussianNB().fit(X, y), X[:0], {}, "X_example has no rows"),
    "empty frame": (lambda: GaussianNB().fit(X, y), frame[:0], {}, "X_example has no rows"),
    "other columns": (lambda: GaussianNB().fit(X, y), X[:, :2], {}, "does not predict the rows of X_example"),
    "nothing present": (lambda: fitted("missing numbers"), gaps[:1, :], {}, "column 'x0' .* nothing but missing"),
    "two kinds": (lambda: GaussianNB().fit(X, y), [{"a": 1}, {"a": "x"}], {}, "column 'a' .* holds int, str"),
    "uneven objects": (lambda: GaussianNB().fit(X, y), [{"a": 1}, {"b": 1}], {}, "row 1 of X_example has fields"),
    "too few names": (lambda: GaussianNB().fit(X, y), X, {"feature_names": ["a"]}, "1 feature names for 3 columns"),
    "names twice": (
        lambda: GaussianNB().fit(X, y),
        X,
        {"feature_names": ["a", "b", "a"]},
        "column names .* are not distinct",
    ),
    "frame's names twice": (
        lambda: GaussianNB().fit(X, y),
        pd.DataFrame(X, columns=["a", "b", "a"]),
        {},
        "column names .* not distinct",
    ),
    "a name with quotes": (
        lambda: GaussianNB().fit(X, y),
        X,
        {"feature_names": ['a"', "b", "c"]},
        "cannot be the name of a request's",
    ),
    "few class names": (lambda: GaussianNB().fit(X, y), X, {"class_names": ["a"]}, "1 class names for the 2 classes"),
    "classes that are times": (
        lambda: GaussianNB().fit(X, pd.to_datetime(np.where(y == 1, "2026", "2025"))),
        X,
        {},
        r"the classes \['2025.*'\] are times: give class names that are texts",
    ),
    "same class names": (lambda: GaussianNB().fit(X, y), X, {"class_names": ["a", "a"]}, "not distinct"),
    "same as text": (lambda: GaussianNB().fit(X, y), X, {"class_names": [1, "1"]}, "not distinct"),
    "class names of several outputs": (
        lambda: fitted("several indicators"),
        X,
        {"class_names": ["a", "b"]},
        "OneVsRestClassifier has no single list of classes",
    ),
    "classes of a regressor": (
        lambda: LinearRegression().fit(X, y),
        X,
        {"class_names": ["a"]},
        "LinearRegression has no single list of classes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused(name: str) -> None:
    make, example, options, message = REFUSED[name]
    with pytest.raises(PublishError, match=message):
        describe(make(), example, **options)


class _Counted(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Notes each method that it is asked by, and with which rows."""

    asked: list[tuple[str, Any]]

    def predict(self, X: Any) -> Any:
        self.asked.append(("predict", X))
        return super().predict(X)

    def predict_proba(self, X: Any) -> Any:
        self.asked.append(("predict_proba", X))
        return super().predict_proba(X)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_example": None}, "X_example is a NoneType: give a DataFrame"),
        ({"X_example": {"x0": [1.0], "x1": [2.0]}}, "X_example is a dict: give a DataFrame"),
        ({"X_example": iter([[1.0, 2.0, 3.0]])}, "X_example is a list_iterator: give a DataFrame"),
        ({"X_train": (row for row in X)}, "X_train is a generator: give a DataFrame"),
        (
            {"class_names": {0: "no", 1: "yes"}},
            r"class_names is a dict: give a list in the order of the classes \[0, 1\]",
        ),
        ({"outputs": [1]}, r"outputs are \[1\]: give a list of predict"),
        ({"nullable": "x0"}, "nullable is 'x0': give a list of features, or True for all"),
        ({"X_example": X[:3, :2]}, r"does not predict the rows of X_example \(ValueError: X has 2 features.*\): give"),
    ],
)
def test_what_is_given_in_another_form_is_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    model = LogisticRegression().fit(X, y)
    with pytest.raises(PublishError, match=message) as raised:
        describe(model, **{"X_example": X[:3], **given})
    assert "\n" not in str(raised.value)


def test_the_estimator_is_asked_once_for_the_rows_of_its_owner() -> None:
    example, training = X[:5], X[5:]
    estimator = _Counted().fit(X, y)
    estimator.asked = []
    describe(estimator, example, X_train=training)
    for rows in (example, training):
        assert sorted(name for name, asked in estimator.asked if asked is rows) == ["predict", "predict_proba"]


class _OneClass(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """As LightGBM's after rows of one class: two columns of probabilities."""

    def fit(self, X: Any, y: Any) -> "_OneClass":
        super().fit(X, y)
        self.classes_ = np.array([0])
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), int)


def test_more_probabilities_than_classes_are_refused_and_the_labels_alone_served() -> None:
    estimator = _OneClass().fit(X, y)
    with pytest.raises(PublishError, match=r"gives 2 columns for the classes \[0\]: .*`--output predict` alone"):
        describe(estimator, X)
    assert describe(estimator, X, outputs=["predict"]).examples[0].output.label == 0


def test_sparse_examples_are_refused_with_a_remedy() -> None:
    example = TfidfVectorizer().fit_transform(texts)
    with pytest.raises(PublishError, match="sparse matrix: give a few rows of it as"):
        describe(MultinomialNB().fit(example, ["g", "b"] * 6), example)


def test_parameters_are_json_and_a_long_one_is_cut() -> None:
    described = describe(RandomForestClassifier(5, class_weight=dict.fromkeys(range(100), 1)).fit(X, y), X)
    assert described.parameters["n_estimators"] == 5
    assert described.parameters["max_depth"] is None
    assert len(described.parameters["class_weight"]) == 200
    assert described.estimator == "sklearn.ensemble._forest.RandomForestClassifier"


def test_parameters_have_no_address_in_memory() -> None:
    """`compare` would show a difference between any two versions."""
    scaled = make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(halved), GaussianNB()).fit(X, y)
    assert describe(scaled, X).parameters["functiontransformer-2__func"] == "<function halved>"


def halved(rows: Any) -> Any:
    return rows / 2


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted("text labels"), path, compress=3)
    estimator = load_file(path)
    assert estimator.predict(X).tolist() == fitted("text labels").predict(X).tolist()


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x80\x05", pickle.dumps(print)[:-3], b"\x00" * 1000])
def test_a_file_that_is_no_joblib_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.joblib").write_bytes(data)
    with pytest.raises(PublishError, match=r"model\.joblib cannot be loaded by joblib"):
        load_file(tmp_path / "model.joblib")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"cannot read .*none\.joblib: No such file"):
        load_file(tmp_path / "none.joblib")


def test_a_file_of_another_scikit_learn_is_refused_with_both_versions(tmp_path: Path) -> None:
    installed = metadata.version("scikit-learn").encode()
    pickled(GaussianNB().fit(X, y)).write(tmp_path / "installed")
    data = (tmp_path / "installed").read_bytes()
    assert data.count(installed) == 1
    (tmp_path / "model.joblib").write_bytes(data.replace(installed, b"0" * (len(installed) - 2) + b".1"))
    with pytest.raises(PublishError, match=rf"was written with scikit-learn 0+\.1, installed is {installed.decode()}"):
        load_file(tmp_path / "model.joblib")


class ByStrings(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Answers by whether a text is one object with another, which no copy of it is."""

    def fit(self) -> "ByStrings":
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        return np.array([float(value is MARK) for value in X["c"]])


MARK = "a mark"


def test_a_model_that_answers_differently_when_its_inputs_travel_as_json_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it is that gets lost on the way: the answers are compared, and the row is named."""
    monkeypatch.setattr(values, "plain_value", lambda _name, value, _what: f"{value} "[:-1])
    example = pd.DataFrame({"c": [MARK, "other"]})
    with pytest.raises(PublishError, match=r"other answers when its rows travel as JSON \(.*row 0, \{'c': 'a mark'\}"):
        describe(ByStrings().fit(), example)


def test_a_column_called_instances_is_refused() -> None:
    """It would be taken for a batch."""
    example = pd.DataFrame({"instances": [1.0, 2.0]})
    with pytest.raises(PublishError, match="'instances', which means a batch"):
        describe(LinearRegression().fit(example, [1, 2]), example)
