"""From a signature to request types.

One msgspec struct per model is the source of the gateway's JSON schema, the handler's validation and the OpenAPI
document. Light: the function imports this module.
"""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Optional

import msgspec

from model_runtime.errors import InputError
from model_runtime.manifest import UNREADABLE, Example, Feature, Label, Signature

Row = tuple[Any, ...]
"""The values of one instance in the order of the signature's features; None where a value is missing."""

LARGEST = 3.4028234663852886e38
"""The largest number that is read, that of 32 bits: trees and forests refuse more, and squares of it are finite."""
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1

_TIME = (
    r"^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_TYPES: dict[str, Any] = {
    "number": Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)],
    "integer": Annotated[int, msgspec.Meta(ge=_SMALLEST_INTEGER, le=_LARGEST_INTEGER)],
    "string": str,
    "boolean": bool,
    # A pattern too, as not everybody who reads a schema looks at formats, and RFC 3339 has leap seconds and a year 0.
    "datetime": Annotated[datetime, msgspec.Meta(tz=True, extra_json_schema={"pattern": _TIME})],
}
_NOUNS = {
    "number": "a number",
    "integer": "an integer",
    "string": "a string",
    "boolean": "true or false",
    "datetime": "a time with its offset such as 2026-01-31T12:00:00Z (RFC 3339)",
}
_SHOWN_CATEGORIES = 20
PROBLEMS = 20
"""Reading stops after so many wrong values: what is said of a request must not be larger than the request."""
_QUERY_FEATURES = 50
"""More make a URL that nobody writes; API Gateway takes 10,240 bytes of request line and headers in all."""
# API Gateway's rule for names in method.request.querystring.NAME.
_QUERY_NAME = re.compile(r"[A-Za-z0-9._$-]+")
_DRAFT_4 = "http://json-schema.org/draft-04/schema#"


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
                (field, _type(feature), None) if feature.nullable else (field, _type(feature))
                for field, feature in fields.items()
            ],
            rename={field: feature.name for field, feature in fields.items()},
            forbid_unknown_fields=True,
            frozen=True,
            kw_only=True,  # a field that may be left out can stand before one that may not
            gc=False,  # plain values only: see Prediction
        )
        # An instance may also be a list of its values in the order of the features.
        self.values: Any = tuple[tuple(map(_type, signature.features))]  # type: ignore[misc]  # a type made at run time
        self.instances: Any = Annotated[list[self.instance | self.values], msgspec.Meta(min_length=1)]  # type: ignore[name-defined]  # as above
        self.batch = msgspec.defstruct(
            "Batch", [("instances", self.instances)], forbid_unknown_fields=True, frozen=True
        )
        self._looks_up = any(map(_is_looked_up, signature.features))
        self._decode_instance = msgspec.json.Decoder(self.instance).decode
        self._decode_batch: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.batch).decode
        self._decode_instances: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.instances).decode

    def read_body(self, body: bytes | str) -> tuple[list[Row], bool]:
        """Read a POST body: one object, a list of instances, or `{"instances": [...]}`.

        Returns the rows, and whether it was a batch. InputError lists the first wrong values.
        """
        if not self._looks_up:
            try:
                return [msgspec.structs.astuple(self._decode_instance(body))], False
            except UNREADABLE:
                pass  # a batch, or something to be explained
            try:
                return _rows(self._decode_batch(body).instances), True
            except UNREADABLE:
                pass
            try:
                return _rows(self._decode_instances(body)), True
            except UNREADABLE:
                pass
        try:
            document = msgspec.json.decode(body)
        except UNREADABLE as error:
            raise InputError([{"pointer": "#", "detail": f"the body is not a JSON document: {error}"}]) from error
        return self.read_document(document)

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
                value, detail = _from_text(feature, values[0])
            elif values:
                value, detail = None, f"given {len(values)} times, once is needed"
            else:
                value, detail = _left_out(feature)
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
                value, detail = _from_json(feature, document[feature.name])
            else:
                value, detail = _left_out(feature)
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
            value, detail = _from_json(feature, given)
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
        if not _QUERY_NAME.fullmatch(name):
            return f"API Gateway takes no query string parameter that is called {json.dumps(name)}"
    return None


def feature_schema(feature: Feature) -> dict[str, Any]:
    """The JSON schema of one feature's value."""
    return msgspec.json.schema(_type(feature))


