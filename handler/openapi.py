"""The OpenAPI document of one model, made from its manifest."""

from typing import Any

from model_runtime.manifest import Manifest
from model_runtime.schema import answer_schema, feature_schema, has_query_form, request_schema

_PROBLEM = {
    "description": "A problem document (RFC 9457)",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "errors": {"type": "array", "items": {"type": "object"}},
                },
                "required": ["type", "title", "status", "detail"],
            }
        }
    },
}


def document(manifest: Manifest) -> dict[str, Any]:
    """OpenAPI 3.1 for `/predict`; the request body's schema is the one that the gateway checks."""
    schema = request_schema(manifest.signature)
    components = schema["definitions"]
    # OpenAPI keeps shared schemas elsewhere than JSON schema draft 4.
    components["Batch"]["properties"]["instances"]["items"] = {"$ref": "#/components/schemas/Instance"}
    origin = {"model": {"const": manifest.name}, "version": {"const": manifest.version}}
    components["Prediction"] = answer_schema(manifest.signature)
    components["Answer"] = {
        "allOf": [{"$ref": "#/components/schemas/Prediction"}, {"type": "object", "properties": origin}]
    }
    components["Answers"] = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
            **origin,
        },
        "required": ["predictions", "model", "version"],
    }
    methods: dict[str, Any] = {
        "post": {
            "operationId": "predict",
            "summary": f"Predict with {manifest.reference}, one instance or a batch",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _any_of("Instance", "Batch")}},
            },
            "responses": _responses("Answer", "Answers"),
        }
    }
    if has_query_form(manifest.signature):
        methods["get"] = {
            "operationId": "predictOne",
            "summary": f"Predict one instance with {manifest.reference}",
            "parameters": [
                {
                    "name": feature.name,
                    "in": "query",
                    "required": not feature.nullable,
                    "schema": feature_schema(feature),
                }
                for feature in manifest.signature.features
            ],
            "responses": _responses("Answer"),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": manifest.name, "version": str(manifest.version), "description": manifest.description},
        "paths": {"/predict": methods},
        "components": {"schemas": components},
    }


def _responses(*names: str) -> dict[str, Any]:
    answer = {"description": "The prediction", "content": {"application/json": {"schema": _any_of(*names)}}}
    return {"200": answer, "400": _PROBLEM, "default": _PROBLEM}


def _any_of(*names: str) -> dict[str, Any]:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return references[0] if len(references) == 1 else {"anyOf": references}
