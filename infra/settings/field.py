"""What a setting is: a typed field, and what people are told about it.

A field of a `Group` is a setting if its annotation has a `Setting` in it. Its type and `msgspec.Meta` say which values
it takes, and msgspec checks them; `Setting` and `Form` have the words. Everything else follows from the field: the
configuration's schema, the documentation, the messages, and the values that tests use for bad input.
"""

import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
import pulumi
from msgspec import Meta

from infra.settings.errors import SettingsError
from model_runtime.errors import RegistryError

_Note = TypeVar("_Note")


@dataclass(frozen=True)
class Form:
    """How a text looks: `words` complete "it must be ...", `bad` are texts of another form."""

    words: str
    bad: tuple[str, ...]
    source: str = ""
    regional: bool = False
    """Whether it is an ARN that must be of the stack's own region."""


@dataclass(frozen=True)
class Setting:
    """What people are told about a setting."""

    description: str
    unit: str = ""
    """What a number counts, as in "from 512 to 10240 MB"."""
    source: str = ""
    """Where the bounds come from."""
    outside: str = ""
    """What the setting needs outside the stack, as Markdown."""
    bad: tuple[Any, ...] = ()
    """Values that are refused, beside those that follow from the type, as the configuration has them."""
    parse: Callable[[Any], Any] | None = None
    """Makes the field's value of the configuration's, or raises ValueError or an error of the registry."""
    config_type: str = ""
    """The configuration's type, where it is not the field's."""
    may_be_output: bool = False
    """Whether a program may give it as the output of another resource, whose value comes later."""


class Group(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Settings that are checked one by one when they are put together."""

    def __post_init__(self) -> None:
        for field in fields(type(self)):
            field.check(getattr(self, field.name))


@dataclass(frozen=True)
class Field:
    """One setting: the name of its attribute, its key in the configuration, and the rest of its declaration."""

    name: str
    key: str
    type: Any
    default: Any
    required: bool
    setting: Setting

    @property
    def plain_type(self) -> Any:
        """The type without annotations, as `int` or `tuple[str, ...]`."""
        return _plain(self.type)

    @property
    def config_type(self) -> str:
        """The type in `Pulumi.yaml`."""
        if self.setting.config_type:
            return self.setting.config_type
        kind = self.plain_type
        if typing.get_origin(kind) is Literal:
            kind = type(typing.get_args(kind)[0])
        return _CONFIG_TYPES[typing.get_origin(kind) or kind]

    @property
    def config_default(self) -> Any:
        """The default in `Pulumi.yaml`."""
        if self.config_type == "string" and not self.default:
            return ""
        return list(self.default) if isinstance(self.default, tuple) else self.default

    @property
    def remedy(self) -> str:
        """The command that sets the value, or the first of a list."""
        return remedy(self.key, item=0 if self.config_type == "array" else None)

    @property
    def values(self) -> str:
        """Which values it takes, in words; empty where the type says it all."""
        choices, form, meta = _choices(self.type), _find(self.type, Form), _find(self.type, Meta)
        if choices:
            return f"one of {', '.join(map(str, choices))}"
        if form:
            return form.words
        if meta and meta.ge is not None:
            return f"from {meta.ge} to {meta.le} {self.setting.unit}".rstrip()
        return ""

    @property
    def source(self) -> str:
        """Where the bounds come from."""
        form = _find(self.type, Form)
        return self.setting.source or (form.source if form else "")

    @property
    def own_region(self) -> bool:
        """Whether it is an ARN that must be of the stack's own region."""
        form = _find(self.type, Form)
        return bool(form and form.regional)

    def read(self, value: Any) -> Any:
        """Make the field's value of the configuration's: text, or what JSON made of it.

        Raises:
            SettingsError: it cannot be read; the message has the value and the remedy.

        """
        if self.setting.parse:
            try:
                value = self.setting.parse(value)
            except (ValueError, RegistryError) as error:
                raise SettingsError(f"{self.key}: {error}") from error
        return tuple(value) if isinstance(value, list) else value

    def check(self, value: Any) -> None:
        """Refuse a value that the type does not take; an output's is checked when it is known.

        Raises:
            SettingsError: the message has the value and the remedy.

        """
        if isinstance(value, pulumi.Output):
            return
        known = value
        if isinstance(value, tuple):
            known = tuple(one for one in value if not isinstance(one, pulumi.Output))
        try:
            msgspec.convert(known, self.type)
        except msgspec.ValidationError as error:
            raise SettingsError(self._refusal(value)) from error

    def _refusal(self, value: Any) -> str:
        meta = _find(self.type, Meta)
        if isinstance(value, tuple | Mapping):
            most = meta.max_length if meta else None
            if most is not None and len(value) > most:
                shown = ", ".join(map(str, value))
                return f"{self.key} has {len(value)} entries ({shown}), it takes {most} at most: remove some"
            item = typing.get_args(self.plain_type)[0]
            index, bad = next(
                (index, one)
                for index, one in enumerate(value)
                if not isinstance(one, pulumi.Output) and not _fits(one, item)
            )
            command = remedy(self.key, item=index) if isinstance(value, tuple) else self.remedy
            return f"{self.key} has {bad!r}, it must be {self.values or 'a string'}: {command}"
        return f"{self.key} is {value!r}, it must be {self.values or self.config_type}: {self.remedy}"


_CONFIG_TYPES = {str: "string", int: "integer", bool: "boolean", tuple: "array", Mapping: "object"}


@functools.cache
def fields(group: type[Group]) -> tuple[Field, ...]:
    """The settings of a group, in the order of their declaration."""
    found = []
    for info in msgspec.structs.fields(group):
        setting = _find(info.type, Setting)
        if setting is None:
            continue
        default = info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory()
        found.append(Field(info.name, info.encode_name, info.type, default, info.required, setting))
    return tuple(found)


def shown(value: Any) -> str:
    """A value in a message; one that a program gives as an output is not known yet."""
    if isinstance(value, pulumi.Output):
        return "an output"
    return ", ".join(map(shown, value)) if isinstance(value, tuple) else str(value)


def remedy(key: str, *, item: int | None = None) -> str:
    """The command that sets a value, or the one at a place of a list."""
    if item is None:
        return f"`pulumi config set {key} VALUE`"
    return f"`pulumi config set --path '{key}[{item}]' VALUE`"


def from_text(field: Field, text: str) -> Any:
    """Make the field's value of its text in the configuration, which is JSON but for strings."""
    if field.config_type == "string":
        return field.read(text)
    try:
        return field.read(json.loads(text))
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{field.key} is {text!r}, it must be of type {field.config_type}: {field.remedy}"
        ) from error


def _plain(annotation: Any) -> Any:
    return annotation.__origin__ if typing.get_origin(annotation) is typing.Annotated else annotation


def _find(annotation: Any, kind: type[_Note]) -> _Note | None:
    """The first note of this kind on a type; a form may stand on the entries of a list."""
    notes = getattr(annotation, "__metadata__", ())
    entries = typing.get_args(_plain(annotation)) if kind is Form else ()
    return next((note for note in notes if isinstance(note, kind)), None) or next(
        (found for entry in entries if not isinstance(entry, types.EllipsisType) and (found := _find(entry, kind))),
        None,
    )


def _choices(annotation: Any) -> tuple[Any, ...]:
    plain = _plain(annotation)
    return typing.get_args(plain) if typing.get_origin(plain) is Literal else ()


def _fits(value: Any, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True
