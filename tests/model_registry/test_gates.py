import math
import operator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.gates import Gates, JointGates, check_gates, is_lower_better, joined, parse, passed
from model_registry.gates import judged as judged_gates
from model_registry.records import Mark
from model_runtime.errors import GateError, InvalidGateError, InvalidNameError
from model_runtime.manifest import Feature, Manifest, Proof, Signature
from tests.model_registry.made import made

PROD = made(3, metrics={"accuracy": 0.96, "log_loss": 0.2})
CHANGES = "feature 'x' was removed, feature 'y' was added, it cannot be left out"
ALLOW = "allow breaking changes if it is meant, also in the tag's promotion rules if it has any"
OTHER_SIGNATURE = Signature(features=(Feature(name="y", type="number"),))

numbers = st.floats(allow_nan=False, allow_infinity=False)
gates = st.builds(
    Gates,
    require=st.lists(st.sampled_from(["a>=1", "b<2", "c==0"])).map(tuple),
    not_worse_than=st.none() | st.sampled_from(["prod", "dev"]),
    verify=st.booleans(),
    proof=st.sampled_from(["none", "process", "full"]),
    allow_breaking=st.booleans(),
    allow_deprecated=st.booleans(),
)


def judged(call: Gates, candidate: Manifest, standing: Gates | None = None, **more: Any) -> tuple[str, ...]:
    state = {"target": "iris@prod", "current": PROD, "baselines": {"prod": PROD}, "deprecated": None, **more}
    return passed(state["target"], judged_gates(joined(standing, call), candidate, **state))


def failures(call: Gates, candidate: Manifest, standing: Gates | None = None, **more: Any) -> list[str]:
    with pytest.raises(GateError) as raised:
        judged(call, candidate, standing, **more)
    assert str(raised.value) == "iris@prod was not moved: " + "; ".join(raised.value.failures)
    return raised.value.failures


def test_passed_checks_are_sentences_with_the_numbers() -> None:
    candidate = made(4, metrics={"accuracy": 0.98, "log_loss": 0.2, "new": 1.0})
    assert judged(Gates(require=("accuracy>=0.95", "log_loss < 0.3"), not_worse_than="prod"), candidate) == (
        "accuracy 0.98 >= 0.95",
        "log_loss 0.2 < 0.3",
        "accuracy 0.98 is not worse than 0.96 of iris/3 (prod)",
        "log_loss 0.2 is not worse than 0.2 of iris/3 (prod)",
    )


def test_all_failed_gates_are_told_at_once_with_their_numbers() -> None:
    candidate = made(4, metrics={"accuracy": 0.9, "log_loss": 0.25}, signature=OTHER_SIGNATURE)
    mark = Mark(by="someone", at=datetime.now(UTC), reason="leaks")
    found = failures(
        Gates(require=("accuracy>=0.95", "f1>0.5", "log_loss<1"), not_worse_than="prod"), candidate, deprecated=mark
    )
    assert found == [
        "accuracy of iris/4 is 0.9, >= 0.95 is required",
        "iris/4 has no metric 'f1' (it has accuracy, log_loss)",
        "accuracy of iris/4 is 0.9, worse than 0.96 of iris/3 (prod)",
        "log_loss of iris/4 is 0.25, worse than 0.2 of iris/3 (prod)",
        f"iris/4 breaks callers of iris/3 ({CHANGES}): {ALLOW}",
        "iris/4 is deprecated by someone (leaks)",
    ]


def test_numbers_have_six_digits_and_more_only_where_those_are_the_same() -> None:
    third = made(4, metrics={"accuracy": 17 / 30, "close": 0.9499999})
    assert judged(Gates(require=("accuracy>=0.5",)), third) == ("accuracy 0.566667 >= 0.5",)
    assert failures(Gates(require=("close>=0.95",)), third) == ["close of iris/4 is 0.9499999, >= 0.95 is required"]
    assert failures(Gates(not_worse_than="prod"), third) == [
        "accuracy of iris/4 is 0.566667, worse than 0.96 of iris/3 (prod)"
    ]


@given(numbers, numbers, st.sampled_from([">=", ">", "<=", "<", "=="]))
def test_a_bound_holds_as_the_operator_says_also_exactly_at_it(value: float, bound: float, sign: str) -> None:
    holds = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}[sign]
    for number in (value, bound):
        assert parse(f"m{sign}{bound!r}").is_met_by(number) == holds(number, bound)


@pytest.mark.parametrize("sign", [">=", ">", "<=", "<", "=="])
def test_a_metric_that_is_nan_passes_no_gate(sign: str) -> None:
    candidate = made(4, metrics={"accuracy": math.nan})
    (found,) = failures(Gates(require=(f"accuracy{sign}0.95",)), candidate)
    assert found == f"accuracy of iris/4 is nan, {sign} 0.95 is required"
    assert failures(Gates(not_worse_than="prod"), candidate)
    assert failures(Gates(not_worse_than="prod"), PROD, baselines={"prod": candidate})


