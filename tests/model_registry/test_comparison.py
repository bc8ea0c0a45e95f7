import math
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.comparison import SignatureChange, breaking_changes, compare, signature_changes
from model_runtime.manifest import Environment, Feature, Lineage, Signature
from tests.model_registry.made import made

NUMBER = Feature(name="sl", type="number")
OLD = Signature(features=(NUMBER, Feature(name="sw", type="integer")), labels=("a", "b"), probabilities=True)

names = st.sampled_from(["a", "b", "c", "d d"])
features = st.builds(
    Feature, name=names, type=st.sampled_from(["number", "integer", "string", "boolean"]), nullable=st.booleans()
) | st.builds(
    Feature,
    name=names,
    type=st.just("string"),
    nullable=st.booleans(),
    categories=st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True).map(tuple),
)
labels = st.lists(
    st.sampled_from(["x", "1", 1, 1.5, True, False]), min_size=1, unique_by=lambda each: (type(each), each)
)
signatures = st.builds(
    Signature,
    features=st.lists(features, min_size=1, unique_by=lambda feature: feature.name).map(tuple),
    container=st.sampled_from(["array", "dataframe"]),
    output=st.sampled_from(["label", "value"]),
    labels=st.none() | labels.map(tuple),
    probabilities=st.booleans(),
)


def changed(**changes: Any) -> Signature:
    return msgspec.structs.replace(OLD, **changes)


def with_features(*more: Feature) -> Signature:
    return changed(features=(*OLD.features, *more))


def with_first(**changes: Any) -> Signature:
    return changed(features=(msgspec.structs.replace(NUMBER, **changes), *OLD.features[1:]))


BREAKING = {
    "a required feature added": (OLD, with_features(Feature(name="new", type="number")), "feature 'new' was added, it"),
    "a feature removed": (OLD, changed(features=OLD.features[1:]), "feature 'sl' was removed"),
    "another type": (OLD, with_first(type="string"), "feature 'sl' is of type string, before number"),
    "integers only": (OLD, with_first(type="integer"), "feature 'sl' is of type integer, before number"),
    "null no more": (with_first(nullable=True), OLD, "feature 'sl' cannot be left out or null any more"),
    "another output": (OLD, changed(output="value"), "answers have a value, before a label"),
    "no probabilities": (OLD, changed(probabilities=False), "answers have no probabilities any more"),
    "a label removed": (OLD, changed(labels=("a",)), 'label "b" was removed'),
    "a label added": (OLD, changed(labels=("a", "b", "c")), 'label "c" was added'),
    "labels not listed": (OLD, changed(labels=None), "the labels are not listed any more"),
    "labels listed": (changed(labels=None), OLD, "the labels are listed now"),
    "no GET": (
        OLD,
        with_features(Feature(name="with space", type="number", nullable=True)),
        "it cannot be asked by GET",
    ),
}

COMPATIBLE = {
    "the same": (OLD, OLD, None),
    "another order": (OLD, changed(features=OLD.features[::-1]), "the features have another order"),
    "a nullable feature added": (
        OLD,
        with_features(Feature(name="new", type="string", nullable=True)),
        "feature 'new' was added, it may be left out",
    ),
    "any number": (with_first(type="integer"), OLD, "feature 'sl' takes any number, before integers only"),
    "null allowed": (OLD, with_first(nullable=True), "feature 'sl' may be left out or null now"),
    "probabilities": (changed(probabilities=False), OLD, "answers have probabilities now"),
    "labels in another order": (OLD, changed(labels=("b", "a")), "the labels have another order"),
    "any string": (
        with_first(type="string", categories=("a", "b")),
        with_first(type="string"),
        "feature 'sl' takes any string, before categories only",
    ),
    "categories where others count as missing": (
        with_first(type="string", nullable=True),
        with_first(type="string", nullable=True, categories=("a", "b")),
        "feature 'sl' takes others than its categories as missing, before any string",
    ),
    "a category added": (
        with_first(type="string", categories=("a",)),
        with_first(type="string", categories=("a", *map(str, range(12)))),
        "feature 'sl' takes '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more now",
    ),
    "categories in another order": (
        with_first(type="string", categories=("a", "b")),
        with_first(type="string", categories=("b", "a")),
        "the categories of feature 'sl' have another order",
    ),
    "another container": (OLD, changed(container="dataframe"), "the estimator takes dataframe, before array"),
}


