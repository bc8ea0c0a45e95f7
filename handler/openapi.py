"""The OpenAPI document of one model, made from its manifest: enough to generate a client from."""

import re
from collections.abc import Sequence
from typing import Any

from handler.bodies import FORMS
from model_runtime.answer_schema import answer_schema
from model_runtime.feature_values import feature_schema
from model_runtime.manifest import Feature, Manifest
from model_runtime.schema import body_schemas, has_query_form

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "Place in the body: RFC 6901, or RFC 7111 for CSV"},
                    "parameter": {"type": "string", "description": "Name of a query string parameter"},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_FIELDS = {
    "number": r"-?[0-9]{1,9}(\.[0-9]{1,9})?",
    "integer": "-?[0-9]{1,9}",
    "boolean": "true|false",
    "string": "[A-Za-z0-9 ]+",
    "datetime": "20[0-9]{2}-0[1-9]-[0-2][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z",
}
"""By a feature's type a pattern of simple values of it."""
_PATTERN_FEATURES = 50

_PROBLEMS = {
    "400": "BadRequest",
    "413": "TooLarge",
    "415": "UnsupportedType",
    "422": "NoAnswer",
    "500": "Failed",
    "503": "Unavailable",
    "default": "Refused",
}
"""By status the name of the response; a status that the gateway gives itself is under `default`."""
_MEANINGS = {
    "BadRequest": "The request does not fit the model's signature",
    "TooLarge": "The request, or the answer to it, is too large",
    "UnsupportedType": "The body has a type that is not read here",
    "NoAnswer": "The request fits the signature, but the model has no answer to these values",
    "Failed": "The model failed",
    "Unavailable": "The model could not be loaded",
    "Refused": "Refused by the gateway, or another failure",
}
_SECURITY = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4, service execute-api",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}


def document(manifest: Manifest, url: str = ".", security: Sequence[str] = ()) -> dict[str, Any]:
    """OpenAPI 3.1 for every route.

    `url` is that of the stage or domain; `security` names what a caller needs, `apiKey` or `iam`, or both.
    """
    schemes = {name: _SECURITY[name] for name in security}
    return {
        "openapi": "3.1.0",
        "info": {"title": manifest.name, "version": str(manifest.version), "description": manifest.description},
        "servers": [{"url": url}],
        "security": [{name: [] for name in schemes}] if schemes else [],
        "paths": _paths(manifest),
        "components": {
            "schemas": _schemas(manifest),
            "responses": {name: _problem(text) for name, text in _MEANINGS.items()},
            "headers": {"ModelVersion": {"description": "The version that answered", "schema": {"type": "string"}}},
            **({"securitySchemes": schemes} if schemes else {}),
        },
    }


def _paths(manifest: Manifest) -> dict[str, Any]:
    reference = manifest.reference
    predict = {
        "post": _operation("predict", f"Predict with {reference}: one instance, or a batch", "Answer", "Answers")
        | {"requestBody": _body(_any_of("Instance", "Batch", "Instances"))}
    }
    if has_query_form(manifest.signature):
        parameters = [_parameter(feature) for feature in manifest.signature.features]
        predict["get"] = _operation("predictOne", f"Predict one instance with {reference}", "Answer") | {
            "parameters": parameters
        }
    invocations = _operation("invoke", "Predict as MLflow's scoring server and SageMaker do", "Invoked") | {
        "requestBody": _body(_ref("Invocation"), _csv(manifest))
    }
    invocations["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return {
        "/": {"get": _operation("index", "The routes of this API", "Index")},
        "/predict": predict,
        "/health": {"get": _operation("health", "Whether the model is loaded", "Health")},
        "/model": {"get": _operation("model", "The model: signature, metrics, examples", "Model")},
        "/openapi.json": {"get": _operation("openapi", "This document", "Document")},
        "/ping": {"get": _operation("ping", "Whether the model is loaded, as SageMaker asks", "Health")},
        "/invocations": {"post": invocations},
    }


