"""From a signature to request types.

One msgspec struct per model is the source of the gateway's JSON schema, the handler's validation and the OpenAPI
document. Light: the function imports this module.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec

from model_runtime.errors import InputError
from model_runtime.feature_values import (
    from_json,
    from_text,
    is_held,
    is_in_nanoseconds,
    is_looked_up,
    left_out,
    value_type,
)
from model_runtime.manifest import UNREADABLE, Example, Label, Signature

Row = tuple[Any, ...]
"""The values of one instance in the order of the signature's features; None where a value is missing."""

PROBLEMS = 20
"""Reading stops after so many wrong values: what is said of a request must not be larger than the request."""
UNKNOWN_FIELD = "unknown field"
"""What is said of a field that the model does not have: its name is the caller's."""
_QUERY_FEATURES = 50
"""More make a URL that nobody writes; API Gateway takes 10,240 bytes of request line and headers in all."""
# API Gateway's rule for names in method.request.querystring.NAME.
_QUERY_NAME = r"[A-Za-z0-9._$-]+"
_DRAFT_4 = "http://json-schema.org/draft-04/schema#"


class Rows(Sequence[Row]):
    """The rows of instances, each made whenever it is read: ten thousand that are kept cost more than these."""

    def __init__(self, instances: Sequence[Any]) -> None:
        self._instances = instances

    def __len__(self) -> int:
        return len(self._instances)

    def __iter__(self) -> Iterator[Row]:
        return map(msgspec.structs.astuple, self._instances)

    def __getitem__(self, index: Any) -> Any:
        found = self._instances[index]
        return Rows(found) if isinstance(index, slice) else msgspec.structs.astuple(found)


def _list_of(instance: Any) -> Any:
    return Annotated[list[instance], msgspec.Meta(min_length=1)]


