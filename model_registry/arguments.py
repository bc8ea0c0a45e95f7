"""Arguments of the library's public methods are looked at before anything is done with them.

What is of another type would fail somewhere within, or be written into a record that nobody can read afterwards.
"""

import functools
import inspect
import reprlib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from model_runtime.errors import ArgumentError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Kinds = tuple[type, ...]


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A function that raises ArgumentError for an argument of another type than its annotation says.

    What is in a list or mapping is not looked at, nor what is annotated by a protocol or by texts.
    """
    signature = inspect.signature(function)
    known: dict[str, _Kinds] = {}

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        nonlocal known
        known = kinds = known or _kinds_of(signature, function)  # not before: a class is made after its methods
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            wanted = kinds[name]
            if wanted and not isinstance(value, wanted):
                raise ArgumentError(
                    f"{name} is {reprlib.repr(value)}, of the type {type(value).__name__}: give {_words(wanted)}"
                )
        return function(*args, **kwargs)

    return call


def _kinds_of(signature: inspect.Signature, function: Callable[..., Any]) -> dict[str, _Kinds]:
    names = getattr(function, "__globals__", {})
    found = {}
    for name, parameter in signature.parameters.items():
        annotation = parameter.annotation
        known = names.get(annotation, Any) if isinstance(annotation, str) else annotation
        found[name] = _kinds(known) or ()
    return found


def _kinds(annotation: Any) -> _Kinds | None:
    """The classes that a value may be of; None where any value may be right."""
    if annotation is None or annotation is type(None):
        return (type(None),)
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        parts = [_kinds(part) for part in typing.get_args(annotation)]
        return None if None in parts else tuple(kind for part in parts for kind in part or ())
    found = origin or annotation
    anything = {Any, Mapping, inspect.Parameter.empty}  # publish says of mappings what they are of
    if found in {Sequence, Collection}:
        return (Iterable,)  # an array is one, too
    if not isinstance(found, type) or found in anything or getattr(found, "_is_protocol", False):
        return None
    return (found, int) if found is float else (found,)


def _words(kinds: _Kinds) -> str:
    names = ["None" if kind is type(None) else kind.__name__ for kind in kinds]
    return " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
