"""Limits of AWS that settings reach together. Pure.

Names are within theirs by construction: a rule bounds the name that all others begin with, and a test deploys the
longest.
"""

from collections.abc import Mapping

from infra.settings import SettingsError

# AWS Lambda Developer Guide, "Lambda quotas": 4 KB for all environment variables of a function together.
ENVIRONMENT_MAX = 4_096
_SETTINGS = {
    "ALLOWED_ORIGINS": "corsOrigins",
    "MODEL_PUBLIC_KEY": "publicKey",
    "MODEL_TRUSTED_TYPES": "trustedTypes",
}


def check_environment(variables: Mapping[str, str]) -> None:
    """Refuse more than a function's environment holds.

    Raises:
        SettingsError: the message names the setting that takes most.

    """
    sizes = {name: len(name.encode()) + len(value.encode()) for name, value in variables.items()}
    total = sum(sizes.values())
    if total <= ENVIRONMENT_MAX:
        return
    largest = max(_SETTINGS, key=lambda name: sizes.get(name, 0))
    raise SettingsError(
        f"{_SETTINGS[largest]} takes {sizes.get(largest, 0):,} of {total:,} bytes in the function's environment, which "
        f"holds {ENVIRONMENT_MAX:,}: name fewer"
    )
