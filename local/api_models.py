"""What AWS would refuse of a request, by its own API model, before the request is sent.

botocore ships the model of every service and checks required members, types and lower bounds against it; what else the
model says (upper bounds, patterns, enumerations) only the service looks at, and MiniStack does not. `strict` adds
that to a client, with the rules of `local.api_rules` that no model states.

A pattern counts for the whole value, and lengths count characters. Patterns are Java's: those that Python reads
differently are translated; those that cannot be are left out (a test names them).
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel, Shape

from local.api_rules import RULES
from local.errors import ApiModelError

# \p{L} and \p{N} are letters and digits of any script, as \w, which takes the underscore too; \p{Z} are spaces. The
# third writes the characters beyond U+FFFF as the surrogates that Java sees.
_TRANSLATED = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r"\s",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
    r"\p{Print}+": "[ -~]+",
}
_NUMBERS = ("integer", "long", "float", "double")
_SHOWN = 80  # characters of a refused value in a message


@dataclass(frozen=True)
class Violation:
    """A value that AWS would refuse: the member's place in the request, the value as it may be shown, the rule."""

    member: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"{self.member} is {self.value}, it must {self.rule}"


def strict(client: Any) -> Any:
    """Let a boto3 client raise ApiModelError instead of sending what AWS would refuse, and return it."""
    client.meta.events.register("before-parameter-build", _refuse)
    return client


def violations(operation: OperationModel, parameters: dict[str, Any]) -> list[Violation]:
    """What AWS would refuse of a request, beyond what botocore finds itself (required members, types)."""
    found = list(_of_shape(operation.input_shape, parameters, "")) if operation.input_shape else []
    rules = RULES.get((operation.service_model.service_name, operation.name), ())
    # A rule is for parameters of the right types; botocore refuses others.
    found += [Violation(*broken) for rule in rules for broken in rule(parameters)]
    return found


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Read a pattern of an API model; None if Python cannot."""
    for java, python in _TRANSLATED.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _refuse(params: dict[str, Any], model: OperationModel, **_event: Any) -> None:
    found = violations(model, params)
    if found:
        operation = f"{model.service_model.service_name}.{model.name}"
        raise ApiModelError(f"AWS would refuse {operation}: {'; '.join(map(str, found))}")


def _of_shape(shape: Shape, value: Any, place: str) -> Iterator[Violation]:
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in value.items():
            if name in shape.members:
                yield from _of_shape(shape.members[name], member, f"{place}.{name}".lstrip("."))
    elif shape.type_name == "list" and isinstance(value, list | tuple):
        yield from _bounds(shape, len(value), value, place, " items")
        for index, member in enumerate(value):
            yield from _of_shape(shape.member, member, f"{place}[{index}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _bounds(shape, len(value), value, place, " entries")
        for key, member in value.items():
            yield from _of_shape(shape.key, key, f"the key {key} of {place}")
            yield from _of_shape(shape.value, member, f"{place}.{key}")
    else:
        yield from _of_scalar(shape, value, place)


def _of_scalar(shape: Shape, value: Any, place: str) -> Iterator[Violation]:
    if shape.type_name == "string" and isinstance(value, str):
        yield from _bounds(shape, len(value), value, place, " characters")
        yield from _of_text(shape, value, place)
    elif shape.type_name == "blob" and isinstance(value, bytes):
        yield from _bounds(shape, len(value), value, place, " bytes")
    elif shape.type_name in _NUMBERS and isinstance(value, int | float):
        yield from _bounds(shape, value, value, place, "")


def _bounds(shape: Shape, size: float, value: Any, place: str, unit: str) -> Iterator[Violation]:
    rules = shape.metadata
    verb = "have" if unit else "be"
    if size < rules.get("min", size):
        yield Violation(place, _shown(shape, value), f"{verb} {rules['min']}{unit} at least")
    if size > rules.get("max", size):
        yield Violation(place, _shown(shape, value), f"{verb} {rules['max']}{unit} at most")


def _of_text(shape: Shape, value: str, place: str) -> Iterator[Violation]:
    values = shape.metadata.get("enum")
    if values and value not in values:
        yield Violation(place, _shown(shape, value), f"be one of {', '.join(values)}")
    pattern = shape.metadata.get("pattern")
    expression = compiled(pattern) if pattern else None
    if expression and not expression.fullmatch(value):
        yield Violation(place, _shown(shape, value), f"match {pattern}")


def _shown(shape: Shape, value: Any) -> str:
    if shape.metadata.get("sensitive"):
        return "[secret]"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(value):,} long)"
