"""A component's outputs: an attribute of each, and its name in the stack's outputs."""

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.settings.arguments import argument


def outputs_of(outputs: Mapping[str, pulumi.Input[Any]]) -> dict[str, pulumi.Output[Any]]:
    """The component's attributes of its outputs: `invoke_url` of `invokeUrl`."""
    return {argument(name): pulumi.Output.from_input(value) for name, value in outputs.items()}
