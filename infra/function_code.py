"""Which files the function's code consists of. Pure: no Pulumi."""

from pathlib import Path

PROJECT = Path(__file__).parent.parent

ENTRY_POINT = "handler.function.handler"

# The part of the registry that runs inside the function; the rest would only make it larger.
_REGISTRY_MODULES = (
    "__init__",
    "engines",
    "errors",
    "fast_prediction",
    "manifest",
    "prediction",
    "schema",
    "signature",
    "skops_model",
    "storage",
)


def code_files() -> dict[str, Path]:
    """The function's files by their path inside the zip, sorted."""
    handler = sorted((PROJECT / "handler").glob("*.py"))
    registry = [PROJECT / "model_registry" / f"{module}.py" for module in _REGISTRY_MODULES]
    return {str(path.relative_to(PROJECT)): path for path in sorted([*handler, *registry])}


def requirements(*, signing: bool = False) -> dict[str, str]:
    """The packages, with exact versions, that the function's own code needs, to check signatures too if `signing`."""
    files = ["requirements.txt", *(["requirements-signing.txt"] if signing else [])]
    lines = [line for file in files for line in (PROJECT / "handler" / file).read_text(encoding="utf-8").splitlines()]
    pins = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {name.strip(): version.strip() for name, _, version in pins}
