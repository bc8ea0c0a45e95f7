"""What scikit-learn's checks are spared is what they would have found."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import _array_api, validation

from model_runtime import checks
from model_runtime.changes import Changes, one_thread
from model_runtime.checks import quick_checks
from model_runtime.outputs import ProvenOutputs

_random = np.random.default_rng(0)
X = _random.normal(size=(40, 3))
y = (X[:, 0] > 0).astype(int)
MODEL = LogisticRegression().fit(X, y)


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


ARRAYS: dict[str, Any] = {
    "floats": X[:2].copy(),
    "floats of 32 bits": X[:2].astype(np.float32),
    "floats of 16 bits": X[:2].astype(np.float16),
    "integers": np.arange(6).reshape(2, 3),
    "objects": X[:2].astype(object),
    "columns after one another": np.asfortranarray(X[:2]),
    "each second row": X[:4:2],
    "what may not be written": frozen(X[:2].copy()),
    "a gap": np.array([[0.5, np.nan, 1.0]]),
    "infinity": np.array([[0.5, np.inf, 1.0]]),
    "too large for 32 bits": np.array([[0.5, 1e300, 1.0]]),
    "a sum that is too large": np.full((2, 3), 1.7e308),
    "no rows": X[:0],
    "too few columns": X[:2, :2],
    "one dimension": X[0],
    "three dimensions": X[:2, :, None],
    "a sparse array": csr_array(X[:2]),
    "a list": X[:2].tolist(),
}
PARAMETERS: list[dict[str, Any]] = [
    {},
    {"dtype": np.float32},
    {"dtype": [np.float64, np.float32]},
    {"dtype": None, "ensure_all_finite": False},
    {"dtype": (np.float32,), "ensure_all_finite": "allow-nan", "order": "C"},
    {"copy": True, "force_writeable": True, "ensure_min_samples": 2},
    {"accept_sparse": "csr", "order": "F"},
    {"ensure_non_negative": True},
]


def quick(name: str, estimator: Any = MODEL) -> Any:
    """The function that stands for one of scikit-learn's."""
    return next(value for _, changed, value in quick_checks(estimator) if changed == name)


def outcome(check: Callable[..., Any], inputs: Any, **parameters: Any) -> Any:
    try:
        found = check(MODEL, inputs, reset=False, **parameters)
    except (TypeError, ValueError) as error:
        return str(error)
    array = found.toarray() if hasattr(found, "toarray") else found
    return (
        array.dtype,
        array.shape,
        array.tobytes(),
        array.flags.c_contiguous,
        array.flags.f_contiguous,
        array is inputs,
    )


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_validated_as_scikit_learn_validates_it(name: str, parameters: dict[str, Any]) -> None:
    inputs = ARRAYS[name]
    expected = outcome(validation.validate_data, inputs, **parameters)
    assert outcome(quick("validate_data"), inputs, **parameters) == expected


def test_a_copy_is_the_caller_s_to_change() -> None:
    inputs = X[:2].copy()
    quick("validate_data")(MODEL, inputs, reset=False, copy=True)[:] = 0
    assert (inputs == X[:2]).all()


def test_finite_floats_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    answers = ProvenOutputs(estimator, probabilities=True)
    expected = answers(X[:1])
    monkeypatch.setattr(validation, "check_array", lambda *_, **__: pytest.fail("it was asked"))
    found = answers(X[:1].copy())
    assert (found[0] == expected[0]).all()
    assert (found[1] == expected[1]).all()


