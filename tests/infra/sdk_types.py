"""What pulumi-aws's own types say about a resource: which inputs there are, of which types, required, deprecated."""

import functools
import importlib
import inspect
import pkgutil
import sys
import typing
import warnings
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import pulumi
from pulumi._types import input_type_py_to_pulumi_names

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of old modules of pulumi-aws, which import each other
    import pulumi_aws


@functools.cache
def arguments(token: str) -> type | None:
    """The class of a resource's arguments, as `FunctionArgs` of `aws:lambda/function:Function`; None for none."""
    _aws, path, name = token.split(":")
    service = path.partition("/")[0]
    modules = {one.name.rstrip("_"): one.name for one in pkgutil.iter_modules(pulumi_aws.__path__)}
    if service not in modules:
        return None
    resource = getattr(importlib.import_module(f"pulumi_aws.{modules[service]}"), name, None)
    # Pulumi calls it InitArgs where a nested input has its name already.
    module = sys.modules[resource.__module__] if resource else None
    found = getattr(module, f"{name}InitArgs", getattr(module, f"{name}Args", None))
    return found if isinstance(found, type) else None


def findings(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """What is wrong with a resource's inputs, which have the names of Pulumi's schema."""
    args = arguments(token)
    return [f"there is no {token}"] if args is None else list(_of_args(args, inputs, token))


def _of_args(args: type, inputs: Mapping[str, Any], place: str) -> Iterator[str]:
    names: Mapping[str, str] = input_type_py_to_pulumi_names(args)
    parameters = {names.get(name, name): parameter for name, parameter in _parameters(args).items()}
    attributes = {names.get(name, name): name for name in _parameters(args)}
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in inputs:
            yield f"{place}.{name} is required"
    hints = _hints(args)
    for name, value in inputs.items():
        if name not in parameters:
            yield f"{place}.{name} is not known"
            continue
        attribute = attributes[name]
        getter = getattr(args, attribute).fget
        if "_pulumi_deprecated_callable" in getter.__dict__:
            yield f"{place}.{name} is deprecated"
        yield from _of_value(hints[attribute], value, f"{place}.{name}")


def _parameters(args: type) -> dict[str, inspect.Parameter]:
    found = inspect.signature(args.__init__).parameters  # type: ignore[misc]  # its signature is what is looked at
    return {name: parameter for name, parameter in found.items() if name != "__self__"}


@functools.cache
def _hints(args: type) -> dict[str, Any]:
    known = {"Output": pulumi.Output, "T": Any}
    return typing.get_type_hints(args.__init__, localns=known)  # type: ignore[misc]  # as above


def _of_value(hint: Any, value: Any, place: str) -> Iterator[str]:
    options = list(_options(hint))
    choices = [
        one.value for option in options if isinstance(option, type) and issubclass(option, Enum) for one in option
    ]
    if choices and isinstance(value, str):
        if value not in choices:
            yield f"{place} is {value!r}, which is none of {', '.join(map(str, choices))}"
        return
    found = next((option for option in options if _is(option, value)), None)
    if found is None:
        yield f"{place} is {value!r}, which is of another type"
    elif isinstance(value, Mapping) and typing.get_origin(found):
        for key, one in value.items():
            yield from _of_value(typing.get_args(found)[1], one, f"{place}.{key}")
    elif isinstance(value, Mapping) and found is not Any:
        yield from _of_args(found, value, place)
    elif isinstance(value, list | tuple) and typing.get_origin(found):
        for index, one in enumerate(value):
            yield from _of_value(typing.get_args(found)[0], one, f"{place}[{index}]")


def _options(hint: Any) -> Iterator[Any]:
    """The types that a value may have, without those of values that are not known yet."""
    arguments_of = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Union or (arguments_of and type(None) in arguments_of):
        for one in arguments_of:
            yield from _options(one)
    elif typing.get_origin(hint) is None or not _is_later(hint):
        yield hint


def _is_later(hint: Any) -> bool:
    return getattr(typing.get_origin(hint), "__name__", "") in {"Awaitable", "Output"}


def _is(option: Any, value: Any) -> bool:
    """Whether a value is of this type, its entries aside."""
    kind = typing.get_origin(option) or option
    if kind is Any:
        return True
    if not isinstance(kind, type):
        return False
    if kind.__name__.endswith("Args"):
        return isinstance(value, Mapping)
    if isinstance(value, bool):
        return kind is bool
    if kind in (int, float):
        return isinstance(value, int) or (isinstance(value, float) and (kind is float or value.is_integer()))
    return isinstance(value, kind) and not (isinstance(value, str) and kind is not str)
