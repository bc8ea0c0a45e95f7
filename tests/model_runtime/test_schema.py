import json
import math
import re
from datetime import date, datetime, time
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from model_runtime.answer_schema import answer_schema
from model_runtime.errors import InputError
from model_runtime.feature_values import LARGEST, feature_schema
from model_runtime.manifest import Feature, FeatureType, Signature
from model_runtime.schema import (
    PROBLEMS,
    Inputs,
    body_schemas,
    has_query_form,
    label_names,
    request_schema,
)

# Some characters are no part of a request field's name; test_estimator.py shows that publishing refuses them.
names = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs", "Cc"]), max_size=8)
types: st.SearchStrategy[FeatureType] = st.sampled_from(["number", "integer", "string", "boolean", "datetime"])
CATEGORIES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(-10, 10),
    "integer": st.integers(-10, 10),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    "boolean": st.booleans(),
}


@st.composite
def features(draw: st.DrawFn) -> Feature:
    """Of any type, with categories or without."""
    kind, name = draw(types), draw(names.filter(lambda name: name != "instances"))
    is_categorical = kind in CATEGORIES and draw(st.booleans())
    chosen = draw(st.lists(CATEGORIES[kind], min_size=1, max_size=3, unique=True)) if is_categorical else None
    categories = None if chosen is None else tuple(chosen)
    dtype = draw(st.sampled_from([None, "datetime64[us]", "datetime64[ns, UTC]"])) if kind == "datetime" else None
    return Feature(name=name, type=kind, nullable=draw(st.booleans()), categories=categories, dtype=dtype)


signatures = st.lists(
    features(),
    min_size=1,
    max_size=4,
    unique_by=lambda feature: feature.name,
).map(lambda features: Signature(features=tuple(features)))

# Beyond 64 bits JSON schema knows no limits, but floats do: see the tests of huge numbers.
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
zones = st.sampled_from(["Z", "z", "+01:00", "-23:59", "+00:00", "", "+24:00", "01:00", " Z"])
times = st.builds(
    lambda at, between, fraction, zone: at.strftime(f"%Y-%m-%d{between}%H:%M:%S").rjust(19, "0") + fraction + zone,
    st.datetimes() | st.datetimes(datetime(1677, 12, 30), datetime(1678, 1, 3)) | st.datetimes(datetime(2261, 12, 30)),  # noqa: DTZ001  # the text has the zone
    st.sampled_from("TTTt_"),  # the function also reads a blank there, which is more than is promised
    st.sampled_from(["", ".5", ".123456789", "."]),
    zones,
) | st.sampled_from(["2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z"])
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "number": numbers,
    "integer": st.integers(-(2**70), 2**70),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    "boolean": st.booleans(),
    "datetime": times,
}

# RFC 3339, section 5.6, but for what Python's calendar lacks: leap seconds, and the year 0.
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|[+-](\d\d:\d\d))", re.ASCII)
FORMATS = jsonschema.FormatChecker(())


def is_time(value: object) -> bool:
    """Whether a text is a time as formats of JSON schema mean it; anything else is not asked."""
    if not isinstance(value, str):
        return True
    found = _RFC_3339.fullmatch(value)
    if found is None:
        return False
    date.fromisoformat(found[1])
    time.fromisoformat(found[2])
    time.fromisoformat(found[4] or "00:00")
    return True


FORMATS.checks("date-time", raises=ValueError)(is_time)


def fitting_value(draw: st.DrawFn, feature: Feature) -> Any:
    """A value of the feature's type; one of its categories, mostly, where it has some."""
    if feature.categories is not None and draw(st.integers(0, 3)):
        return draw(st.sampled_from(feature.categories))
    return draw(FITTING[feature.type])


