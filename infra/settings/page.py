"""Write what follows from the schema: `python -m infra.settings.page`.

That is the configuration's schema in `Pulumi.yaml`, docs/settings.md, and the components' arguments.
"""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import yaml

from infra.function_code import PROJECT
from infra.settings.arguments import argument, argument_fields
from infra.settings.field import Field, fields
from infra.settings.rules import RULES, lock_period, own_region, snap_start_python
from infra.settings.schema import RegistrySettings, Settings

PAGE = PROJECT / "docs" / "settings.md"
PULUMI_YAML = PROJECT / "Pulumi.yaml"
ARGUMENTS = PROJECT / "infra" / "component_args.py"

_ARGUMENT_TYPES = {
    "array": "Sequence[str]",
    "boolean": "bool",
    "integer": "int",
    "object": "Mapping[str, str]",
    "string": "str",
}

_HEAD = """\
# Settings

<!-- Made by `python -m infra.settings.page` from infra/settings/schema.py and rules.py: change those. -->

`pulumi config set KEY VALUE` sets one for the selected stack; lists and tags are set entry by entry, with `--path`:

```
pulumi config set memory 2048
pulumi config set --path 'corsOrigins[0]' https://app.example.com
pulumi config set --path tags.team forecasting
```

A value that cannot work is refused before anything is created. The stack `registry` uses {registry}.
"""

_ARGUMENTS_HEAD = """\
\"""Types of the components' arguments, which are the settings.

Made by `python -m infra.settings.page` from infra/settings/schema.py: change that. Pulumi's analyzer makes the schema
for other languages of these classes, and takes the line below an argument as its description.
\"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
"""

_REFUSED = """\
## Combinations that are refused

AWS would refuse these in the middle of a deployment, or take them and never do what they say.
"""

_OUTSIDE = """\
## What some settings need outside the stack
"""

_SOURCES = """\
## Where the bounds come from
"""


def page() -> str:
    """The page's Markdown."""
    declared = settings()
    registry = ", ".join(f"`{field.key}`" for field in fields(RegistrySettings))
    return "\n".join(
        [
            _HEAD.format(registry=registry),
            *("| Key | Type | Default | Values | What it is |", "| --- | --- | --- | --- | --- |"),
            *(_row(field) for field in declared),
            "",
            _REFUSED,
            *("| Combination | Source |", "| --- | --- |", *_refusals()),
            "",
            _OUTSIDE,
            *(f"- `{field.key}`: {field.setting.outside}" for field in declared if field.setting.outside),
            "",
            _SOURCES,
            *(f"- `{field.key}`: {field.source}" for field in declared if field.source),
            "",
        ]
    )


def settings() -> tuple[Field, ...]:
    """All settings, those of every stack last."""
    own, shared = fields(Settings), fields(RegistrySettings)
    first = [field for field in own if field.required]
    return (*first, *(field for field in own if field not in shared), *(f for f in shared if f not in first))


def schema() -> dict[str, dict[str, Any]]:
    """What `config` is in `Pulumi.yaml`."""
    return {field.key: dict(_declared(field)) for field in settings()}


def pulumi_yaml(text: str) -> str:
    """The text of `Pulumi.yaml` with the configuration's schema as it is now."""
    head, _, _ = text.partition("config:\n")
    config = yaml.safe_dump({"config": schema()}, sort_keys=False, width=118, allow_unicode=True)
    return head + config


def argument_types() -> str:
    """The module of the components' arguments."""
    classes = (
        ("ModelRegistryBucketArgs", "What a ModelRegistryBucket takes.", RegistrySettings),
        ("SklearnModelArgs", "What a SklearnModel takes; only the registry's bucket is needed.", Settings),
    )
    return _ARGUMENTS_HEAD + "".join(
        f'\n\nclass {name}(TypedDict):\n    """{words}"""\n\n'
        + "".join(f"    {_argument(field)}\n" for field in argument_fields(group))
        for name, words, group in classes
    )


def _argument(field: Field) -> str:
    kind = _ARGUMENT_TYPES[field.config_type]
    if field.setting.may_be_output:
        inner = "Sequence[pulumi.Input[str]]" if field.config_type == "array" else kind
        kind = f"pulumi.Input[{inner}]"
    kind = kind if field.required else f"NotRequired[{kind}]"
    values = f" Values: {field.values}." if field.values else ""
    return f'{argument(field.key)}: {kind}\n    """{field.setting.description}{values}"""'


def _declared(field: Field) -> Iterator[tuple[str, Any]]:
    yield "type", field.config_type
    if field.config_type == "array":
        yield "items", {"type": "string"}
    if not field.required:
        yield "default", field.config_default
    yield "description", field.setting.description


def _row(field: Field) -> str:
    kind = "array of strings" if field.config_type == "array" else field.config_type
    cells = (f"`{field.key}`", kind, _default(field), field.values, field.setting.description)
    return f"| {' | '.join(map(_cell, cells))} |"


def _default(field: Field) -> str:
    if field.required:
        return "required"
    value = field.config_default
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else "empty"


def _refusals() -> Iterator[str]:
    for rule in (*RULES, snap_start_python, own_region, lock_period):
        combination, _, source = (inspect.getdoc(rule) or "").partition("Source:")
        yield f"| {_cell(combination).rstrip('.')} | {_cell(source).rstrip('.')} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PULUMI_YAML.write_text(pulumi_yaml(PULUMI_YAML.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    ARGUMENTS.write_text(argument_types(), encoding="utf-8")