@pytest.mark.parametrize("case", BREAKING)
def test_what_callers_of_the_old_version_notice_is_breaking(case: str) -> None:
    old, new, sentence = BREAKING[case]
    (found,) = breaking_changes(old, new)
    assert found.startswith(sentence)


@pytest.mark.parametrize("case", COMPATIBLE)
def test_what_they_do_not_notice_is_told_and_not_breaking(case: str) -> None:
    old, new, sentence = COMPATIBLE[case]
    expected = [] if sentence is None else [SignatureChange(sentence, is_breaking=False)]
    assert list(signature_changes(old, new)) == expected


def test_a_renamed_feature_is_one_removed_and_one_added() -> None:
    assert breaking_changes(OLD, with_first(name="sepal length")) == [
        "feature 'sl' was removed",
        "feature 'sepal length' was added, it cannot be left out",
        "it cannot be asked by GET any more",
    ]


def test_labels_of_several_outputs_that_are_others_are_breaking() -> None:
    old, new = (changed(labels=None, output_labels=labels) for labels in (((0, 1), ("a", "b")), ((0, 1), ("a", "c"))))
    assert breaking_changes(old, new) == ["the labels of the outputs are others"]
    assert breaking_changes(old, changed(labels=None, output_labels=((False, True), ("a", "b")))) != []
    assert breaking_changes(old, changed(labels=None, probabilities=False)) == [
        "answers have no probabilities any more"
    ]


def test_labels_that_python_takes_for_equal_are_others_in_json() -> None:
    assert breaking_changes(changed(labels=(0, 1)), changed(labels=(False, True))) == [
        "label 0 was removed",
        "label 1 was removed",
        "label false was added",
        "label true was added",
    ]


@given(signatures)
def test_a_signature_does_not_differ_from_itself(signature: Signature) -> None:
    assert list(signature_changes(signature, signature)) == []


@given(signatures, signatures)
def test_signatures_that_differ_have_a_change_in_both_directions(one: Signature, other: Signature) -> None:
    forth, back = list(signature_changes(one, other)), list(signature_changes(other, one))
    assert bool(forth) == bool(back)
    if not forth:
        assert msgspec.json.encode(one) == msgspec.json.encode(other)


@given(signatures, st.sampled_from(["nullable", "number", "optional", "probabilities"]))
def test_a_change_that_is_compatible_one_way_breaks_the_other_way(signature: Signature, change: str) -> None:
    first, *rest = signature.features
    narrow, wide = {
        "nullable": ([msgspec.structs.replace(first, nullable=flag), *rest] for flag in (False, True)),
        "number": ([msgspec.structs.replace(first, type=kind), *rest] for kind in ("integer", "number")),
        "optional": (signature.features, [*signature.features, Feature(name="z", type="string", nullable=True)]),
        "probabilities": (signature.features, signature.features),
    }[change]
    less = msgspec.structs.replace(signature, features=tuple(narrow), probabilities=False)
    more = msgspec.structs.replace(signature, features=tuple(wide), probabilities=change == "probabilities")
    assert breaking_changes(less, more) == []
    assert len(breaking_changes(more, less)) == 1


@st.composite
def widened(draw: st.DrawFn, signature: Signature) -> Signature:
    """A signature that takes all that the given one takes, and answers in the same form."""
    known = [
        msgspec.structs.replace(
            feature,
            nullable=feature.nullable or draw(st.booleans()),
            type="number" if feature.type == "integer" and draw(st.booleans()) else feature.type,
        )
        for feature in signature.features
    ]
    taken = {feature.name for feature in known}
    more = [Feature(name=name, type="string", nullable=True) for name in ("y", "z") if name not in taken]
    return msgspec.structs.replace(
        signature,
        features=tuple(
            draw(st.permutations([*known, *draw(st.lists(st.sampled_from(more), unique=True))] if more else known))
        ),
        labels=signature.labels and tuple(draw(st.permutations(signature.labels))),
        probabilities=signature.probabilities or draw(st.booleans()),
    )


@given(st.data(), signatures)
def test_any_number_of_compatible_changes_breaks_nobody(data: st.DataObject, signature: Signature) -> None:
    once = data.draw(widened(signature))
    twice = data.draw(widened(once))
    assert (
        breaking_changes(signature, once) == breaking_changes(once, twice) == breaking_changes(signature, twice) == []
    )


