"""Read a stack's settings from its configuration, and check them, before anything is built or created."""

from typing import Any

import pulumi

from infra.settings.field import Group, fields, from_text
from infra.settings.registry_stack import OUTPUT, bucket_of
from infra.settings.rules import check_combinations, check_registry
from infra.settings.schema import RegistrySettings, Settings

REGISTRY_STACK = "registry"
"""The stack of this name deploys the registry's bucket; every other one serves a model."""


def read_settings() -> Settings | RegistrySettings:
    """Read the configuration of the current stack; SettingsError names a bad value."""
    stack = pulumi.get_stack()
    if stack == REGISTRY_STACK:
        registry = RegistrySettings(**_values(RegistrySettings))
        check_registry(registry)
        return registry
    settings = Settings(stack=stack, **_values(Settings))
    check_combinations(settings)
    return settings


def _values(group: type[Group]) -> dict[str, Any]:
    """The group's settings that the configuration has; the others keep their defaults."""
    config = pulumi.Config()
    found = {
        field.name: from_text(field, bucket_of(text) if field.key == OUTPUT else text)
        for field in fields(group)
        if (text := config.get(field.key)) is not None
    }
    for field in fields(group):
        if field.required and field.name not in found:
            config.require(field.key)
    return {**found, "region": pulumi.Config("aws").get("region") or ""}