def label_names(labels: Sequence[Label]) -> list[str]:
    """Labels as the keys of a JSON object: true and false as JSON writes them."""
    return [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]


def _type(feature: Feature) -> Any:
    """The type of a feature's values in requests.

    The categories are the only values where the model takes no gaps. Where it does, any other value counts as missing,
    as it does in the frame that the model is given.
    """
    kind = _TYPES[feature.type]
    if feature.categories is not None and feature.type in {"string", "integer"} and not feature.nullable:
        return Literal[tuple(feature.categories)]
    if _is_looked_up(feature):
        return Annotated[kind, msgspec.Meta(extra_json_schema={"enum": list(feature.categories or ())})]
    if feature.categories is not None and feature.nullable:
        kind = Annotated[
            kind, msgspec.Meta(description=f"Any value but {_shown(feature.categories)} counts as missing.")
        ]
    return Optional[kind] if feature.nullable else kind  # noqa: UP045  # Annotated types have no |


def _is_looked_up(feature: Feature) -> bool:
    """Whether a value may be of the type and still none of the categories, of which msgspec takes no such type."""
    return feature.categories is not None and not feature.nullable and feature.type in {"number", "boolean"}


def _is_category(feature: Feature, value: Any) -> bool:
    return feature.categories is None or feature.nullable or value in feature.categories


def _rows(instances: Iterable[Any]) -> list[Row]:
    return [each if type(each) is tuple else msgspec.structs.astuple(each) for each in instances]


def _unknown(place: str, names: Iterable[str]) -> list[dict[str, str]]:
    return _bounded({"pointer": _pointer(place, name), "detail": "unknown field"} for name in names)


def _bounded(problems: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return list(itertools.islice(problems, PROBLEMS))


def _left_out(feature: Feature) -> tuple[None, str | None]:
    """A feature that is not given is a missing value, where the model takes those."""
    return None, None if feature.nullable else "required, but missing"


def _from_json(feature: Feature, value: Any) -> tuple[Any, str | None]:
    if isinstance(value, float) and feature.type == "integer" and value.is_integer():
        value = int(value)  # 30.0 and 3e1 are 30 in JSON
    try:
        converted = msgspec.convert(value, _type(feature))
    except (msgspec.ValidationError, UnicodeError):  # half a surrogate pair is not a number either
        return None, f"must be {_noun(feature)}{_too_large(feature, value)}"
    if isinstance(converted, float) and not math.isfinite(converted):
        return None, f"must be {_noun(feature)}, and finite"
    if not _is_category(feature, converted):
        return None, f"must be {_noun(feature)}"
    return converted, None


def _from_text(feature: Feature, text: str) -> tuple[Any, str | None]:
    try:
        value: Any = text if feature.type == "string" else msgspec.convert(text, _TYPES[feature.type], strict=False)
    except msgspec.ValidationError:
        more = _too_large(feature, text)
        return None, f"must be {_NOUNS[feature.type]}{more or f', not {text[:40]!r}'}"
    if not _is_category(feature, value):
        return None, f"must be {_noun(feature)}, not {text[:40]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return None, f"must be {_NOUNS[feature.type]}, and finite"
    return value, None


def _too_large(feature: Feature, value: Any) -> str:
    """What is wrong with a number of the right kind."""
    if isinstance(value, bool) or feature.type not in {"number", "integer"}:
        return ""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return ""
    if not math.isfinite(number) and not isinstance(value, int):
        return ", and finite"
    if feature.type == "number":
        return f" from {-LARGEST:.1e} to {LARGEST:.1e}" if abs(number) > LARGEST else ""
    return " of 64 bits" if number.is_integer() and abs(number) >= _LARGEST_INTEGER else ""


def _shown(categories: Sequence[Label]) -> str:
    shown = ", ".join(json.dumps(value) for value in categories[:_SHOWN_CATEGORIES])
    return f"{shown}{' and more' if len(categories) > _SHOWN_CATEGORIES else ''}"


def _noun(feature: Feature) -> str:
    if feature.categories is not None and not feature.nullable:
        return f"one of {_shown(feature.categories)}"
    return _NOUNS[feature.type] + (" or null" if feature.nullable else "")


def _pointer(place: str, name: str) -> str:
    """Append to a JSON pointer (RFC 6901 escapes ~ and /)."""
    return f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
