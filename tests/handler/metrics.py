"""Metrics as CloudWatch takes them from a log line."""

import time
from typing import Any

import jsonschema

# What "Specification: Embedded metric format" (Amazon CloudWatch user guide) demands of the `_aws` member.
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "Count/Second", "None"}
METADATA = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 0},
        "CloudWatchMetrics": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Namespace", "Dimensions", "Metrics"],
                "additionalProperties": False,
                "properties": {
                    "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                    "Dimensions": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "array", "minItems": 1, "maxItems": 30, "items": {"type": "string"}},
                    },
                    "Metrics": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": False,
                            "properties": {
                                "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                "Unit": {"enum": sorted(UNITS)},
                            },
                        },
                    },
                },
            },
        },
    },
}


def metrics_of(line: dict[str, Any]) -> dict[str, Any]:
    """The metrics that CloudWatch takes from a line; the line must keep to the specification."""
    jsonschema.validate(line["_aws"], METADATA)
    age = time.time() - line["_aws"]["Timestamp"] / 1000
    assert -60 < age < 3600, "milliseconds since the epoch, and now"
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    for name in directive["Dimensions"][0]:
        assert isinstance(line[name], str), "a dimension's value is a text in the root of the line"
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(set(names)) == len(names)
    for name in names:
        values = line[name] if isinstance(line[name], list) else [line[name]]
        assert 0 < len(values) <= 100
        assert {type(value) for value in values} <= {int, float}, "numbers in the root of the line"
    return {name: line[name] for name in names}
