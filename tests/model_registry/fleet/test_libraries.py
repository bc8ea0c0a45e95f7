"""Models of other packages, published in environments that have them; `make soak` tries all under pandas 2 and 3."""

import pytest

from tests.model_registry.fleet import environments
from tests.model_registry.fleet.environments import LOCKS


def test_lightgbm_with_native_categories_is_served_as_it_answers() -> None:
    found = environments.run("boosting", "lightgbm")
    assert {(one.form, one.result) for one in found if "categories" in one.form} == {
        ("native categories, text with gaps", "served"),
        ("native categories, whole numbers", "served"),
    }
    assert [one for one in found if one.result not in {"served", "not fitted"}] == []


@pytest.mark.soak
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("group", ["", "scikit-learn"])
def test_every_package_under_pandas_2_and_3(lock: str, group: str) -> None:
    found = environments.run(lock, group)
    assert [one for one in found if one.result == "wrong"] == []
    assert any(one.result == "served" for one in found)
