"""What is published is proven: models of kinds that people deploy are served as they answer their owner, or refused."""

import asyncio
import io
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, SparsePCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lars, LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from handler.app import App
from model_registry import Registry, Release, Storage
from model_registry.publish.estimator import describe
from model_registry.publish.proof import Speed
from model_registry.publish.speeds import fastest
from model_runtime.errors import NotFoundError, ProofError, PublishError
from model_runtime.feature_values import feature_schema
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, version_key
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load
from tests.handler.conftest import gateway


@pytest.fixture
def memory() -> Registry:
    """A registry in this process's memory, whose publishes are proven in full."""
    return Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="full")


def served(registry: Registry, release: Release) -> ServedModel:
    manifest = release.manifest
    pin = Pin(manifest.name, manifest.version, release.manifest_sha256)
    return load(Deployment("memory", pin), registry._versions._storage)


def answers(registry: Registry, release: Release, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the function answers to rows that are sent as JSON, one by one."""
    app = App(lambda: served(registry, release))
    found = [app(gateway("POST", "/predict", row), None) for row in rows]
    assert [one["statusCode"] for one in found] == [200] * len(rows), found
    return [json.loads(one["body"]) for one in found]


def as_json(X: pd.DataFrame) -> list[dict[str, Any]]:
    return [{k: None if v is None or v != v else v for k, v in row.items()} for row in X.to_dict("records")]  # noqa: PLR0124  # NaN


def check(registry: Registry, release: Release, estimator: Any, X: pd.DataFrame, rows: list[dict[str, Any]]) -> None:
    """Served labels or values are equal to the estimator's own, and probabilities within 1e-9."""
    found = answers(registry, release, rows)
    own = np.asarray(estimator.predict(X)).tolist()
    if "value" in found[0]:
        np.testing.assert_allclose([each["value"] for each in found], own, rtol=1e-9)
        return
    assert [each["label"] for each in found] == own
    if hasattr(estimator, "predict_proba"):
        table = [list(each["probabilities"].values()) for each in found]
        np.testing.assert_allclose(table, estimator.predict_proba(X), atol=1e-9)


def rooms() -> tuple[LinearRegression, pd.DataFrame]:
    X = pd.DataFrame({"rooms": [1.0, 2, 3, 4, 5], "area": [30.0, 55, 70, 100, 120]})
    return LinearRegression().fit(X, 1000 * X["area"] + X["rooms"]), X


def test_examples_in_another_order_are_matched_by_name(memory: Registry) -> None:
    model, X = rooms()
    release = memory.publish(model, name="rooms", X_example=X[["area", "rooms"]].to_dict("records"))
    assert [feature.name for feature in release.manifest.signature.features] == ["rooms", "area"]
    check(memory, release, model, X, as_json(X))
    (proof,) = (release.manifest.proof,)
    assert (proof.kind, proof.rows, proof.requests) == ("full", 5, 18), "and the three examples"
    assert proof.difference <= proof.absolute


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"foo": 1.0, "bar": 2.0}], "lacks rooms, area and has foo, bar, which the model never saw: give the columns"),
        ([{"rooms": 1.0}], "X_example lacks area: give the columns rooms, area"),
        (pd.DataFrame({"rooms": [1.0], "area": [2.0], "age": [3.0]}), "has age, which the model never saw"),
    ],
)
def test_names_that_the_model_never_saw_are_refused(memory: Registry, given: Any, message: str) -> None:
    model, _ = rooms()
    with pytest.raises(PublishError, match=message):
        memory.publish(model, name="rooms", X_example=given)
    with pytest.raises(NotFoundError):
        memory.model("rooms")


def test_names_of_an_array_in_another_order_than_fitted_are_refused(memory: Registry) -> None:
    model, X = rooms()
    with pytest.raises(PublishError, match=r"\['area', 'rooms'\] are not those that the model was fitted on"):
        memory.publish(model, name="rooms", X_example=X.to_numpy(), feature_names=["area", "rooms"])