def _batch_of(instances: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct("Batch", [("instances", instances)], forbid_unknown_fields=True, frozen=True)


class Inputs:
    """Reads the requests of one model; built once, at start."""

    def __init__(self, signature: Signature) -> None:
        self._features = signature.features
        self._names = {feature.name for feature in signature.features}
        # Feature names need not be Python identifiers ("sepal length (cm)"), so fields are numbered and renamed.
        fields = {f"f{index}": feature for index, feature in enumerate(signature.features)}
        self.instance = msgspec.defstruct(
            "Instance",
            [
                (field, value_type(feature), None) if feature.nullable else (field, value_type(feature))
                for field, feature in fields.items()
            ],
            rename={field: feature.name for field, feature in fields.items()},
            forbid_unknown_fields=True,
            frozen=True,
            kw_only=True,  # a field that may be left out can stand before one that may not
            gc=False,  # plain values only: see Prediction
        )
        # An instance may also be a list of its values in the order of the features.
        self.values: Any = tuple[tuple(map(value_type, signature.features))]  # type: ignore[misc]  # a type made at run time
        self.instances = _list_of(self.instance | self.values)
        self.batch = _batch_of(self.instances)
        self._times = [index for index, feature in enumerate(self._features) if is_in_nanoseconds(feature)]
        self._looks_up = any(map(is_looked_up, signature.features))
        # As nearly all batches are: without a list among them, the instances need not be looked at one by one.
        of_objects = _batch_of(_list_of(self.instance))
        self._decode_instance = msgspec.json.Decoder(self.instance).decode
        self._decode_objects: Callable[[bytes | str], Any] = msgspec.json.Decoder(of_objects).decode
        self._decode_batch: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.batch).decode
        self._decode_instances: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.instances).decode

    def read_body(self, body: bytes | str) -> tuple[Sequence[Row], bool]:
        """Read a POST body: one object, a list of instances, or `{"instances": [...]}`.

        Returns the rows, and whether it was a batch. InputError lists the first wrong values.
        """
        found = None if self._looks_up else self._decoded(body)
        if found is not None and (not self._times or self._holds(found[0])):
            return found
        try:
            document = msgspec.json.decode(body)
        except UNREADABLE as error:
            raise InputError([{"pointer": "#", "detail": f"the body is not a JSON document: {error}"}]) from error
        return self.read_document(document)

    def _decoded(self, body: bytes | str) -> tuple[Sequence[Row], bool] | None:
        """The rows as msgspec reads them; None where something has to be explained."""
        try:
            return [msgspec.structs.astuple(self._decode_instance(body))], False
        except UNREADABLE:
            pass  # a batch, or something to be explained
        try:
            return Rows(self._decode_objects(body).instances), True
        except UNREADABLE:
            pass  # lists among them, or as above
        try:
            return _rows(self._decode_batch(body).instances), True
        except UNREADABLE:
            pass
        try:
            return _rows(self._decode_instances(body)), True
        except UNREADABLE:
            return None

    def _holds(self, rows: Iterable[Row]) -> bool:
        return all(row[index] is None or is_held(row[index]) for row in rows for index in self._times)

    def read_document(self, document: Any) -> tuple[list[Row], bool]:
        """Read a parsed document in the same way (the event of a direct invocation)."""
        problems: list[dict[str, str]] = []
        if isinstance(document, list):
            return self.read_instances(document, "#", problems), True
        if isinstance(document, dict) and "instances" in document and not self._is_feature("instances"):
            problems += _unknown("#", (name for name in document if name != "instances"))
            return self.read_instances(document["instances"], "#/instances", problems), True
        row = self._read_object(document, "#", problems)
        if problems:
            raise InputError(problems)
        return [row], False

    def read_instances(self, instances: Any, place: str, problems: list[dict[str, str]]) -> list[Row]:
        """Read a parsed list of instances, objects or lists.

        `place` is the list's own in messages, `problems` is what is wrong already. InputError lists the first of all.
        """
        rows: list[Row] = []
        if not isinstance(instances, list) or not instances:
            problems.append({"pointer": place, "detail": "must be a list of at least one instance"})
            instances = []
        for index, item in enumerate(instances):
            read = self._read_list if isinstance(item, list) else self._read_object
            rows.append(read(item, f"{place}/{index}", problems))
            if len(problems) >= PROBLEMS:
                more = len(instances) - index - 1
                if more:
                    problems.append({"pointer": place, "detail": f"and {more} more instances, which were not read"})
                break
        if problems:
            raise InputError(problems)
        return rows

    def read_example(self, example: Example) -> Row:
        """Read the recorded input of an example as the body of a request; InputError where it does not fit."""
        problems: list[dict[str, str]] = []
        row = self._read_object(example.input, "#", problems)
        if problems:
            raise InputError(problems)
        return row

    def read_query(self, parameters: Mapping[str, Sequence[str]]) -> list[Row]:
        """Read the query string of a GET: one value each, as text. InputError lists the wrong parameters."""
        unknown = (name for name in parameters if not self._is_feature(name))
        problems = _bounded({"parameter": name, "detail": "unknown parameter"} for name in unknown)
        row: list[Any] = []
        for feature in self._features:
            values = parameters.get(feature.name, ())
            if len(values) == 1:
                value, detail = from_text(feature, values[0])
            elif values:
                value, detail = None, f"given {len(values)} times, once is needed"
            else:
                value, detail = left_out(feature)
            row.append(value)
            if detail:
                problems.append({"parameter": feature.name, "detail": detail})
        if problems:
            raise InputError(problems)
        return [tuple(row)]

    def _read_object(self, document: Any, place: str, problems: list[dict[str, str]]) -> Row:
        if not isinstance(document, dict):
            problems.append({"pointer": place, "detail": "must be an object with the model's features"})
            return ()
        if not document.keys() <= self._names:
            problems += _unknown(place, (name for name in document if not self._is_feature(name)))
        row = []
        for feature in self._features:
            if feature.name in document:
                value, detail = from_json(feature, document[feature.name])
            else:
                value, detail = left_out(feature)
            row.append(value)
            if detail:
                problems.append({"pointer": _pointer(place, feature.name), "detail": detail})
                if len(problems) >= PROBLEMS:
                    break
        return tuple(row)

    def _read_list(self, values: list[Any], place: str, problems: list[dict[str, str]]) -> Row:
        if len(values) != len(self._features):
            needed = f"has {len(values)} values, {len(self._features)} are needed"
            problems.append({"pointer": place, "detail": needed})
            return ()
        row: list[Any] = []
        for index, (feature, given) in enumerate(zip(self._features, values, strict=True)):
            value, detail = from_json(feature, given)
            row.append(value)
            if detail:
                problems.append({"pointer": f"{place}/{index}", "detail": detail})
                if len(problems) >= PROBLEMS:
                    break
        return tuple(row)

    def _is_feature(self, name: str) -> bool:
        return name in self._names