@given(
    st.text(st.characters(exclude_characters="<>=", exclude_categories=["Cs", "Z", "C"]), min_size=1),
    st.sampled_from([">=", ">", "<=", "<", "=="]),
    numbers,
    st.sampled_from(["", " ", "  "]),
)
def test_a_requirement_is_read_back_as_written(metric: str, sign: str, bound: float, space: str) -> None:
    found = parse(f"{space}{metric}{space}{sign}{space}{bound!r}{space}")
    assert (found.metric, found.operator, found.bound) == (metric, sign, bound)


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy>=", ">=0.9", "a=0.9", "a=>0.9", "a>=b", "a>=nan", "a>=inf", "a>1>2", "a!=1", "a>=1 2"],
)
def test_what_is_no_requirement_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidGateError, match=r"write METRIC, one of .* for example accuracy>=0.95"):
        check_gates(Gates(require=("a>=1", text)))


def test_a_baseline_that_is_no_tag_name_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="tag 'Prod!' is not usable"):
        check_gates(Gates(not_worse_than="Prod!"))


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        *[(name, True) for name in ("rmse", "test_rmse", "MAE", "log_loss", "val/loss", "mean_squared_error", "brier")],
        *[(name, True) for name in ("brier_score_loss", "error rate", "logloss", "mape")],
        *[(name, False) for name in ("accuracy", "r2", "neg_log_loss", "neg_mean_squared_error", "f1", "roc_auc")],
        *[(name, False) for name in ("lossless", "terror", "maestro")],
    ],
)
def test_a_lower_metric_is_better_where_its_name_says_error_or_loss(metric: str, lower: bool) -> None:  # noqa: FBT001  # a column of the table
    assert is_lower_better(metric) is lower
    better, worse = (0.1, 0.2) if lower else (0.2, 0.1)
    good, bad = made(1, metrics={metric: better}), made(2, metrics={metric: worse})
    assert judged(Gates(not_worse_than="prod"), good, baselines={"prod": bad})
    assert judged(Gates(not_worse_than="prod"), good, baselines={"prod": good}), "the same is not worse"
    assert failures(Gates(not_worse_than="prod"), bad, baselines={"prod": good})


def test_without_a_metric_in_common_nothing_is_shown_to_be_not_worse() -> None:
    found = failures(Gates(not_worse_than="prod"), made(4, metrics={"f1": 1.0}))
    assert found == ["there is no metric in common to compare: iris/4 has f1, iris/3 (prod) has accuracy, log_loss"]
    assert "iris/4 has none" in failures(Gates(not_worse_than="prod"), made(4))[0]


def test_the_first_version_of_a_tag_passes_not_worse_than_that_tag_and_no_other() -> None:
    state: dict[str, Any] = {"current": None, "baselines": {"prod": None, "dev": None}}
    assert judged(Gates(not_worse_than="prod"), PROD, **state) == (
        "iris@prod points at no version, there is nothing to compare with",
    )
    assert failures(Gates(not_worse_than="dev"), PROD, **state) == [
        "iris@dev points at no version, there is nothing to compare with"
    ]


def test_a_breaking_change_that_was_allowed_is_on_record() -> None:
    candidate = made(4, signature=OTHER_SIGNATURE)
    (check,) = judged(Gates(allow_breaking=True), candidate)
    assert check.startswith("iris/4 breaks callers of iris/3 (feature 'x' was removed")
    assert check.endswith(", which was allowed")
    assert judged(Gates(), candidate, current=None) == (), "nobody calls a tag that points at nothing"


def test_a_deprecated_version_needs_leave() -> None:
    mark = Mark(by="someone", at=datetime.now(UTC), reason="")
    assert failures(Gates(), PROD, deprecated=mark) == ["iris/3 is deprecated by someone (no reason given)"]
    assert judged(Gates(allow_deprecated=True), PROD, deprecated=mark) == (
        "iris/3 is deprecated by someone (no reason given), which was allowed",
    )


def demands(found: JointGates) -> set[Any]:
    flags = {"verify": found.verify, "callers": not found.allow_breaking, "deprecated": not found.allow_deprecated}
    return {*found.require, *found.not_worse_than, *(name for name, demanded in flags.items() if demanded)}


@given(gates, gates)
def test_a_call_never_weakens_the_rules_nor_the_rules_a_call(standing: Gates, call: Gates) -> None:
    assert demands(joined(standing, call)) == demands(joined(None, standing)) | demands(joined(None, call))
    assert joined(standing, standing) == joined(None, standing)


@pytest.mark.parametrize("kind", ["none", "process", "full"])
def test_a_proof_can_be_demanded_by_the_call_or_by_the_rules(kind: Any) -> None:
    candidate = msgspec.structs.replace(made(4, metrics=PROD.metrics), proof=Proof(kind=kind))
    for call, standing in ((Gates(proof="full"), None), (Gates(), Gates(proof="full"))):
        if kind == "full":
            assert "proof full" in judged(call, candidate, standing)
        else:
            sentence = f"iris/4 was published with the proof {kind!r}, 'full' is required"
            assert sentence in failures(call, candidate, standing)
    assert not any(check.startswith("proof") for check in judged(Gates(), candidate))