@st.composite
def requests(draw: st.DrawFn) -> tuple[Signature, Any]:
    """A signature with a body that fits it, or nearly, or not at all."""
    signature = draw(signatures)

    def instance() -> Any:
        fitting = {feature.name: fitting_value(draw, feature) for feature in signature.features}
        damage = draw(st.sampled_from(["none", "none", "value", "missing", "unknown", "anything"]))
        name = draw(st.sampled_from(sorted(fitting)))
        if damage == "missing":
            del fitting[name]
        elif damage in {"value", "unknown"}:
            fitting[name if damage == "value" else draw(names)] = draw(leaves)
        return draw(documents) if damage == "anything" else fitting

    def listed() -> Any:
        """The values of an instance in the order of the features, where it is one."""
        made = instance()
        is_list = isinstance(made, dict) and draw(st.booleans())
        return list(made.values()) if is_list else made

    if draw(st.booleans()):
        return signature, instance()
    instances = [listed() for _ in range(draw(st.integers(0, 3)))]
    return signature, instances if draw(st.booleans()) else {"instances": instances}


def held(feature: Feature, value: Any) -> Any:
    """A number is held as a float, which rounds integers beyond 2**53; a time as a time."""
    if feature.type == "datetime" and value is not None:
        return msgspec.convert(value, datetime)
    return float(value) if feature.type == "number" and value is not None else value


def row_of(signature: Signature, item: Any) -> tuple[Any, ...]:
    """The row of an instance that fits."""
    values = item if isinstance(item, list) else [item.get(feature.name) for feature in signature.features]
    return tuple(held(feature, value) for feature, value in zip(signature.features, values, strict=True))


def problems(inputs: Inputs, body: bytes | str) -> list[dict[str, str]]:
    with pytest.raises(InputError) as caught:
        inputs.read_body(body)
    return caught.value.problems


def look_up(document: Any, pointer: str) -> Any:
    """Resolve a JSON pointer fragment (RFC 6901); KeyError where it points at nothing."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def agree(signature: Signature, document: Any) -> None:
    """The gateway has draft 4 of JSON schema, OpenAPI 3.1 today's: 30.0 is an integer in each, and in the function."""
    inputs, body = Inputs(signature), json.dumps(document)
    is_valid = jsonschema.Draft4Validator(request_schema(signature), format_checker=FORMATS).is_valid(document)
    forms, definitions = body_schemas(signature, "#/$defs/{name}")
    today = jsonschema.Draft202012Validator({"anyOf": forms, "$defs": definitions}, format_checker=FORMATS)
    assert today.is_valid(document) == is_valid
    if is_valid:
        rows, is_batch = inputs.read_body(body)
        given_ = document.get("instances", document) if isinstance(document, dict) else document
        instances = given_ if is_batch else [document]
        assert list(rows) == [row_of(signature, item) for item in instances]
    else:
        assert problems(inputs, body)


TIME = Signature(features=(Feature(name="at", type="datetime"),))
HALVES = Signature(features=(Feature(name="a", type="number", categories=(0.5, 1.5)),))


@given(requests())
@example((TIME, {"at": "2026-12-31T23:59:60Z"}))
@example((TIME, {"instances": [["2026-01-31t12:00:00.5z"], {"at": "2026-01-31T12:00:00+01:00"}]}))
@example((HALVES, {"a": 0.7}))
@example((HALVES, [[0.5], {"a": 1.5}]))
@example((Signature(features=(Feature(name="a", type="boolean", categories=(True,)),)), {"a": False}))
@example((Signature(features=(Feature(name="a", type="number"),)), {"a": 2**53 + 1}))
@example((Signature(features=(Feature(name="a", type="number"),)), {"a": LARGEST}))
@example((Signature(features=(Feature(name="a", type="number"),)), {"a": -1e39}))
@example((Signature(features=(Feature(name="a", type="integer"),)), {"a": 30.0}))
@example((Signature(features=(Feature(name="a", type="integer"),)), {"instances": [[1e2], {"a": -3.0}]}))
@example((Signature(features=(Feature(name="a", type="integer"),)), [{"a": 2**63 - 1}, {"a": -(2**63)}]))
@example((Signature(features=(Feature(name="a", type="integer"),)), [{"a": 2**63}]))
@example((Signature(features=(Feature(name="prefixItems", type="integer"),)), [[1], {"prefixItems": 1.5}]))
def test_function_gateway_and_document_accept_the_same(request_: tuple[Signature, Any]) -> None:
    agree(*request_)


