"""Values that a setting refuses, which follow from its declaration."""

from collections.abc import Iterator
from typing import Any

from msgspec import Meta

from infra.settings.field import Field, Form, _choices, _find


def bad_values(field: Field) -> Iterator[Any]:
    """As the configuration has them: just outside the bounds, none of the choices."""
    yield from field.setting.bad
    meta, form, choices = _find(field.type, Meta), _find(field.type, Form), _choices(field.type)
    if meta and meta.ge is not None and meta.le is not None:
        yield from (meta.ge - 1, meta.le + 1)
    if choices:
        yield max(choices) + 1 if isinstance(choices[0], int) else f"{choices[0]}-or-not"
    if form:
        yield from ([bad] if field.config_type == "array" else bad for bad in form.bad)