def gaps() -> tuple[Any, pd.DataFrame]:
    """Text with missing values, as `read_csv` gives it, one-hot encoded after an imputer."""
    rng = np.random.default_rng(11)
    rows = zip(rng.choice(["north", "south", ""], 300, p=[0.5, 0.3, 0.2]), rng.integers(18, 80, 300), strict=True)
    X = pd.read_csv(io.StringIO("region,age\n" + "\n".join(f"{a},{b}" for a, b in rows)))
    y = np.where((X.age > 45) ^ X.region.isna(), "leaves", "stays")  # years
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("n", numbers, ["age"]), ("t", texts, ["region"])])
    return make_pipeline(columns, RandomForestClassifier(25, random_state=0)).fit(X, y), X


def test_text_with_gaps_keeps_the_mark_that_the_model_was_fitted_on(memory: Registry) -> None:
    model, X = gaps()
    example = X.loc[sorted({*X.index[X.region.isna()][:2], 0, 1, 2})]
    release = memory.publish(model, name="gaps", X_example=example, X_train=X)
    region, age = release.manifest.signature.features
    assert (region.type, region.nullable, region.missing) == ("string", True, "nan")
    assert (age.type, age.nullable) == ("number", True), "an imputer comes first"
    check(memory, release, model, X[:40], as_json(X[:40]))


def test_gaps_that_no_example_has_are_taken_where_an_imputer_comes_first(memory: Registry) -> None:
    X = pd.DataFrame({"a": [1.0, 2, 3, np.nan, 5] * 8, "b": [5.0, 4, 3, 2, 1] * 8})
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, [0, 0, 1, 1, 1] * 8)
    release = memory.publish(model, name="unseen", X_example=X[:3])
    check(memory, release, model, X[3:5], as_json(X[3:5]))


def test_a_mark_that_the_imputer_leaves_alone_is_the_one_that_the_encoder_learnt(memory: Registry) -> None:
    """None is a text like any other for an imputer that looks for NaN."""
    X = pd.DataFrame({"town": pd.Series(["a", "b", "a", None] * 10, dtype="object")})
    steps = SimpleImputer(strategy="most_frequent"), OneHotEncoder(), LogisticRegression()
    model = make_pipeline(*steps).fit(X, [0, 1, 0, 1] * 10)
    release = memory.publish(model, name="none", X_example=X[:3], proof="none")
    assert release.manifest.signature.features[0].missing == "none"
    check(memory, release, model, X[2:4], as_json(X[2:4]))


def test_nullable_integers_of_pandas_are_numbers(memory: Registry) -> None:
    X = pd.DataFrame({"a": pd.array([1, None, 3, 4] * 10, dtype="Int64"), "b": [0.5, 1, 1.5, 2] * 10})
    fitted = X.astype(float)
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(fitted, [0, 1, 0, 1] * 10)
    release = memory.publish(model, name="integers", X_example=X[:4])
    check(memory, release, model, fitted.iloc[1:3], [{"a": None, "b": 1.0}, {"a": 3, "b": 1.5}])


def test_a_package_that_no_pickle_names_is_found_by_the_proof(memory: Registry) -> None:
    X = pd.DataFrame({"a": [1.0, 2, 3, 4] * 10, "b": [4.0, 3, 2, 1] * 10})
    model = make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform="pandas")
    model.fit(X, [0, 0, 1, 1] * 10)
    said: list[str] = []
    release = memory.publish(
        model, name="inside", X_example=X.head(), formats=["joblib", "skops"], progress=said.append
    )
    assert "pandas" in release.manifest.environment.packages
    assert "pandas" in release.manifest.formats["skops"].environment.packages, "which rebuilds the same estimator"
    assert any(line.startswith("it needs pandas") for line in said)
    (told,) = (line for line in said if line.startswith("note: on this machine "))
    assert re.search(r"joblib starts in [\d.]+ s and answers a row in [\d.]+ ms", told)
    assert re.search(r"skops starts in [\d.]+ s and answers a row in [\d.]+ ms", told)


def test_the_format_that_starts_first_is_told_first_with_how_to_deploy_it() -> None:
    told = fastest({"joblib": Speed(start=0.61, answer=0.00035), "onnx": Speed(start=0.1, answer=0.000021)})
    assert told == (
        "on this machine onnx starts in 0.10 s and answers a row in 0.02 ms; joblib starts in 0.61 s and answers a row "
        "in 0.35 ms: `pulumi config set format onnx` deploys onnx"
    )
    assert fastest({"joblib": Speed(start=0.1, answer=1), "skops": Speed(start=1.0, answer=1)}).endswith(
        "in 1000.00 ms"
    )