@pytest.mark.soak
@settings(max_examples=5_000, suppress_health_check=list(HealthCheck))
@given(requests())
def test_they_accept_the_same_in_a_long_run(request_: tuple[Signature, Any]) -> None:
    agree(*request_)


@given(requests())
@example((HALVES, {"a": 0.7}))
@example((HALVES, [[0.7], {"a": 1.5}]))
def test_a_parsed_document_is_read_as_its_text_is(request_: tuple[Signature, Any]) -> None:
    signature, document = request_
    inputs = Inputs(signature)

    def outcome(read: Any) -> Any:
        try:
            rows, is_batch = read()
        except InputError as error:
            return error.problems
        return list(rows), is_batch

    assert outcome(lambda: inputs.read_body(json.dumps(document))) == outcome(lambda: inputs.read_document(document))


@given(requests())
def test_every_pointer_leads_to_what_is_wrong(request_: tuple[Signature, Any]) -> None:
    signature, document = request_
    try:
        Inputs(signature).read_body(json.dumps(document))
        assume(False)  # noqa: FBT003  # hypothesis takes it so
    except InputError as error:
        for problem in error.problems:
            if problem["detail"] == "required, but missing":
                with pytest.raises((KeyError, IndexError)):
                    look_up(document, problem["pointer"])
            else:
                look_up(document, problem["pointer"])


@given(signatures)
def test_each_wrong_field_of_an_instance_is_named_once(signature: Signature) -> None:
    body = json.dumps({feature.name: [] for feature in signature.features})
    found = [look_up({f.name: f for f in signature.features}, p["pointer"]) for p in problems(Inputs(signature), body)]
    assert found == list(signature.features)


def inputs_of(**features: FeatureType) -> Inputs:
    return Inputs(Signature(features=tuple(Feature(name=name, type=kind) for name, kind in features.items())))


def test_several_wrong_fields_of_a_batch_are_all_named() -> None:
    body = '{"instances": [{"a": 1, "b": "x"}, {"a": null, "c": 1}, 5], "more": 1}'
    assert problems(inputs_of(a="number", b="string"), body) == [
        {"pointer": "#/more", "detail": "unknown field"},
        {"pointer": "#/instances/1/c", "detail": "unknown field"},
        {"pointer": "#/instances/1/a", "detail": "must be a number"},
        {"pointer": "#/instances/1/b", "detail": "required, but missing"},
        {"pointer": "#/instances/2", "detail": "must be an object with the model's features"},
    ]


@pytest.mark.parametrize("name", ["sepal length (cm)", "a/b", "a~b", "größe", "a'b", "", "花", "class", "f0"])
def test_a_feature_may_have_any_such_name(name: str) -> None:
    inputs = Inputs(Signature(features=(Feature(name=name, type="number"),)))
    assert inputs.read_body(json.dumps({name: 1.5})) == ([(1.5,)], False)
    (problem,) = problems(inputs, json.dumps({name: "x"}))
    assert look_up({name: "x"}, problem["pointer"]) == "x"


def test_numbers_that_are_categories_are_the_only_ones_and_the_schema_says_so() -> None:
    inputs = Inputs(HALVES)
    assert inputs.read_body('{"a": 1.5}') == ([(1.5,)], False)
    expected = [{"pointer": "#/a", "detail": "must be one of 0.5, 1.5"}]
    assert problems(inputs, '{"a": 0.7}') == expected
    assert not jsonschema.Draft4Validator(request_schema(HALVES)).is_valid({"a": 0.7})