def request_schema(signature: Signature) -> dict[str, Any]:
    """The JSON schema (draft 4, which API Gateway's models take) of a POST body: an instance, or several."""
    forms, definitions = body_schemas(signature, "#/definitions/{name}")
    return {
        "$schema": _DRAFT_4,
        "title": "Prediction request",
        "anyOf": [_draft_4(form) for form in forms],
        "definitions": {name: _draft_4(definition) for name, definition in definitions.items()},
    }


def body_schemas(signature: Signature, reference: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The forms of a POST body, and what they refer to by `reference`, in today's JSON schema (2020-12, OpenAPI 3.1).

    The forms are one instance, a batch, and a bare list of instances.
    """
    inputs = Inputs(signature)
    (instance, row), definitions = msgspec.json.schema_components(
        [inputs.instance, inputs.values], ref_template=reference
    )
    del row["items"]  # false, which says what `maxItems` says, and which generators of clients cannot read
    definitions["Row"] = row
    # msgspec writes an empty list for a model whose features may all be left out; draft 4 refuses that.
    definitions["Instance"] = {
        key: value for key, value in definitions["Instance"].items() if (key, value) != ("required", [])
    }
    # As `Inputs.batch` has it, but with the row's schema written once: it is as long as the model has features.
    items = {"anyOf": [instance, {"$ref": reference.format(name="Row")}]}
    instances = {"type": "array", "items": items, "minItems": 1}
    definitions["Batch"] = {
        "title": "Batch",
        "type": "object",
        "properties": {"instances": instances},
        "required": ["instances"],
        "additionalProperties": False,
    }
    return [instance, {"$ref": reference.format(name="Batch")}, instances], definitions


def _draft_4(schema: Any) -> Any:
    """A schema that msgspec made, in draft 4: there 30.0 is not an integer, and lists have their items elsewhere."""
    if isinstance(schema, list):
        return [_draft_4(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    older = {
        key: {name: _draft_4(each) for name, each in value.items()} if key == "properties" else _draft_4(value)
        for key, value in schema.items()
        if key not in {"enum", "const", "default"}
    }
    older |= {key: schema[key] for key in ("enum", "default") if key in schema}
    if "const" in schema:
        older["enum"] = [schema["const"]]
    if older.get("type") == "integer":
        older |= {"type": "number", "multipleOf": 1}
    if "prefixItems" in older:
        older["items"] = older.pop("prefixItems")
    return older


def has_query_form(signature: Signature) -> bool:
    """Whether the model can be asked by GET: few features, with names that API Gateway takes as parameters."""
    return why_no_query_form(signature) is None


def why_no_query_form(signature: Signature) -> str | None:
    """Why the model cannot be asked by GET, as a clause; None where it can."""
    names = [feature.name for feature in signature.features]
    if len(names) > _QUERY_FEATURES:
        return f"the model has {len(names)} features, and a query string takes {_QUERY_FEATURES} at most"
    for name in names:
        if not re.fullmatch(_QUERY_NAME, name):
            return f"API Gateway takes no query string parameter that is called {json.dumps(name)}"
    return None


def label_names(labels: Sequence[Label]) -> list[str]:
    """Labels as the keys of a JSON object: true and false as JSON writes them."""
    return [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]


def _rows(instances: Sequence[Any]) -> list[Row]:
    with suppress(TypeError):  # lists of values among them, which are tuples already
        return list(map(msgspec.structs.astuple, instances))
    return [each if type(each) is tuple else msgspec.structs.astuple(each) for each in instances]


def _unknown(place: str, names: Iterable[str]) -> list[dict[str, str]]:
    return _bounded({"pointer": _pointer(place, name), "detail": UNKNOWN_FIELD} for name in names)


def _bounded(problems: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return list(itertools.islice(problems, PROBLEMS))


def _pointer(place: str, name: str) -> str:
    """Append to a JSON pointer (RFC 6901 escapes ~ and /)."""
    return f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
