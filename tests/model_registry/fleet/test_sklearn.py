"""Every estimator of scikit-learn is served as it answers, or refused; `make soak` tries every form of rows."""

from collections.abc import Iterator, Sequence

import pytest
from sklearn.utils import all_estimators

from tests.model_registry.fleet.estimators import OF_TARGETS, attempts
from tests.model_registry.fleet.outcomes import Attempt, Outcome, outcomes
from tests.model_registry.fleet.page import PAGE, marks_on_page, row_of
from tests.model_registry.fleet.rows import FORMS

# One or two of each kind: they are tried in every form of rows, all others in one.
_IN_EVERY_FORM = {"HistGradientBoostingClassifier", "KNeighborsRegressor", "LogisticRegression", "OrdinalEncoder"}
_PARTS = 4


def _fast() -> Iterator[Attempt]:
    """Each estimator in one form that it can be fitted in, the forms by turns; a few in all."""
    by_name: dict[str, list[Attempt]] = {}
    for attempt in attempts():
        by_name.setdefault(attempt.name, []).append(attempt)
    for number, (name, mine) in enumerate(sorted(by_name.items())):
        if name in _IN_EVERY_FORM:
            yield from mine
        else:
            turned = [each for each in mine if not each.form.endswith("gaps")]
            yield turned[number % len(turned)]


def _assert_right(found: Sequence[Outcome]) -> None:
    assert [one for one in found if one.result == "wrong"] == []
    assert any(one.result == "served" for one in found)


@pytest.mark.no_cover  # each estimator goes the same way through the same lines
@pytest.mark.parametrize("part", range(_PARTS))
def test_each_estimator_answers_as_its_owner_has_it_or_is_refused(part: int) -> None:
    found = outcomes(list(_fast())[part::_PARTS])
    _assert_right(found)
    text = PAGE.read_text(encoding="utf-8")
    for one in found:
        on_page = marks_on_page(text, one.name).get(one.form)
        assert on_page == row_of(one.name, [one])[one.form], f"{one}: run `make models` to write docs/models.md anew"


def test_no_estimator_of_scikit_learn_is_left_out() -> None:
    assert {one.name for one in attempts()} | set(OF_TARGETS) == {name for name, _ in all_estimators()}


@pytest.mark.soak
@pytest.mark.parametrize("form", FORMS)
def test_each_estimator_in_each_form(form: str) -> None:
    _assert_right(outcomes(each for each in attempts() if each.form == form))