def test_a_time_without_its_offset_fits_no_schema_even_if_formats_are_not_looked_at() -> None:
    for text, fits in (("2026-01-31T12:00:00Z", True), ("2026-01-31T12:00:00", False), ("tomorrow", False)):
        assert jsonschema.Draft4Validator(request_schema(TIME)).is_valid({"at": text}) == fits
        assert jsonschema.Draft202012Validator(feature_schema(TIME.features[0])).is_valid(text) == fits


@pytest.mark.parametrize(
    ("dtype", "year", "fits"),
    [
        (None, "1677", False),
        (None, "1678", True),
        (None, "2261", True),
        (None, "2262", False),
        ("datetime64[ns, Europe/Berlin]", "0001", False),
        ("datetime64[s]", "0001", True),
        ("datetime64[us]", "9999", True),
    ],
)
def test_a_time_that_the_column_cannot_hold_is_refused_by_function_and_schema(
    dtype: str | None, year: str, *, fits: bool
) -> None:
    signature = Signature(features=(Feature(name="at", type="datetime", dtype=dtype),))
    text = f"{year}-06-01T00:00:00Z"
    assert jsonschema.Draft4Validator(request_schema(signature)).is_valid({"at": text}) == fits
    readings: list[Any] = [
        lambda: Inputs(signature).read_body(json.dumps({"at": text})),
        lambda: Inputs(signature).read_body(json.dumps([[text]])),
        lambda: Inputs(signature).read_document({"at": text}),
        lambda: Inputs(signature).read_query({"at": [text]}),
    ]
    for read in readings:
        if fits:
            assert read()
        else:
            with pytest.raises(InputError, match="must be a time from 1678 to 2261"):
                read()


def test_null_is_read_only_where_the_signature_allows_it() -> None:
    features = (Feature(name="a", type="number", nullable=True), Feature(name="b", type="number"))
    inputs = Inputs(Signature(features=features))
    assert inputs.read_body('{"a": null, "b": 1}') == ([(None, 1.0)], False)
    assert problems(inputs, '{"a": "x", "b": null}') == [
        {"pointer": "#/a", "detail": "must be a number or null"},
        {"pointer": "#/b", "detail": "must be a number"},
    ]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, "1" * 5000])
def test_what_is_no_finite_number_is_refused(number: str) -> None:
    assert problems(inputs_of(a="number"), f'{{"a": {number}}}')


def test_a_parsed_nan_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="#/a: must be a number, and finite"):
        inputs_of(a="number").read_document({"a": math.nan})


@pytest.mark.parametrize("number", ["30", "30.0", "3e1", "0.3e2"])
def test_a_whole_number_is_an_integer_however_it_is_written(number: str) -> None:
    (row,), _ = inputs_of(a="integer").read_body(f'{{"a": {number}}}')
    assert row == (30,)
    assert type(row[0]) is int
    assert inputs_of(a="integer").read_query({"a": [number]}) == [row]


@pytest.mark.parametrize("number", ["3.5", "1e-3"])
def test_a_fraction_is_not_an_integer(number: str) -> None:
    assert problems(inputs_of(a="integer"), f'{{"a": {number}}}') == [
        {"pointer": "#/a", "detail": "must be an integer"}
    ]


@pytest.mark.parametrize(
    ("kind", "number", "detail"),
    [
        ("number", "1e39", "must be a number from -3.4e+38 to 3.4e+38"),
        ("number", "1" * 60, "must be a number from -3.4e+38 to 3.4e+38"),
        ("integer", "9223372036854775808", "must be an integer of 64 bits"),
        ("integer", "1e30", "must be an integer of 64 bits"),
    ],
)
def test_a_number_that_is_too_large_is_refused_as_that(kind: FeatureType, number: str, detail: str) -> None:
    assert problems(inputs_of(a=kind), f'{{"a": {number}}}') == [{"pointer": "#/a", "detail": detail}]
    with pytest.raises(InputError) as caught:
        inputs_of(a=kind).read_query({"a": [number]})
    assert caught.value.problems == [{"parameter": "a", "detail": detail}]