def test_two_versions_differ_in_what_their_manifests_say() -> None:
    one = made(
        1,
        metrics={"accuracy": 0.9, "same": 1.0, "gone": 2.0},
        environment=Environment(python="3.11", machine="x86_64", packages={"numpy": "1.0", "a": "1", "same": "1"}),
        parameters={"n": 1, "flag": True, "same": None},
        lineage=Lineage(git_commit="a", git_clean=True),
        labels={"team": "risk", "same": "1"},
    )
    other = made(
        2,
        metrics={"accuracy": 0.95, "same": 1.0, "new": 3.0},
        environment=Environment(python="3.12", machine="aarch64", packages={"numpy": "2.0", "b": "1", "same": "1"}),
        parameters={"n": 2, "flag": 1, "same": None},
        lineage=Lineage(git_commit="b", git_clean=True, entry="train.py"),
        labels={"team": "fraud", "same": "1", "data": "2026"},
        estimator="tests.Other",
        signature=Signature(features=(Feature(name="y", type="number"),)),
    )
    found = compare(one, other)
    assert (found.one, found.other) == ("iris/1", "iris/2")
    assert found.metrics == {"accuracy": (0.9, 0.95), "gone": (2.0, None), "new": (None, 3.0)}
    assert found.packages == {"a": ("1", None), "b": (None, "1"), "numpy": ("1.0", "2.0")}
    assert found.parameters == {"n": (1, 2), "flag": (True, 1)}
    assert found.lineage == {"git_commit": ("a", "b"), "entry": (None, "train.py")}
    assert found.labels == {"team": ("risk", "fraud"), "data": (None, "2026")}
    assert (found.python, found.estimator) == (("3.11", "3.12"), ("tests.Model", "tests.Other"))
    assert [change.sentence for change in found.signature] == [
        "feature 'x' was removed",
        "feature 'y' was added, it cannot be left out",
    ]
    assert found.is_breaking
    assert not found.is_empty


@given(signatures, st.dictionaries(names, st.floats(allow_nan=False)), st.dictionaries(names, names))
def test_a_version_compared_with_itself_differs_in_nothing(
    signature: Signature, metrics: dict[str, float], parameters: dict[str, str]
) -> None:
    manifest = made(signature=signature, metrics=metrics, parameters=parameters)
    assert compare(manifest, manifest).is_empty
    assert not compare(manifest, manifest).is_breaking
    assert not compare(manifest, made(signature=signature, metrics={**metrics, "more": math.pi})).is_empty


def test_comparing_imports_nothing_heavy() -> None:
    """The preview of a deployment compares."""
    code = "import sys, model_registry.comparison, model_registry.gates; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"sklearn", "numpy", "joblib", "boto3", "obstore"}.isdisjoint(done.stdout.split())
    assert "msgspec" in done.stdout.split()


@pytest.mark.parametrize(
    ("old", "new", "sentence", "breaking"),
    [
        ({"methods": ("std",)}, {}, "answers have no std any more", True),
        ({}, {"methods": ("std",)}, "answers have std now", False),
        ({"targets": 1}, {"targets": 2}, "answers have 2 outputs, before 1", True),
        ({"null_outputs": False}, {"null_outputs": True}, "answers may be null", True),
        (
            {"methods": ("quantiles",), "quantiles": (0.1, 0.9)},
            {"methods": ("quantiles",), "quantiles": (0.1,)},
            "answers have no quantile 0.9 any more",
            True,
        ),
    ],
)
def test_outputs_that_come_and_go_are_told(
    old: dict[str, Any], new: dict[str, Any], sentence: str, *, breaking: bool
) -> None:
    features = (Feature(name="x", type="number"),)
    one, other = (made(signature=Signature(features=features, output="value", **more)) for more in (old, new))
    found = compare(one, other)
    assert [(change.sentence, change.is_breaking) for change in found.signature] == [(sentence, breaking)]


@pytest.mark.parametrize(
    ("before", "after", "nullable", "sentence"),
    [
        (("a", "b"), ("a",), False, "feature 'x' takes 'b' no more"),
        (None, ("a",), False, "feature 'x' takes categories only, before any string"),
        (("a",), ("a", "b"), False, None),
        (("a", "b"), ("a",), True, None),
    ],
)
def test_a_category_that_is_gone_breaks_callers_where_it_is_refused(
    before: tuple[str, ...] | None, after: tuple[str, ...], sentence: str | None, *, nullable: bool
) -> None:
    one, other = (
        made(signature=Signature(features=(Feature(name="x", type="string", nullable=nullable, categories=each),)))
        for each in (before, after)
    )
    assert [change.sentence for change in compare(one, other).signature if change.is_breaking] == (
        [sentence] if sentence else []
    )
