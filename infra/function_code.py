"""The function's entry point and its variables. Pure: no Pulumi."""

from collections.abc import Sequence
from pathlib import Path

from model_registry import shipping
from model_registry.release import Release
from model_runtime.manifest import FormatName

PROJECT = Path(__file__).parent.parent

ENTRY_POINT = "handler.function.handler"


def variables(
    registry_bucket: str,
    release: Release,
    *,
    model_format: FormatName = "joblib",
    trusted_types: Sequence[str] = (),
    public_keys: Sequence[str] = (),
    cors_origins: Sequence[str] = (),
    request_log: str = "off",
    label_counts: bool = False,
    recorded_examples: bool = False,
    log_messages: bool = False,
    try_it_page: bool = True,
) -> dict[str, str]:
    """The function's environment variables: which version it serves and how, and how many threads it starts."""
    manifest = release.manifest
    return {
        "MODEL_BUCKET": registry_bucket,
        "MODEL_NAME": manifest.name,
        "MODEL_VERSION": str(manifest.version),
        "MODEL_MANIFEST_SHA256": release.manifest_sha256,
        **shipping.ONE_THREAD,
        **({"MODEL_FORMAT": model_format} if model_format != "joblib" else {}),
        **({"MODEL_TRUSTED_TYPES": ",".join(trusted_types)} if trusted_types else {}),
        **({"MODEL_PUBLIC_KEY": ",".join(public_keys)} if public_keys else {}),
        **({"ALLOWED_ORIGINS": ",".join(cors_origins)} if cors_origins else {}),
        **({"REQUEST_LOG": request_log} if request_log != "off" else {}),
        **({"LABEL_COUNTS": "on"} if label_counts else {}),
        **({"RECORDED_EXAMPLES": "on"} if recorded_examples else {}),
        **({"LOG_MESSAGES": "on"} if log_messages else {}),
        **({} if try_it_page else {"TRY_IT_PAGE": "off"}),
    }
