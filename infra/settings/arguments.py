"""A component's arguments are the settings, in Python's spelling: `registry_bucket` for `registryBucket`.

`infra.component_args` has their types; it is made from the schema (`infra.settings.page`).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi

from infra.component_args import ModelRegistryBucketArgs, SklearnModelArgs
from infra.settings.errors import SettingsError
from infra.settings.field import Field, Group, fields
from infra.settings.registry_stack import OUTPUT, bucket_of
from infra.settings.rules import check_combinations, check_name, check_registry
from infra.settings.schema import AccountSettings, RegistrySettings, Settings

# What a setting's own grammar reads; numbers and truth values are checked by their types.
_KINDS: Mapping[str, type] = {"string": str, "array": Sequence, "object": Mapping}
_COMMAND = re.compile(r"`pulumi config (set|rm)(?: --path)? '?([A-Za-z]+)(?:\[0\]|\.[^ ']+)?'?(?: ([^`]*))?`")


def argument_fields(group: type[Group]) -> tuple[Field, ...]:
    """The settings that a component of these settings takes: a model's takes none of the registry's alone."""
    if group is not Settings:
        return fields(group)
    shared = {field.key for field in fields(AccountSettings)}
    registrys = {field.key for field in fields(RegistrySettings) if not field.required} - shared
    return tuple(field for field in fields(group) if field.key not in registrys)


def argument(key: str) -> str:
    """The argument's name of a setting."""
    return re.sub(r"(?=[A-Z])", "_", key).lower()


def model_arguments(settings: Settings) -> SklearnModelArgs:
    """The arguments that are these settings."""
    return cast("SklearnModelArgs", _arguments(settings))


def registry_arguments(settings: RegistrySettings) -> ModelRegistryBucketArgs:
    """The arguments that are these settings."""
    return cast("ModelRegistryBucketArgs", _arguments(settings))


def _arguments(settings: RegistrySettings) -> dict[str, Any]:
    found = {}
    for field in argument_fields(type(settings)):
        value = getattr(settings, field.name)
        if value != field.default or field.required:
            joined = isinstance(value, tuple) and field.config_type == "string"
            found[argument(field.key)] = ",".join(value) if joined else value
    return found


def model_settings(name: str, args: Mapping[str, Any]) -> Settings:
    """The settings of a component of this name that serves a model.

    Raises:
        SettingsError: an argument cannot work; the message has its value and the remedy.

    """
    try:
        check_name(name)
        settings = Settings(stack=pulumi.get_stack(), **_values(Settings, args))
        check_combinations(settings)
    except SettingsError as error:
        raise SettingsError(_of_arguments(str(error))) from error
    return settings


def registry_settings(args: Mapping[str, Any]) -> RegistrySettings:
    """The settings of the registry's component; SettingsError as for a model's."""
    try:
        settings = RegistrySettings(**_values(RegistrySettings, args))
        check_registry(settings)
    except SettingsError as error:
        raise SettingsError(_of_arguments(str(error))) from error
    return settings


def _values(group: type[Group], args: Mapping[str, Any]) -> dict[str, Any]:
    known = {argument(field.key): field for field in argument_fields(group)}
    given = {name: value for name, value in args.items() if value is not None}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise SettingsError(f"there is no argument {', '.join(unknown)}: the arguments are {', '.join(known)}")
    missing = [name for name, field in known.items() if field.required and name not in given]
    if missing:
        raise SettingsError(f"the argument {', '.join(missing)} is missing: give it")
    if (bucket := argument(OUTPUT)) in given:
        given[bucket] = bucket_of(given[bucket])
    values = {known[name].name: _value(known[name], value) for name, value in given.items()}
    return {**values, "region": pulumi.Config("aws").get("region") or ""}


def _value(field: Field, value: Any) -> Any:
    """The setting's value of an argument's, which may come from a program in another language."""
    if isinstance(value, pulumi.Output):
        return _later(field, value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # other languages have one kind of number
    kind = _KINDS.get(field.config_type)
    if kind and not isinstance(value, kind):
        raise SettingsError(f"{field.key} is {value!r}, it must be of type {field.config_type}: {field.remedy}")
    if isinstance(value, Mapping):
        return field.read(dict(value))
    if isinstance(value, str):
        return field.read(value)
    if isinstance(value, Sequence):
        return tuple(value) if field.setting.may_be_output else field.read(list(value))
    return field.read(value)


def _later(field: Field, value: pulumi.Output[Any]) -> pulumi.Output[Any]:
    if not field.setting.may_be_output:
        raise SettingsError(
            f"{field.key} is the output of a resource, and its value is needed before there are any: give it as it is"
        )
    return value.apply(functools.partial(_checked, field))


def _checked(field: Field, value: Any) -> Any:
    try:
        field.check(tuple(value) if isinstance(value, list) else value)
    except SettingsError as error:
        raise SettingsError(_of_arguments(str(error))) from error
    return value


def _of_arguments(message: str) -> str:
    """A message whose remedies are arguments and not the configuration, which a program of one's own need not have."""
    return _COMMAND.sub(_remedy, message)


def _remedy(command: re.Match[str]) -> str:
    verb, key, value = command.groups()
    name = argument(key)
    return f"leave the argument `{name}` out" if verb == "rm" else f"the argument `{name}={value}`"
