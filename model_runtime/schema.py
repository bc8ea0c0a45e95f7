"""From a signature to request types.

One msgspec struct per model is the source of the gateway's JSON schema, the handler's validation and the OpenAPI
document. Light: the function imports this module.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Optional

import msgspec

from model_runtime.errors import InputError
from model_runtime.manifest import UNREADABLE, Example, Feature, Label, Method, Signature

Row = tuple[Any, ...]
"""The values of one instance in the order of the signature's features; None where a value is missing."""

_TYPES: dict[str, Any] = {
    "number": float,
    "integer": int,
    "string": str,
    "boolean": bool,
    "datetime": Annotated[datetime, msgspec.Meta(tz=True)],
}
_NOUNS = {
    "number": "a number",
    "integer": "an integer",
    "string": "a string",
    "boolean": "true or false",
    "datetime": "a time with its offset such as 2026-01-31T12:00:00Z (RFC 3339)",
}
_SHOWN_CATEGORIES = 20
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
        self.batch = msgspec.defstruct(
            "Batch",
            [("instances", Annotated[list[self.instance], msgspec.Meta(min_length=1)])],  # type: ignore[name-defined]  # a type made at run time
            forbid_unknown_fields=True,
            frozen=True,
        )
        self._decode_instance = msgspec.json.Decoder(self.instance).decode
        self._decode_batch: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.batch).decode

    def read_body(self, body: bytes | str) -> tuple[list[Row], bool]:
        """Read a POST body: one object, or `{"instances": [...]}`. Returns the rows, and whether it was a batch.

        InputError lists every wrong value.
        """
        try:
            return [msgspec.structs.astuple(self._decode_instance(body))], False
        except UNREADABLE:
            pass  # a batch, or something to be explained
        try:
            return [msgspec.structs.astuple(each) for each in self._decode_batch(body).instances], True
        except UNREADABLE:
            pass
        try:
            document = msgspec.json.decode(body)
        except UNREADABLE as error:
            raise InputError([{"pointer": "#", "detail": f"the body is no JSON document: {error}"}]) from error
        return self.read_document(document)

    def read_document(self, document: Any) -> tuple[list[Row], bool]:
        """Read a parsed document in the same way (the event of a direct invocation)."""
        if isinstance(document, dict) and "instances" in document and not self._is_feature("instances"):
            return self._read_batch(document), True
        problems: list[dict[str, str]] = []
        row = self._read_object(document, "#", problems)
        if problems:
            raise InputError(problems)
        return [row], False

    def read_example(self, example: Example) -> Row:
        """Read the recorded input of an example as the body of a request; InputError where it does not fit."""
        problems: list[dict[str, str]] = []
        row = self._read_object(example.input, "#", problems)
        if problems:
            raise InputError(problems)
        return row

    def read_query(self, parameters: Mapping[str, Sequence[str]]) -> list[Row]:
        """Read the query string of a GET: one value each, as text. InputError lists every wrong parameter."""
        problems = [
            {"parameter": name, "detail": "unknown parameter"} for name in parameters if not self._is_feature(name)
        ]
        row = []
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

    def _read_batch(self, document: dict[str, Any]) -> list[Row]:
        problems = [
            {"pointer": _pointer("#", name), "detail": "unknown field"} for name in document if name != "instances"
        ]
        instances = document["instances"]
        rows: list[Row] = []
        if not isinstance(instances, list) or not instances:
            problems.append({"pointer": "#/instances", "detail": "must be a list of at least one object"})
        else:
            rows = [self._read_object(item, f"#/instances/{i}", problems) for i, item in enumerate(instances)]
        if problems:
            raise InputError(problems)
        return rows

    def _read_object(self, document: Any, place: str, problems: list[dict[str, str]]) -> Row:
        if not isinstance(document, dict):
            problems.append({"pointer": place, "detail": "must be an object with the model's features"})
            return ()
        problems.extend(
            {"pointer": _pointer(place, name), "detail": "unknown field"}
            for name in document
            if not self._is_feature(name)
        )
        row = []
        for feature in self._features:
            if feature.name in document:
                value, detail = _from_json(feature, document[feature.name])
            else:
                value, detail = _left_out(feature)
            row.append(value)
            if detail:
                problems.append({"pointer": _pointer(place, feature.name), "detail": detail})
        return tuple(row)

    def _is_feature(self, name: str) -> bool:
        return name in self._names