def test_numpy_s_own_texts_and_numbers_are_taken(memory: Registry) -> None:
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    release = memory.publish(
        model,
        name="iris",
        X_example=X[:3],
        class_names=load_iris().target_names,
        metrics={"a": float(np.float32(0.5)), "b": np.float64(1)},
    )
    assert release.manifest.signature.labels == ("setosa", "versicolor", "virginica")
    assert "eps" in memory.publish(Lars(n_nonzero_coefs=2).fit(X, y), name="lars", X_example=X[:3]).manifest.parameters


@pytest.mark.parametrize(
    ("make", "outputs", "member", "own"),
    [
        (lambda X, _y: PCA(2).fit(X), None, "transform", lambda m, X: m.transform(X)),
        (lambda X, _y: make_pipeline(StandardScaler(), PCA(2)).fit(X), None, "transform", lambda m, X: m.transform(X)),
        (lambda X, _y: PCA(1).fit(X), None, "transform", lambda m, X: m.transform(X)[:, 0]),
        (lambda X, _y: SparsePCA(2).fit(X), None, "transform", lambda m, X: m.transform(X)),
        (lambda X, _y: SparsePCA(1).fit(X), None, "transform", lambda m, X: m.transform(X)[:, 0]),
        (
            lambda X, y: GaussianProcessRegressor(random_state=0).fit(X[::10], y[::10]),
            ["predict", "std"],
            "std",
            lambda m, X: m.predict(X, return_std=True)[1],
        ),
        (
            lambda X, _y: IsolationForest(n_estimators=5, random_state=0).fit(X),
            ["predict", "decision_function", "score_samples"],
            "score_samples",
            lambda m, X: m.score_samples(X),
        ),
        (
            lambda X, y: LogisticRegression(max_iter=500).fit(X, y),
            ["predict", "predict_proba", "decision_function"],
            "decision_function",
            lambda m, X: m.decision_function(X),
        ),
        (lambda X, y: LinearRegression().fit(X, y[:, None]), None, "value", lambda m, X: m.predict(X)[:, 0]),
    ],
)
def test_every_output_that_is_asked_for_is_served(
    memory: Registry,
    make: Callable[[Any, Any], Any],
    outputs: list[str] | None,
    member: str,
    own: Callable[[Any, Any], Any],
) -> None:
    X, y = load_iris(return_X_y=True)
    model = make(X, y)
    release = memory.publish(model, name="outputs", X_example=X[:5], outputs=outputs, proof="process")
    rows = [dict(zip(("x0", "x1", "x2", "x3"), row, strict=True)) for row in X[5:8].tolist()]
    found = [each[member] for each in answers(memory, release, rows)]
    np.testing.assert_allclose(found, own(model, X[5:8]), rtol=1e-9, atol=1e-9)


def test_neighbours_are_distances_and_indices(memory: Registry) -> None:
    X, _ = load_iris(return_X_y=True)
    release = memory.publish(NearestNeighbors(n_neighbors=2).fit(X), name="near", X_example=X[:3], proof="process")
    (found,) = answers(memory, release, [dict(zip(("x0", "x1", "x2", "x3"), X[7].tolist(), strict=True))])
    assert found["kneighbors"]["indices"][0] == 7
    assert found["kneighbors"]["distances"][0] == 0.0