def counted(own: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    asked: list[Any] = []

    def function(*given: Any, **named: Any) -> Any:
        asked.append(given)
        return own(*given, **named)

    return function, asked


def test_where_arrays_are_is_asked_once() -> None:
    own, asked = counted(_array_api.get_namespace_and_device)
    place = checks._namespace_of_arrays(own, [])
    for inputs in (X, X[:1], X.astype(np.float32), np.arange(3)):
        assert place(inputs) == _array_api.get_namespace_and_device(inputs)
    assert len(asked) == 1
    others: list[Any] = [(X, X), (None,), (X.tolist(),), (csr_array(X),)]
    for given in others:
        assert place(*given) == _array_api.get_namespace_and_device(*given)
    assert asked[1:] == others


def test_where_arrays_are_is_always_asked_while_scikit_learn_dispatches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.get_config", lambda: {"array_api_dispatch": True})
    own, asked = counted(lambda *_: "elsewhere")
    place = checks._namespace_of_arrays(own, [])
    assert [place(X), place(X)] == ["elsewhere"] * 2
    assert len(asked) == 2


def test_an_array_is_moved_only_where_it_is_not() -> None:
    """`move_to` came with scikit-learn 1.8, so a stand-in says what it was asked."""
    own, asked = counted(lambda *_, **__: "moved")
    move, (xp, _, device) = checks._move_to(own, []), _array_api.get_namespace_and_device(X)
    assert move(X, xp=xp, device=device) is X
    assert asked == []
    assert move(X, xp=pytest, device=device) == move(X, xp=xp, device="gpu") == "moved"
    assert move(X, X, xp=xp, device=device) == move(csr_array(X), xp=xp, device=device) == "moved"
    assert len(asked) == 4


def test_an_estimator_is_asked_once_whether_it_is_fitted() -> None:
    class Asked(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        times = 0

        def __sklearn_is_fitted__(self) -> bool:
            type(self).times += 1
            return hasattr(self, "coef_")

    check = quick("check_is_fitted", estimator := Asked().fit(X, y))
    Asked.times = 0
    for _ in range(3):
        check(estimator)
    assert Asked.times == 1
    for _ in range(2):
        with pytest.raises(NotFittedError):
            check(Asked())


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (LogisticRegression(), "decision_function"),
        (GradientBoostingClassifier(n_estimators=3), "_raw_predict"),
        (HistGradientBoostingClassifier(max_iter=3), "_raw_predict"),
        (GaussianNB(), "_joint_log_likelihood"),
        (KNeighborsClassifier(weights="distance"), "kneighbors"),
        (RandomForestClassifier(3), "_validate_X_predict"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_labels_and_probabilities_are_made_of_is_computed_once(
    monkeypatch: pytest.MonkeyPatch, estimator: Any, method: str
) -> None:
    times: list[str] = []
    own = getattr(type(estimator), method)

    @wraps(own)
    def counted(*given: Any, **named: Any) -> Any:
        times.append(method)
        return own(*given, **named)

    monkeypatch.setattr(type(estimator), method, counted)
    answers = ProvenOutputs(estimator.fit(X, y), probabilities=True)
    answers(X[:3])
    times.clear()
    labels, table = answers(X[:3].copy())
    assert times == [method]
    assert (labels == estimator.predict(X[:3])).all()
    assert (table == estimator.predict_proba(X[:3])).all()


def test_the_same_array_with_other_values_is_another_request() -> None:
    answers = ProvenOutputs(MODEL, probabilities=True)
    inputs = X[:3].copy()
    answers(inputs)
    inputs[:] = X[3:6]
    labels, table = answers(inputs)
    assert (labels == MODEL.predict(X[3:6])).all()
    assert (table == MODEL.predict_proba(X[3:6])).all()


def test_checks_in_functions_of_other_modules_are_the_own_ones() -> None:
    """Only the modules of an estimator's classes are changed, and only for as long as it answers."""
    changes = quick_checks(make_pipeline(FunctionTransformer(), MODEL))
    assert validation.validate_data not in [value for _, _, value in changes]
    assert all(attributes is not vars(validation) for attributes, _, _ in changes)
    before = [attributes[name] for attributes, name, _ in changes]
    with Changes(changes):
        assert [attributes[name] for attributes, name, _ in changes] == [value for _, _, value in changes]
    assert [attributes[name] for attributes, name, _ in changes] == before


@pytest.mark.parametrize("init", [None, "zero", DummyClassifier(), DummyClassifier(strategy="stratified")], ids=str)
def test_gradient_boosting_begins_with_what_it_began_with(init: Any) -> None:
    """Only where that is the same for every row; what it adds to it does not stay."""
    estimator = GradientBoostingClassifier(n_estimators=3, init=init).fit(X, y)
    answers = ProvenOutputs(estimator, probabilities=True)
    is_random = init is not None and init != "zero" and init.strategy == "stratified"
    assert ("_raw_predict_init" in [name for _, name, _ in quick_checks(estimator)]) == (
        init != "zero" and not is_random
    )
    if not is_random:
        for rows in (X[:1], X[1:2], X[2:3], X):
            labels, table = answers(rows)
            assert (labels == estimator.predict(rows)).all()
            assert (table == estimator.predict_proba(rows)).all()


def lightgbm_like(**parameters: Any) -> Any:
    """A stand-in for LightGBM's estimators, which are not in this environment: it collects its parameters."""

    def process_params(self: Any, stage: str) -> dict[str, Any]:
        self.times_.append(stage)
        return dict(self.get_params(), stage=stage)

    more = {"__module__": "lightgbm.sklearn", "_process_params": process_params}
    estimator = type("LGBMClassifier", (LogisticRegression,), more)(**parameters).fit(X, y)
    estimator.times_ = []
    return estimator


def test_lightgbm_uses_one_thread_and_collects_its_parameters_once() -> None:
    estimator = lightgbm_like()
    with Changes([*one_thread(estimator), *quick_checks(estimator)]):
        first = estimator._process_params(stage="predict")
        assert first.pop("n_jobs") == 1, "None means all processors there"
        assert estimator._process_params("predict")["n_jobs"] == 1
    assert estimator.times_ == ["predict"]
    assert estimator.n_jobs is None
    assert "_process_params" not in vars(estimator)
