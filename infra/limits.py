"""Limits of AWS that settings reach together, or that a model reaches. Pure.

Names, policies, tags and layers are within theirs by construction: a rule bounds the name that all others begin with,
objects have no tags, a function has one layer; `tests/infra/test_matrix.py` holds what is sent against the limits.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

from infra.api_routes import body_schema
from infra.settings import Settings, SettingsError
from model_runtime.manifest import Manifest

# AWS Lambda Developer Guide, "Lambda quotas": 4 KB for all environment variables of a function together.
ENVIRONMENT_MAX = 4_096
# AWS Lambda Developer Guide, "Lambda quotas": a zip that is uploaded directly, as the function's code is.
CODE_MAX = 50 * 1024 * 1024
# API Gateway Developer Guide, "Quotas for configuring and running a REST API": the size of a model, 400 KB.
SCHEMA_MAX = 400 * 1024
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


def check_sizes(settings: Settings, manifest: Manifest, code: Mapping[str, Path]) -> None:
    """Refuse own code and, where there is an API, a schema that are too large; SettingsError says which."""
    check_code(code, manifest)
    if settings.api == "rest":
        check_schema(manifest)


def check_code(files: Mapping[str, Path], manifest: Manifest, *, most: int = CODE_MAX) -> None:
    """Refuse own code that would not fit into the function's zip.

    Raises:
        SettingsError: the message names the largest file.

    """
    sizes = {name: path.stat().st_size for name, path in files.items()}
    if sum(sizes.values()) <= most:  # so it is zipped too
        return
    total = sum(len(zlib.compress(path.read_bytes())) for path in files.values())
    if total > most:
        largest = max(sizes, key=lambda name: sizes[name])
        raise SettingsError(
            f"the own code of {manifest.reference} has {total:,} bytes zipped, of which {largest} is most, and a "
            f"function's code {most:,}: publish it without that file (`--code` names what is taken), or as a package, "
            "which goes into the layer"
        )


def check_schema(manifest: Manifest, *, most: int = SCHEMA_MAX) -> None:
    """Refuse a model whose schema API Gateway would not take.

    Raises:
        SettingsError: the message has the size, and how many features make it.

    """
    size = len(body_schema(manifest.signature).encode())
    if size > most:
        raise SettingsError(
            f"the schema of {manifest.reference} with its {len(manifest.signature.features):,} features has {size:,} "
            f"bytes and API Gateway takes {most:,}: `pulumi config set api none`, callers then invoke the function"
        )
