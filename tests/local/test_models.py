"""Other models than Iris, by the same path: published, deployed by the unchanged program, asked over HTTP."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jsonschema
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from local.iris import Answer, call
from local.ministack import LocalAws
from model_registry import Registry
from model_runtime.prediction import same_value
from tests.conftest import new_bucket
from tests.local.stacks import Deployed, registry_of

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A fitted estimator, the rows that callers send, and what is wrong with some that they should not."""

    estimator: Any
    rows: list[Row]
    """The last ones hold what was not in training: an unknown category, an unknown word, a value far off."""
    to_inputs: Callable[[list[Row]], Any]
    """Rows as the estimator itself takes them."""
    wrong: Mapping[str, Any]
    """Fields with a value that their type does not allow."""
    publish: Mapping[str, Any] = field(default_factory=dict)
    has_get: bool = True
    container: str = "array"


def table(rows: list[Row]) -> Any:
    """An array in the order of the fields, NaN where one is None or left out."""
    names = list(rows[0])
    return np.array([[row.get(name) for name in names] for row in rows], dtype=float)


def numbered(X: Any) -> list[Row]:
    return [{f"x{i}": value for i, value in enumerate(row)} for row in X.tolist()]


def customers() -> Model:
    """A Pipeline with a ColumnTransformer: texts, numbers with gaps, integers and booleans from a DataFrame."""
    frame = pd.DataFrame(
        {
            "age": [31.5, None, 58.0, 44.0, 23.0, 37.0] * 10,
            "city": ["Oslo", "Rome", None, "Oslo", "Bern", "Rome"] * 10,
            "orders": range(60),
            "member": [True, False, False, True, True, False] * 10,
        }
    )
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "orders"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ],
        remainder="passthrough",
    )
    leaves = np.array(["stays", "leaves"])[[0, 1, 1, 0, 0, 0] * 10]
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, leaves)

    def to_inputs(rows: list[Row]) -> Any:
        # With a row of training in front, so that the columns are of the types that were fitted.
        given = pd.DataFrame([{name: row.get(name) for name in frame} for row in rows])
        return pd.concat([frame, given]).astype(frame.dtypes)[len(frame) :]

    rows: list[Row] = [
        {"age": 31.5, "city": "Oslo", "orders": 3, "member": True},
        {"age": None, "city": "Rome", "orders": 12, "member": False},
        {"age": 58.25, "city": None, "orders": 0, "member": False},
        {"orders": 7, "member": True},
        {"age": 40, "city": "Atlantis", "orders": 100, "member": True},
    ]
    wrong = {"age": "old", "city": 5, "orders": "many", "member": "perhaps"}
    return Model(estimator, rows, to_inputs, wrong, {"X_example": frame[:5]}, container="dataframe")


def prices() -> Model:
    """A regressor, with threads that a function has no use for."""
    X = np.random.default_rng(0).uniform(size=(80, 3))
    estimator = RandomForestRegressor(20, random_state=0, n_jobs=-1).fit(X, X @ [3.0, 1.0, 0.2])
    rows = [*numbered(X[:4]), {"x0": 1e6, "x1": -5, "x2": 0}]
    return Model(estimator, rows, table, {"x0": "a", "x2": None}, {"X_example": X[:5]})


def reviews() -> Model:
    """A text classifier."""
    texts = ["a good thing", "a bad thing", "good, so good", "bad", "how bad", "the good & the ugly"] * 4
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["+", "-", "+", "-", "-", "+"] * 4)
    sent = ["a good thing", "Bad?", "the good & the ugly", "größer = ✓ 100%", ""]
    rows: list[Row] = [{"text": text} for text in sent]
    return Model(
        estimator,
        rows,
        lambda rows: [row["text"] for row in rows],
        {"text": 1},
        {"X_example": texts[:3]},
        container="list",
    )


def boosting() -> Model:
    """Gradient boosting, which takes missing numbers as they are; the classes get other names."""
    random = np.random.default_rng(1)
    X = random.normal(size=(120, 4))
    X[random.uniform(size=X.shape) < 0.2] = np.nan
    X[:3] = np.array([[1, 2, 3, 4], [np.nan, 0.5, np.nan, 1], [0.1, np.nan, 2, np.nan]])
    y = (np.nansum(X, axis=1) > 0).astype(int) + (np.nansum(X, axis=1) > 2)
    names = ["w", "x", "y", "z"]
    estimator = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(X, y)
    rows: list[Row] = [dict(zip(names, row, strict=True)) for row in X[:3].tolist()]
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]  # noqa: PLR0124  # NaN
    publish = {"X_example": X[:3], "feature_names": names, "class_names": ["low", "mid", "high"]}

    def to_inputs(rows: list[Row]) -> Any:
        return np.array([[row.get(name) for name in names] for row in rows], dtype=float)

    return Model(estimator, [*rows, {"w": 1.5}, {}], to_inputs, {"w": "a", "z": []}, publish)


def several_labels() -> Model:
    """Two outputs, of texts and with a probability of each label of each."""
    X = np.random.default_rng(2).normal(size=(90, 3))
    y = np.c_[np.where(X[:, 0] > 0, "red", "blue"), np.array(["s", "m", "l"])[np.digitize(X[:, 1], [-0.5, 0.5])]]
    estimator = RandomForestClassifier(20, random_state=0).fit(X, y)
    return Model(estimator, numbered(X[:5]), table, {"x1": "a"}, {"X_example": X[:5]})


def several_values() -> Model:
    X = np.random.default_rng(4).normal(size=(40, 2))
    estimator = LinearRegression().fit(X, X @ [[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]])
    return Model(estimator, numbered(X[:5]), table, {"x0": "a"}, {"X_example": X[:5]})