@pytest.mark.parametrize("count", [20_000, 200_000])
def test_what_is_said_of_a_request_is_not_larger_than_it(count: int) -> None:
    inputs = inputs_of(a="number", b="string")
    body = '{"instances": [' + ", ".join(["{}"] * count) + "]}"
    found = problems(inputs, body)
    assert len(found) == PROBLEMS + 1
    assert found[-1] == {"pointer": "#/instances", "detail": f"and {count - 10} more instances, which were not read"}
    unknown = json.dumps({f"n{index}": 1 for index in range(count)})
    assert len(problems(inputs, unknown)) <= PROBLEMS + 2
    with pytest.raises(InputError) as caught:
        inputs.read_query({f"n{index}": ["1"] for index in range(count)})
    assert len(caught.value.problems) <= PROBLEMS + 2


def test_a_wide_instance_has_no_more_problems_than_others() -> None:
    kinds: dict[str, FeatureType] = {f"f{index}": "number" for index in range(1000)}
    inputs = inputs_of(**kinds)
    assert len(problems(inputs, "{}")) == PROBLEMS
    assert len(problems(inputs, json.dumps([["x"] * 1000]))) == PROBLEMS


def test_instances_may_be_lists_in_the_order_of_the_features() -> None:
    inputs = inputs_of(b="number", a="string")
    expected = ([(1.5, "x"), (2.0, "y")], True)
    for body in ('[[1.5, "x"], [2, "y"]]', '{"instances": [[1.5, "x"], {"a": "y", "b": 2}]}'):
        assert inputs.read_body(body) == expected == inputs.read_document(json.loads(body))
    assert problems(inputs, '[[1.5, "x"], [1], ["x", 1]]') == [
        {"pointer": "#/1", "detail": "has 1 values, 2 are needed"},
        {"pointer": "#/2/0", "detail": "must be a number"},
        {"pointer": "#/2/1", "detail": "must be a string"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "null",
        "[]",
        '"text"',
        "1",
        "{",
        '{"a": 1}}',
        "a=1",
        "\ufeff{}",
        '{"a": "\\ud800"}',
        "�",
        "[" * 100000,
        '{"a":' * 100000,
        '{"instances":[' * 100000,
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b"",
    ],
    ids=lambda body: repr(body)[:20],
)
def test_a_body_that_is_no_such_document_is_refused_and_never_crashes(body: bytes | str) -> None:
    assert problems(inputs_of(a="string"), body)[0]["pointer"].startswith("#")


@pytest.mark.parametrize("instances", ["[]", "{}", "null", "1"])
def test_a_batch_holds_at_least_one_instance(instances: str) -> None:
    assert problems(inputs_of(a="number"), f'{{"instances": {instances}}}') == [
        {"pointer": "#/instances", "detail": "must be a list of at least one instance"}
    ]


def test_a_query_string_is_read_by_the_features_types() -> None:
    inputs = inputs_of(a="number", b="integer", c="string", d="boolean")
    assert inputs.read_query({"d": ["true"], "c": ["1"], "b": ["3"], "a": ["1e2"]}) == [(100.0, 3, "1", True)]


def test_every_wrong_parameter_is_named() -> None:
    inputs = inputs_of(a="number", b="integer", c="string", d="boolean", e="number")
    with pytest.raises(InputError) as caught:
        inputs.read_query({"a": ["inf"], "b": ["x" * 90], "c": ["1", "2"], "d": ["yes!"], "f": ["1"]})
    assert caught.value.problems == [
        {"parameter": "f", "detail": "unknown parameter"},
        {"parameter": "a", "detail": "must be a number, and finite"},
        {"parameter": "b", "detail": f"must be an integer, not '{'x' * 40}'"},
        {"parameter": "c", "detail": "given 2 times, once is needed"},
        {"parameter": "d", "detail": "must be true or false, not 'yes!'"},
        {"parameter": "e", "detail": "required, but missing"},
    ]


