"""A stack's configuration, read and checked from Pulumi.yaml and Pulumi.<stack>.yaml as the engine does it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.errors import ConfigError

_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


@dataclass(frozen=True)
class Configuration:
    """What a program sees through pulumi.Config."""

    project: str
    values: dict[str, str]
    """By full key, `namespace:key`; everything is text, arrays and objects are JSON."""
    secrets: frozenset[str]
    """The full keys whose values are secret."""


def read_configuration(project: Path, stack: str, overrides: Mapping[str, str] | None = None) -> Configuration:
    """Read the configuration of a stack of the project in this folder.

    Overrides win over the stack's file, which wins over the defaults of the project's schema. A key without a
    namespace is the project's own.

    Raises:
        ConfigError: no such project or stack, a required key is missing, or a value is not of the declared type.

    """
    settings = _load(project / "Pulumi.yaml", "the folder is not a Pulumi project: name the one that holds Pulumi.yaml")
    name = str(settings["name"])
    known = sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in project.glob("Pulumi.*.yaml"))
    file = project / f"Pulumi.{stack}.yaml"
    remedy = f"stack {stack!r} does not exist: write the file, or choose one of {', '.join(known) or 'none'}"
    values = _stack_values(file, name, _load(file, remedy))
    values |= {_full(name, key): value for key, value in (overrides or {}).items()}
    secrets = set()
    for key, schema in (settings.get("config") or {}).items():
        full = _full(name, key)
        declared = schema if isinstance(schema, dict) else {"value": schema}
        if declared.get("secret"):
            secrets.add(full)
        values |= _declared(full, declared, stack, values.get(full))
    return Configuration(name, values, frozenset(secrets))


def _full(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _load(file: Path, remedy: str) -> dict[str, Any]:
    try:
        return yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"{file} does not exist; {remedy}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}") from error


def _stack_values(file: Path, project: str, settings: dict[str, Any]) -> dict[str, str]:
    # The engine takes a scalar as written (1.10 is "1.10"), and members of a collection by their type.
    written = yaml.load(file.read_text(), Loader=yaml.BaseLoader) or {}  # noqa: S506  # BaseLoader makes only text
    values = {}
    for key, value in (settings.get("config") or {}).items():
        if isinstance(value, dict) and "secure" in value:
            raise ConfigError(
                f"{key} in {file} is encrypted, and its key is the engine's: give its value as an override"
            )
        values[_full(project, key)] = json.dumps(value) if isinstance(value, dict | list) else written["config"][key]
    return values


def _declared(key: str, schema: dict[str, Any], stack: str, value: str | None) -> dict[str, str]:
    """Return the value of a declared key: the stack's, checked, or the schema's; empty where neither has one."""
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        raise ConfigError(f"Pulumi.yaml declares {key} as {kind!r}; the types are {', '.join(_TYPES)}")
    default = schema.get("value", schema.get("default"))
    if value is None:
        if default is None:
            if kind is None:
                return {}
            raise ConfigError(f"stack {stack!r} is missing configuration value {key!r}: set it in Pulumi.{stack}.yaml")
        if kind and not _is(kind, default):
            raise ConfigError(f"Pulumi.yaml has the default {default!r} for {key}, which must be of type {kind!r}")
        return {key: default if isinstance(default, str) else json.dumps(default)}
    parsed = _parsed(kind, value) if kind else value
    if kind and not _is(kind, parsed):
        raise ConfigError(
            f"stack {stack!r} has {value!r} for configuration key {key!r}, which must be of type {kind!r}"
        )
    items = schema.get("items", {}).get("type")
    if kind == "array" and items and not all(_is(items, item) for item in parsed):
        raise ConfigError(
            f"stack {stack!r} has {value!r} for configuration key {key!r}, which must be of type 'array<{items}>'"
        )
    return {key: value}


def _parsed(kind: str, text: str) -> Any:
    """Return the JSON value of a text whose type is not string; the text itself if it is not JSON."""
    try:
        return text if kind == "string" else json.loads(text)
    except ValueError:
        return text


def _is(kind: str, value: Any) -> bool:
    # True is an int to Python, and not to the schema.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