def wide() -> Model:
    """200 features: nobody writes such a query string."""
    X = np.random.default_rng(5).normal(size=(60, 200))
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 7] > 0)
    return Model(estimator, numbered(X[:5]), table, {"x0": "a", "x199": None}, {"X_example": X[:5]}, has_get=False)


MODELS = {
    "customers": customers,
    "prices": prices,
    "reviews": reviews,
    "boosting": boosting,
    "several-labels": several_labels,
    "several-values": several_values,
    "wide": wide,
}


@pytest.fixture(scope="module")
def models(aws: LocalAws) -> Registry:
    """A registry for all of them."""
    return registry_of(aws, new_bucket(aws))


@dataclass(frozen=True)
class Served:
    """A model behind its API."""

    name: str
    model: Model
    stack: Deployed

    def get(self, row: Row) -> Answer:
        """GET a row; what is None is left out."""
        given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()}
        query = urlencode({name: value for name, value in given.items() if row[name] is not None})
        return call(f"{self.stack.outputs['invokeUrl']}?{query}")

    def expected(self, rows: list[Row]) -> list[dict[str, Any]]:
        """What the estimator itself says, in the form of an answer."""
        estimator, inputs = self.model.estimator, self.model.to_inputs(rows)
        outputs = estimator.predict(inputs).tolist()
        if not hasattr(estimator, "classes_"):
            return [{"value": value} for value in outputs]
        tables = estimator.predict_proba(inputs)
        if isinstance(tables, list):
            named = [_named(each, labels) for each, labels in zip(tables, estimator.classes_, strict=True)]
            return [{"label": label, "probabilities": [each[i] for each in named]} for i, label in enumerate(outputs)]
        names = self.model.publish.get("class_names", estimator.classes_.tolist())
        label_of = dict(zip(estimator.classes_.tolist(), names, strict=True))
        return [
            {"label": label_of[label], "probabilities": each}
            for label, each in zip(outputs, _named(tables, names), strict=True)
        ]


def _named(probabilities: Any, labels: Any) -> list[dict[str, float]]:
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    return [dict(zip(names, row, strict=True)) for row in probabilities.tolist()]


@pytest.fixture(scope="module", params=MODELS)
def served(
    request: pytest.FixtureRequest, aws: LocalAws, models: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """The model, published, tagged and deployed."""
    name, model = request.param, MODELS[request.param]()
    release = models.publish(model.estimator, name=name, **model.publish)
    assert release.manifest.signature.container == model.container
    models.tag(release.manifest.reference, "dev")
    config = {"registryBucket": models.location.removeprefix("s3://"), "model": name}
    return Served(name, model, Deployed(aws, "dev", tmp_path_factory.mktemp(name), config).up())


def origin(served: Served) -> dict[str, Any]:
    return {"model": served.name, "version": 1}


def test_each_row_is_answered_as_the_estimator_answers_it(served: Served) -> None:
    for row, expected in zip(served.model.rows, served.expected(served.model.rows), strict=True):
        answer = served.stack.post(row)
        assert answer.status == 200, answer
        assert same_value(answer.body, {**expected, **origin(served)}), (row, answer.body)


def test_a_batch_is_answered_in_order(served: Served) -> None:
    """Rows without any missing value, and one with nothing else, do not change what another row is answered."""
    rows = served.model.rows * 3
    answer = served.stack.post({"instances": rows})
    assert answer.status == 200, answer
    assert same_value(answer.body, {"predictions": served.expected(rows), **origin(served)})


def test_a_get_is_answered_as_the_post_is(served: Served) -> None:
    if not served.model.has_get:
        assert served.get(served.model.rows[0]).status == 405  # the function says that it has no such method
        return
    for row in served.model.rows:
        assert served.get(row).body == served.stack.post(row).body


def test_the_outputs_have_lines_that_work(served: Served) -> None:
    post = shlex.split(served.stack.outputs["curlPost"])
    assert call(post[-1], json.loads(post[post.index("-d") + 1])).status == 200
    get = shlex.split(served.stack.outputs["curlGet"], comments=True)
    if served.model.has_get:
        assert call(get[-1]).status == 200
    else:
        assert get == []
        assert "the model has 200 features, and a query string takes 50 at most" in served.stack.outputs["curlGet"]


def test_the_api_s_description_has_the_form_of_the_answers(served: Served) -> None:
    document = served.stack.read("openapi.json").body
    assert ("get" in document["paths"]["/predict"]) == served.model.has_get
    schema = {"$ref": "#/components/schemas/Answer", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(served.stack.post(served.model.rows[0]).body)


def test_a_wrong_type_is_refused_with_its_field(served: Served) -> None:
    """POST by the gateway, which has the schema; GET, where everything is text, and direct events by the function."""
    for name, value in served.model.wrong.items():
        row = {**served.model.rows[0], name: value}
        for body in (row, {"instances": [served.model.rows[0], row]}):
            answer = served.stack.post(body)
            assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
            assert "x-model-version" not in answer.headers, "the function was asked"
        direct = served.stack.invoke(row)
        errors = json.loads(direct["body"])["errors"]
        assert (direct["statusCode"], [error["pointer"] for error in errors]) == (400, [f"#/{name}"])
        if served.model.has_get and value is not None and not isinstance(served.model.rows[0][name], str):
            answer = served.get(row)
            assert (answer.status, [error["parameter"] for error in answer.body["errors"]]) == (400, [name])


def test_a_field_that_is_not_a_feature_is_refused(served: Served) -> None:
    assert served.stack.post({**served.model.rows[0], "more": 1}).status == 400
