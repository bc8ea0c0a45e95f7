"""The JSON schema of a model's answers, from its signature. Light: the function imports this module."""

from collections.abc import Sequence
from typing import Any

from model_runtime.manifest import Label, Method, Signature
from model_runtime.schema import label_names


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
    """A list of one item for each output. Where they are alike, as most programs understand it."""
    count = {"minItems": len(items), "maxItems": len(items)}
    if all(item == items[0] for item in items):
        return {"type": "array", "items": items[0], **count}
    return {"type": "array", "prefixItems": items, **count}
