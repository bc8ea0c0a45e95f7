"""A stack's settings: declared in `schema`, what must fit together in `rules`."""

from infra.settings.errors import SettingsError
from infra.settings.reading import REGISTRY_STACK, read_settings
from infra.settings.schema import AccountSettings, RegistrySettings, Settings

__all__ = ["REGISTRY_STACK", "AccountSettings", "RegistrySettings", "Settings", "SettingsError", "read_settings"]
