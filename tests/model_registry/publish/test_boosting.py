"""LightGBM, XGBoost and CatBoost convert to ONNX with the answers that they give themselves, or say why not."""

import sys
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from model_registry import Registry, open_storage
from model_registry.environments import RUNNING
from model_registry.publish.boosting import register_converters
from model_runtime.errors import PublishError
from tests.model_registry.fleet import environments
from tests.model_registry.fleet.outcomes import Conversion

REFUSED = {
    "CatBoost of booleans": "CatBoost writes no classes such as [False, True] to ONNX: train with whole numbers or",
    "CatBoost of categories": "CatBoost does not write categories to ONNX: encode them in a step before it, or leave",
    "CatBoost of trees with leaves": "available only for models on oblivious trees): leave out `--onnx`",
    "LightGBM of one against all": "answers 10443 of 10443 rows differently once converted to ONNX: {'x0': 5.1, ",
    "XGBoost without trees": "there is no converter for booster='gblinear': train with booster='gbtree', or leave out",
}


class _Boosted(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator that is known for LightGBM's by where it comes from."""


_Boosted.__module__ = "lightgbm.sklearn"


def test_without_onnxmltools_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    with pytest.raises(PublishError, match=r"a model of lightgbm to ONNX needs onnxmltools: `pip install onnxmltools`"):
        register_converters([LogisticRegression(), _Boosted()])


def check(found: list[Conversion]) -> None:
    refused = {one.name.removeprefix("refused: "): one.said for one in found if one.name.startswith("refused: ")}
    assert refused.keys() == REFUSED.keys()
    assert [name for name, said in REFUSED.items() if said not in refused[name]] == []
    assert [one for one in found if one.said and not one.name.startswith("refused: ")] == []
    assert all(one.rows >= 10_000 for one in found if not one.said)


def test_classifiers_and_regressors_alone_and_behind_columns_answer_as_they_do_themselves() -> None:
    found = environments.convert(everything=False)
    assert sum(not one.said for one in found) == 12
    check(found)


@pytest.mark.soak
def test_so_do_large_ones_other_objectives_and_those_inside_others() -> None:
    check(environments.convert(everything=True))


@pytest.mark.soak
@pytest.mark.parametrize(("name", "fitting"), [("lightgbm", ()), ("xgboost", ()), ("catboost", ("onnx",))])
def test_what_is_too_large_for_a_function_is_published_for_onnx_alone(
    tmp_path: Path, name: str, fitting: tuple[str, ...]
) -> None:
    environments.publish_boosted(str(tmp_path), name, proof="full")
    manifest = Registry(open_storage(str(tmp_path)), actor="the tests").resolve(f"{name}/1").manifest
    # Lambda's python3.11 takes no current scikit-learn: from there nothing but ONNX is deployed.
    assert manifest.deployable == (("onnx",) if RUNNING == "3.11" else fitting)
    assert manifest.proof.kind == "full"
    assert manifest.formats["onnx"].replay is not None