def request_schema(signature: Signature) -> dict[str, Any]:
    """The JSON schema (draft 4, which API Gateway's models take) of a POST body: one instance or a batch."""
    inputs = Inputs(signature)
    references, definitions = msgspec.json.schema_components(
        [inputs.instance, inputs.batch], ref_template="#/definitions/{name}"
    )
    # msgspec writes an empty list for a model whose features may all be left out; draft 4 refuses that.
    definitions = {
        name: {key: value for key, value in definition.items() if (key, value) != ("required", [])}
        for name, definition in definitions.items()
    }
    return {
        "$schema": _DRAFT_4,
        "title": "Prediction request",
        "anyOf": list(references),
        "definitions": definitions,
    }


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


def answer_schema(signature: Signature) -> dict[str, Any]:
    """The JSON schema of one prediction."""
    number = {"type": ["number", "null"] if signature.null_outputs else "number"}
    properties: dict[str, Any] = {}
    if signature.output == "value":
        properties["value"] = _of_targets(signature, number)
    elif signature.output == "label":
        properties.update(_label_schemas(signature, number))
    properties.update((method, _method_schema(signature, method, number)) for method in signature.methods)
    return {"type": "object", "properties": properties, "required": list(properties)}


def _of_targets(signature: Signature, item: dict[str, Any]) -> dict[str, Any]:
    """One item, or a list of as many as the model has outputs; anything in format 1, which does not say."""
    if signature.targets is None:
        return {}
    return item if signature.targets == 1 else _fixed_list([item] * signature.targets)


def _label_schemas(signature: Signature, number: dict[str, Any]) -> dict[str, Any]:
    if signature.output_labels is not None:
        return {
            "label": _fixed_list([{"enum": list(labels)} for labels in signature.output_labels]),
            "probabilities": _fixed_list([_probabilities(labels, number) for labels in signature.output_labels]),
        }
    label: dict[str, Any] = {} if signature.labels is None else {"enum": list(signature.labels)}
    if not signature.probabilities:
        return {"label": label}
    return {"label": label, "probabilities": _probabilities(signature.labels or (), number)}


def _method_schema(signature: Signature, method: Method, number: dict[str, Any]) -> dict[str, Any]:
    """What a method beside `predict` gives for one row: a number, or numbers in lists."""
    numbers = {"type": "array", "items": number}
    if method == "kneighbors":
        properties = {"distances": numbers, "indices": {"type": "array", "items": {"type": "integer"}}}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if method == "quantiles":
        names = [str(level) for level in signature.quantiles]
        return {"type": "object", "properties": dict.fromkeys(names, number), "required": names}
    return number if method == "score_samples" else {"anyOf": [number, numbers]}


def _probabilities(labels: Sequence[Label], number: dict[str, Any]) -> dict[str, Any]:
    names = label_names(labels)
    probability = {**number, "minimum": 0, "maximum": 1}
    return {"type": "object", "properties": dict.fromkeys(names, probability), "required": names}


def _fixed_list(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


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
    return Optional[kind] if feature.nullable else kind  # noqa: UP045  # Annotated types have no |


def _is_category(feature: Feature, value: Any) -> bool:
    return feature.categories is None or feature.nullable or value in feature.categories


def _left_out(feature: Feature) -> tuple[None, str | None]:
    """A feature that is not given is a missing value, where the model takes those."""
    return None, None if feature.nullable else "required, but missing"


def _from_json(feature: Feature, value: Any) -> tuple[Any, str | None]:
    try:
        converted = msgspec.convert(value, _type(feature))
    except (msgspec.ValidationError, UnicodeError):  # half a surrogate pair is not a number either
        return None, f"must be {_noun(feature)}"
    if isinstance(converted, float) and not math.isfinite(converted):
        return None, f"must be {_noun(feature)}, and finite"
    if not _is_category(feature, converted):
        return None, f"must be {_noun(feature)}"
    return converted, None


def _from_text(feature: Feature, text: str) -> tuple[Any, str | None]:
    try:
        value: Any = text if feature.type == "string" else msgspec.convert(text, _TYPES[feature.type], strict=False)
    except msgspec.ValidationError:
        return None, f"must be {_NOUNS[feature.type]}, not {text[:40]!r}"
    if not _is_category(feature, value):
        return None, f"must be {_noun(feature)}, not {text[:40]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return None, f"must be {_NOUNS[feature.type]}, and finite"
    return value, None


def _noun(feature: Feature) -> str:
    if feature.categories is not None and not feature.nullable:
        shown = ", ".join(json.dumps(value) for value in feature.categories[:_SHOWN_CATEGORIES])
        return f"one of {shown}{' and more' if len(feature.categories) > _SHOWN_CATEGORIES else ''}"
    return _NOUNS[feature.type] + (" or null" if feature.nullable else "")


def _pointer(place: str, name: str) -> str:
    """Append to a JSON pointer (RFC 6901 escapes ~ and /)."""
    return f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