def test_a_nullable_parameter_may_be_left_out() -> None:
    inputs = Inputs(Signature(features=(Feature(name="a", type="number", nullable=True),)))
    assert inputs.read_query({}) == [(None,)]


def test_the_query_form_needs_names_that_the_gateway_takes() -> None:
    def form(*names: str) -> bool:
        return has_query_form(Signature(features=tuple(Feature(name=name, type="number") for name in names)))

    assert form("sl", "sepal.length", "a-b", "$x_1")
    assert not form("sl", "sepal length (cm)")
    assert not form("größe")
    assert form(*(f"x{index}" for index in range(50)))
    assert not form(*(f"x{index}" for index in range(51)))


def test_the_answer_s_schema_fits_the_three_kinds_of_answers() -> None:
    features = (Feature(name="a", type="number"),)
    classifier = answer_schema(Signature(features=features, labels=(0, 1), probabilities=True))
    value, cluster = (answer_schema(Signature(features=features, output=output)) for output in ("value", "label"))
    cases = [
        (classifier, {"label": 1, "probabilities": {"0": 0.25, "1": 0.75}}, {"label": 2, "probabilities": {}}),
        (value, {"value": 1.5}, {"label": 1}),
        (cluster, {"label": 7}, {"value": 1.5}),
    ]
    for schema, right, wrong in cases:
        jsonschema.Draft202012Validator(schema).validate(right)
        assert not jsonschema.Draft202012Validator(schema).is_valid(wrong)


def test_the_answer_s_schema_names_the_labels_of_each_of_several_outputs() -> None:
    features = (Feature(name="a", type="number"),)
    several = Signature(features=features, probabilities=True, output_labels=(("x", "y"), (0, 1)))
    schema = jsonschema.Draft202012Validator(answer_schema(several))
    right: dict[str, Any] = {"label": ["x", 1], "probabilities": [{"x": 1.0, "y": 0.0}, {"0": 0.25, "1": 0.75}]}
    schema.validate(right)
    for wrong in (
        {**right, "label": [1, "x"]},
        {**right, "label": ["x"]},
        {**right, "label": ["x", 1, 1]},
        {**right, "probabilities": right["probabilities"][::-1]},
        {"label": ["x", 1]},
    ):
        assert not schema.is_valid(wrong)


def test_a_feature_that_may_be_missing_may_be_left_out_of_body_query_and_batch_alike() -> None:
    signature = Signature(features=(Feature(name="a", type="number", nullable=True), Feature(name="b", type="string")))
    inputs = Inputs(signature)
    assert inputs.read_body(b'{"b": "x"}') == ([(None, "x")], False)
    rows, is_batch = inputs.read_body(b'{"instances": [{"b": "x"}, {"a": 1, "b": "y"}]}')
    assert is_batch
    assert [*rows] == [*rows] == [rows[0], *rows[1:]] == [(None, "x"), (1.0, "y")], "read as often as somebody needs"
    assert inputs.read_document({"b": "x"}) == ([(None, "x")], False)
    assert inputs.read_query({"b": ["x"]}) == [(None, "x")]
    assert request_schema(signature)["definitions"]["Instance"]["required"] == ["b"]


def test_boolean_labels_are_named_as_json_writes_them() -> None:
    assert label_names((False, True, 2, "x")) == ["false", "true", "2", "x"]


def test_a_model_whose_features_may_all_be_left_out_has_a_schema_of_draft_4() -> None:
    """Draft 4 refuses an empty list of required members, and API Gateway with it."""
    signature = Signature(features=(Feature(name="a", type="number", nullable=True),), output="value")
    schema = request_schema(signature)
    jsonschema.Draft4Validator.check_schema(schema)
    assert jsonschema.Draft4Validator(schema).is_valid({})
