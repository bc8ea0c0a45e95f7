"""What the function consists of: its own files, their packages, its variables. Pure: no Pulumi."""

from collections.abc import Sequence
from pathlib import Path

from model_registry.release import Release
from model_runtime.manifest import FormatName

PROJECT = Path(__file__).parent.parent

ENTRY_POINT = "handler.function.handler"

# Both packages are shipped whole: nobody keeps a list of their modules.
_PACKAGES = ("handler", "model_runtime")


def code_files() -> dict[str, Path]:
    """The function's files by their path inside the zip, sorted."""
    modules = (path for package in _PACKAGES for path in (PROJECT / package).rglob("*.py"))
    return {path.relative_to(PROJECT).as_posix(): path for path in sorted(modules)}


def requirements(*, signing: bool = False) -> dict[str, str]:
    """The packages, with exact versions, that the function's own code needs, to check signatures too if `signing`."""
    files = ["requirements.txt", *(["requirements-signing.txt"] if signing else [])]
    lines = [line for file in files for line in (PROJECT / "handler" / file).read_text(encoding="utf-8").splitlines()]
    pins = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {name.strip(): version.strip() for name, _, version in pins}


def variables(
    registry_bucket: str,
    release: Release,
    *,
    model_format: FormatName = "joblib",
    trusted_types: Sequence[str] = (),
    public_keys: Sequence[str] = (),
    cors_origins: Sequence[str] = (),
) -> dict[str, str]:
    """The function's environment variables: which version it serves and how, and how many threads it starts."""
    manifest = release.manifest
    return {
        "MODEL_BUCKET": registry_bucket,
        "MODEL_NAME": manifest.name,
        "MODEL_VERSION": str(manifest.version),
        "MODEL_MANIFEST_SHA256": release.manifest_sha256,
        # One row needs no threads. OpenBLAS starts its own at import. Gradient boosting and neighbours use OpenMP,
        # whose threads wait for each other in a busy loop: on a share of a processor, as functions with less than
        # 1,769 MB have, an answer then takes many times as long.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        **({"MODEL_FORMAT": model_format} if model_format != "joblib" else {}),
        **({"MODEL_TRUSTED_TYPES": ",".join(trusted_types)} if trusted_types else {}),
        **({"MODEL_PUBLIC_KEY": ",".join(public_keys)} if public_keys else {}),
        **({"ALLOWED_ORIGINS": ",".join(cors_origins)} if cors_origins else {}),
    }