def test_datetimes_and_categories_travel_as_texts(memory: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_registry.publish.estimator.is_own", lambda _module: False)
    times = pd.date_range("2026-01-01", periods=40, freq="7h", tz="Europe/Berlin")
    X = pd.DataFrame({"at": times, "kind": pd.Categorical(["a", "b"] * 20, categories=["b", "a", "c"])})
    hours = ColumnTransformer([("k", OrdinalEncoder(categories=[["b", "a", "c"]]), ["kind"]), ("t", HourOf(), ["at"])])
    model = make_pipeline(hours, LogisticRegression()).fit(X, [0, 1] * 20)
    release = memory.publish(model, name="times", X_example=X[:6], proof="none")
    at, kind = release.manifest.signature.features
    assert (at.type, at.dtype, kind.categories) == ("datetime", "datetime64[ns, Europe/Berlin]", ("b", "a", "c"))
    rows = [{"at": one.isoformat(), "kind": two} for one, two in zip(X["at"][6:9], X["kind"][6:9], strict=True)]
    check(memory, release, model, X[6:9], rows)
    app = App(lambda: served(memory, release))
    wrong = app(gateway("POST", "/predict", {"at": "yesterday", "kind": "d"}), None)
    assert wrong["statusCode"] == 400
    details = {error["pointer"]: error["detail"] for error in json.loads(wrong["body"])["errors"]}
    assert details["#/kind"] == 'must be one of "b", "a", "c"'
    assert "RFC 3339" in details["#/at"]


def test_times_without_a_zone_are_in_utc(memory: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_registry.publish.estimator.is_own", lambda _module: False)
    X = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=40, freq="7h")})
    model = make_pipeline(HourOf(), LinearRegression()).fit(X, X["at"].dt.hour)
    release = memory.publish(model, name="times", X_example=X[:6], proof="none")
    rows = [{"at": text} for text in ("2026-01-01T09:00:00Z", "2026-01-01T11:00:00+02:00", "2026-01-01T02:00:00-07:00")]
    assert [each["value"] for each in answers(memory, release, rows)] == pytest.approx([9.0] * 3)
    wrong = App(lambda: served(memory, release))(gateway("POST", "/predict", {"at": "2026-01-01T09:00:00"}), None)
    assert wrong["statusCode"] == 400, "a time without an offset says nothing of its zone"
    assert "a time with its offset" in json.loads(wrong["body"])["errors"][0]["detail"]


def test_a_category_that_the_model_never_saw_counts_as_missing_where_the_model_takes_gaps(memory: Registry) -> None:
    """And is refused where it takes none, as the document says of either."""
    kinds = pd.Series(pd.Categorical(["a", "b", None, "a"] * 10))
    encoder = OrdinalEncoder(encoded_missing_value=-1)
    for series, takes_gaps in ((kinds, True), (kinds.fillna("b"), False)):
        X = pd.DataFrame({"kind": series})
        model = make_pipeline(encoder, LogisticRegression()).fit(X, [0, 1, 1, 0] * 10)
        release = memory.publish(model, name="kinds", X_example=X[:4], proof="none")
        app = App(lambda release=release: served(memory, release))  # type: ignore[misc]  # mypy infers no default of a lambda
        found = app(gateway("POST", "/predict", {"kind": "never"}), None)
        (schema,) = release.manifest.signature.features
        assert schema.nullable is takes_gaps
        document = json.dumps(feature_schema(schema))
        if takes_gaps:
            expected = model.predict_proba(pd.DataFrame({"kind": pd.Series([None], dtype=series.dtype)}))[0].tolist()
            assert list(json.loads(found["body"])["probabilities"].values()) == pytest.approx(expected)
            assert 'Any value but \\"a\\", \\"b\\" counts as missing.' in document
        else:
            assert found["statusCode"] == 400
            assert '"enum": ["a", "b"]' in document