def _schemas(manifest: Manifest) -> dict[str, Any]:
    origin = {"model": {"const": manifest.name}, "version": {"const": manifest.version}}
    prediction = answer_schema(manifest.signature)
    (*_, instances), definitions = body_schemas(manifest.signature, "#/components/schemas/{name}")
    return {
        **definitions,
        "Prediction": prediction,
        "Answer": _object({**prediction["properties"], **origin}, [*prediction["required"], *origin]),
        "Answers": _object({"predictions": {"type": "array", "items": _ref("Prediction")}, **origin}),
        "Instances": instances,
        "SplitFrame": _split_frame(manifest),
        **{_name_of(form): _only(form, schema) for form, schema in _forms(manifest).items()},
        "Invocation": {
            "anyOf": [*(_ref(_name_of(form)) for form in FORMS), _values(manifest)],
            "description": "One of MLflow's forms, or a list of instances",
        },
        "Invoked": _object({"predictions": {"type": "array", "items": {}}}),
        "Health": _object({"status": {"const": "ok"}, **origin}),
        "Index": _object({**origin, "routes": {"type": "object"}}),
        "Model": _object(
            {
                **origin,
                "description": {"type": "string"},
                "created_at": {"type": "string", "format": "date-time"},
                "estimator": {"type": "string"},
                "signature": {"type": "object"},
                "metrics": {"type": "object"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "examples": {"type": "array", "items": {"type": "object"}},
            }
        ),
        "Document": {"type": "object"},
        "Problem": _PROBLEM,
    }


def _forms(manifest: Manifest) -> dict[str, Any]:
    """MLflow's forms, by the member that holds each; `inputs` may also have a list for each feature, by its name."""
    values = _values(manifest)
    return dict(zip(FORMS, (_ref("SplitFrame"), values, values, values), strict=True))


def _name_of(form: str) -> str:
    """The schema of a form: `SentDataframeSplit`."""
    return "Sent" + "".join(part.capitalize() for part in form.split("_"))


def _split_frame(manifest: Manifest) -> dict[str, Any]:
    """A frame as pandas splits it; its columns may also stand in another order, as the values in each row do then."""
    columns = [{"const": feature.name} for feature in manifest.signature.features]
    split = {
        "columns": {"type": "array", "prefixItems": columns, "minItems": len(columns), "maxItems": len(columns)},
        "data": {"type": "array", "items": _ref("Row"), "minItems": 1},
        "index": {"type": "array", "items": {}},
    }
    return _object(split, ["columns", "data"], {"additionalProperties": False})


def _values(manifest: Manifest) -> dict[str, Any]:
    """Instances; those of a model with one feature may stand there as its bare value."""
    features = manifest.signature.features
    if len(features) > 1:
        return _ref("Instances")
    items = [_ref("Instance"), _ref("Row"), feature_schema(features[0])]
    return {"type": "array", "items": {"anyOf": items}, "minItems": 1}


def _csv(manifest: Manifest) -> dict[str, Any] | None:
    """CSV as simple as it can be written, without a header; None where whatever is sent would be a text in it."""
    features = manifest.signature.features
    if all(feature.type == "string" for feature in features):
        return None
    if len(features) > _PATTERN_FEATURES:
        return {"type": "string"}
    line = ",".join(f"({_field(feature)})" + ("?" if feature.nullable else "") for feature in features)
    return {"type": "string", "pattern": f"^{line}(\\n{line})*\\n?$"}


def _field(feature: Feature) -> str:
    if feature.categories is None:
        return _FIELDS[feature.type]
    return "|".join(re.escape(str(value)) for value in feature.categories)


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return _object({name: schema}, more={"additionalProperties": False})


def _operation(name: str, summary: str, *answers: str) -> dict[str, Any]:
    answer = {
        "description": "The answer",
        "headers": {"X-Model-Version": {"$ref": "#/components/headers/ModelVersion"}},
        "content": {"application/json": {"schema": _any_of(*answers)}},
    }
    problems = {status: {"$ref": f"#/components/responses/{response}"} for status, response in _PROBLEMS.items()}
    return {"operationId": name, "summary": summary, "responses": {"200": answer, **problems}}


def _problem(meaning: str) -> dict[str, Any]:
    return {
        "description": f"{meaning} (a problem document, RFC 9457)",
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }


def _parameter(feature: Feature) -> dict[str, Any]:
    required = not feature.nullable
    return {"name": feature.name, "in": "query", "required": required, "schema": feature_schema(feature)}


def _body(schema: dict[str, Any], csv: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}, **({} if csv is None else {"text/csv": {"schema": csv}})}
    return {"required": True, "content": content}


def _object(
    properties: dict[str, Any], required: Sequence[str] | None = None, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, **(more or {})}


def _any_of(*names: str) -> dict[str, Any]:
    references = [_ref(name) for name in names]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