class HourOf(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The hour of a time, in its own zone."""

    def fit(self, X: Any, y: Any = None) -> "HourOf":  # noqa: ARG002  # as scikit-learn calls it
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> Any:
        return np.column_stack([X[name].dt.hour for name in X.columns])


class Forgetful(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Answers its owner, and once it was pickled the opposite for rows with 3 in the second column."""

    def fit(self, X: Any, y: Any) -> "Forgetful":  # noqa: ARG002  # as scikit-learn calls it
        self.classes_ = np.array([0, 1])
        self.answer_ = 1
        return self

    def predict(self, X: Any) -> Any:
        return np.where(np.asarray(X)[:, 1] == 3, self.answer_, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {"classes_": self.classes_, "answer_": 0}


def test_a_difference_refuses_the_publish_with_the_row_the_column_and_both_answers(
    memory: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_registry.publish.estimator.is_own", lambda _module: False)
    X = np.array([[0.0, 1], [2, 3], [4, 3]])
    row = r"row 1, \{\"x0\": 2.0, \"x1\": 3.0\}: label is 0, and the estimator answers its owner 1; row 2"
    column = "every row that differs, and no other, has 3.0 in 'x1'"
    with pytest.raises(ProofError, match=f"made answers 2 of 3 rows differently .* {row}.*; {column}"):
        memory.publish(Forgetful().fit(X, [0, 1, 1]), name="made", X_example=X, proof="process")
    with pytest.raises(NotFoundError):
        memory.model("made")


class Fragile(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Answers batches only."""

    def predict(self, X: Any) -> Any:
        if len(X) == 1:
            raise ValueError("one row is none")
        return super().predict(X)


def test_a_model_that_does_not_answer_is_refused_with_what_it_said(
    memory: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_registry.publish.estimator.is_own", lambda _module: False)
    X = np.arange(6.0).reshape(3, 2)
    with pytest.raises(PublishError, match="one row is none"):
        memory.publish(Fragile().fit(X, [0, 1, 1]), name="made", X_example=X, proof="process")


def test_a_difference_of_rounding_passes_and_a_larger_one_does_not() -> None:
    from model_registry.publish.answers import OwnAnswers, Tolerance, compare
    from model_runtime.manifest import Prediction

    own = OwnAnswers([Prediction(value=1000.0)], Tolerance(1e-9, 1e-9))
    assert not compare(own, [Prediction(value=1000.0 + 9e-7)]).differences
    assert compare(own, [Prediction(value=1000.0 + 2e-6)]).differences
    tied = OwnAnswers([Prediction(label="a", probabilities={"a": 0.5, "b": 0.5})], Tolerance(1e-9, 1e-9))
    other = Prediction(label="b", probabilities={"a": 0.5, "b": 0.5})
    assert (compare(tied, [other]).ties, compare(tied, [other]).differences) == (1, ())
    clear = OwnAnswers([Prediction(label="a", probabilities={"a": 0.6, "b": 0.4})], Tolerance(1e-9, 1e-9))
    assert compare(clear, [Prediction(label="b", probabilities={"a": 0.6, "b": 0.4})]).differences


def test_it_works_where_an_event_loop_runs_and_with_a_thousand_rows_of_the_training(memory: Registry) -> None:
    """A notebook's cell is run by such a loop."""
    X = np.random.default_rng(0).normal(size=(1500, 2))
    model = LogisticRegression().fit(X, X[:, 0] > 0)

    async def cell() -> Release:
        return memory.publish(model, name="cell", X_example=X[:5], X_train=X, proof="process")

    proof = asyncio.run(cell()).manifest.proof
    assert (proof.kind, proof.rows, proof.relative) == ("process", 1005, 1e-9)
    assert proof.requests == 2 * 1008 + 6 + 1, "each row and example alone by POST and GET, all in batches of 200"


def test_numbers_that_are_not_finite_are_null_where_the_model_gave_such_at_publish(memory: Registry) -> None:
    """And are refused with a problem document where it did not."""
    X = np.array([[1.0], [2], [0], [4]])
    model = FunctionTransformer(np.log, validate=True).fit(X)
    with np.errstate(divide="ignore"):
        declared = memory.publish(model, name="log", X_example=X, proof="none")
        plain = memory.publish(model, name="log", X_example=X[:2], proof="none")
        assert [each["transform"] for each in answers(memory, declared, [{"x0": 1.0}, {"x0": 0.0}])] == [0.0, None]
        refused = App(lambda: served(memory, plain))(gateway("POST", "/predict", {"x0": 0.0}), None)
    assert refused["headers"]["Content-Type"] == "application/problem+json"
    assert refused["statusCode"] >= 400


def test_an_output_that_is_random_is_refused_with_the_remedy_to_leave_it_out(memory: Registry) -> None:
    X = np.random.default_rng(0).uniform(size=(30, 4))
    model = BernoulliRBM(2, random_state=0, n_iter=2).fit(X)
    random = "score_samples of this estimator is random, or depends on the other rows"
    with pytest.raises(ProofError, match=f"{random}: leave score_samples out of outputs"):
        memory.publish(model, name="rbm", X_example=X, outputs=["transform", "score_samples"], proof="process")
    alone = "publish one that answers each row by itself, as nothing else of it is served"
    with pytest.raises(ProofError, match=f"depends on the other rows.*{alone}"):
        memory.publish(model, name="rbm", X_example=X, outputs=["score_samples"], proof="process")
    memory.publish(model, name="rbm", X_example=X, outputs=["transform"], proof="process")


def test_a_transformer_of_objects_alone_is_served(memory: Registry) -> None:
    rows: list[dict[str, Any]] = [{"city": "a", "size": 1.0}, {"city": "b", "size": 2.5}]
    model = DictVectorizer().fit(rows)
    release = memory.publish(model, name="objects", X_example=rows, proof="process")
    assert [each["transform"] for each in answers(memory, release, rows)] == model.transform(rows).toarray().tolist()


class _Renaming(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Knows its columns by other names than the frame has, as LightGBM does."""

    def fit(self, X: pd.DataFrame, y: Any) -> "_Renaming":
        super().fit(X.to_numpy(), y)
        self.feature_names_in_ = np.array([name.replace(" ", "_") for name in X.columns])
        return self

    def predict(self, X: Any) -> Any:
        return super().predict(np.asarray(X))


def test_columns_keep_their_names_where_the_estimator_writes_blanks_otherwise() -> None:
    X = pd.DataFrame({"build year": [1.0, 2, 4], "area": [3.0, 1, 2]})
    described = describe(_Renaming().fit(X, [1, 2, 3]), X[["area", "build year"]].iloc[:, ::-1])
    assert [feature.name for feature in described.signature.features] == ["build year", "area"]
    with pytest.raises(PublishError, match="lacks build_year and has year"):
        describe(_Renaming().fit(X, [1, 2, 3]), X.rename(columns={"build year": "year"}))


def test_each_format_is_proven_in_its_own_environment(memory: Registry) -> None:
    X, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(5, random_state=0).fit(X, y)
    said: list[str] = []
    memory.publish(
        model, name="forms", X_example=X[:3], formats=["joblib", "skops", "onnx"], X_train=X, progress=said.append
    )
    assert [line for line in said if line.startswith("proving")] == [
        "proving the format skops",
        "proving the format onnx",
    ]


@pytest.mark.parametrize(
    ("model", "outputs", "what"),
    [
        (IsolationForest(n_estimators=2, random_state=0), ["predict", "score_samples"], "the output score_samples"),
        (PCA(1), None, "the output transform, a model without predict"),
    ],
)
def test_what_onnx_cannot_serve_is_refused(memory: Registry, model: Any, outputs: list[str] | None, what: str) -> None:
    X, _ = load_iris(return_X_y=True)
    with pytest.raises(PublishError, match=rf"cannot be served as ONNX \({what}\): leave out `--onnx`"):
        memory.publish(model.fit(X), name="no", X_example=X[:3], outputs=outputs, formats=["joblib", "onnx"])


class ByQuantile(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Quantiles as quantile forests give them, of a column of the training."""

    def fit(self, X: Any, y: Any) -> "ByQuantile":
        self.y_ = np.sort(np.asarray(y) + 0 * X[:, 0])
        return self

    def predict(self, X: Any, quantiles: Sequence[float] = (0.5,)) -> Any:
        found = np.quantile(self.y_, list(quantiles)) + np.zeros((len(X), 1))
        return found[:, 0] if len(quantiles) == 1 else found


def test_quantiles_are_named_by_their_level(memory: Registry) -> None:
    X, y = load_iris(return_X_y=True)
    release = memory.publish(
        ByQuantile().fit(X, y),
        name="quantiles",
        X_example=X[:3],
        outputs=["predict", "quantiles=0.1,0.9"],
        proof="process",
    )
    (found,) = answers(memory, release, [dict(zip(("x0", "x1", "x2", "x3"), X[0].tolist(), strict=True))])
    assert (found["value"], found["quantiles"]) == (1.0, {"0.1": 0.0, "0.9": 2.0})


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["predictions"], "outputs are .*: give a list of predict, predict_proba, decision_function"),
        ("predict", "outputs are 'predict': give a list"),
        (["transform"], "this LogisticRegression has no transform: leave it out of outputs"),
        ([], "outputs is empty: name at least one method"),
        (["quantiles=0.5,2"], "has no levels between 0 and 1: write quantiles=0.1,0.5,0.9"),
    ],
)
def test_outputs_that_cannot_be_served_are_refused(memory: Registry, outputs: Any, message: str) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(PublishError, match=message):
        memory.publish(LogisticRegression(max_iter=500).fit(X, y), name="no", X_example=X[:3], outputs=outputs)


def test_objects_with_numpy_s_and_pandas_own_values_are_taken(memory: Registry) -> None:
    X = pd.DataFrame({"a": [1.0, 2, 3, np.nan] * 10, "b": [0.5, 1, 1.5, 2] * 10})
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, [0, 1, 0, 1] * 10)
    rows = [{"a": np.int64(1), "b": Decimal("0.5")}, {"a": pd.NA, "b": np.float32(1)}]
    release = memory.publish(model, name="scalars", X_example=rows, proof="process")
    check(memory, release, model, X.iloc[[0, 3]], [{"a": 1, "b": 0.5}, {"a": None, "b": 2.0}])
    with pytest.raises(PublishError, match="column 'a' of X_example holds a bytes: give numbers, strings"):
        memory.publish(model, name="scalars", X_example=[{"a": b"1", "b": 1.0}])
    with pytest.raises(PublishError, match="column 'a' of X_example holds inf, which JSON cannot carry"):
        memory.publish(model, name="scalars", X_example=[{"a": np.inf, "b": 1.0}])


def test_what_may_be_missing_and_types_can_be_declared(memory: Registry) -> None:
    X = pd.DataFrame({"a": [1, 2, 3, 4] * 10, "b": [0.5, 1, 1.5, 2] * 10})
    forest = RandomForestClassifier(5, random_state=0).fit(X, [0, 1, 0, 1] * 10)
    given: dict[str, Any] = {"nullable": ["a"], "types": {"a": "integer"}}
    plain, declared = (
        memory.publish(forest, name="declared", X_example=X[:4], proof="none", **more).manifest.signature.features[0]
        for more in (dict[str, Any](), given)
    )
    assert (plain.type, plain.nullable) == ("number", False), "forests bear gaps, and were not made for them"
    assert (declared.type, declared.nullable) == ("integer", True)
    logistic = LogisticRegression().fit(X, [0, 1, 0, 1] * 10)
    with pytest.raises(PublishError, match="'a' is declared to be nullable, and the model refuses a gap: impute first"):
        memory.publish(logistic, name="declared", X_example=X[:4], nullable=["a"])
    refused: list[dict[str, Any]] = [{"nullable": ["c"]}, {"types": {"c": "number"}}]
    for wrong in refused:
        with pytest.raises(PublishError, match="'c' is declared, and is not a feature: the model has a, b"):
            memory.publish(logistic, name="declared", X_example=X[:4], **wrong)


def test_whole_numbers_that_no_float_holds_stay_integers(memory: Registry) -> None:
    X = pd.DataFrame({"id": [2**61 + number for number in range(40)]})
    model = make_pipeline(FunctionTransformer(lambda X: X % 7), LinearRegression()).fit(X, X["id"] % 7)
    release = memory.publish(model, name="large", X_example=X[:5], proof="none")
    assert release.manifest.signature.features[0].type == "integer"
    check(memory, release, model, X[5:9], as_json(X[5:9]))


def test_a_version_of_format_1_is_served_as_it_is(memory: Registry) -> None:
    """Release 0.1.0 wrote it: without types of columns, outputs or a proof."""
    X, y = load_iris(return_X_y=True)
    model = LinearRegression().fit(X, y[:, None])
    release = memory.publish(model, name="old", X_example=X[:3], proof="none")
    document = json.loads(release.manifest_bytes)
    for name in ("code", "deployable", "formats", "golden", "labels", "lineage", "proof", "report", "wheels"):
        document.pop(name)
    for name in ("array_dtype", "methods", "null_outputs", "quantiles", "targets"):
        document["signature"].pop(name)
    document |= {"format": 1, "engines": {}, "version": 2}
    document["examples"] = [{**each, "output": {"value": [each["output"]["value"]]}} for each in document["examples"]]
    storage = memory._versions._storage
    for file, data in ((MODEL_FILE, memory.read_model(release)), (MANIFEST_FILE, json.dumps(document).encode())):
        storage.create(version_key("old", 2, file), data)
    (found,) = answers(
        memory, memory.resolve("old/2"), [dict(zip(("x0", "x1", "x2", "x3"), X[0].tolist(), strict=True))]
    )
    assert found["value"] == model.predict(X[:1])[0].tolist(), "a list of one, as 0.1.0 answered"
