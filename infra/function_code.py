"""The function's entry point, its variables, and the bytecode of its modules. Pure: no Pulumi."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from infra.layer.bytecode import compile_tree
from model_registry import shipping
from model_registry.environments import find_interpreter
from model_registry.release import Release
from model_runtime.errors import InterpreterNotFoundError
from model_runtime.manifest import FormatName

PROJECT = Path(__file__).parent.parent

ENTRY_POINT = "handler.function.handler"

_TASK = "/var/task"
"""Where Lambda unpacks a function's zip; it is read-only, so no start keeps what it compiles."""


@cache
def bytecode(python: str) -> dict[str, Path]:
    """Compile the function's own modules for a minor version of Python, until this process ends.

    Returns:
        By the path in the function's zip, beside its source, a file of bytecode. Python ignores that of another minor
        version, and takes the source: so where this machine has no such Python, there is none.

    """
    try:
        interpreter = find_interpreter(python)
    except InterpreterNotFoundError:
        return {}
    folder = Path(tempfile.mkdtemp(prefix="function-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    modules = [name for name in shipping.function_files() if name.endswith(".py")]
    compiled = compile_tree(
        modules, shipping.RUNTIME.parent, folder / "bytecode", interpreter=interpreter, prefix=_TASK
    )
    tag = f"cpython-{python.replace('.', '')}"
    places = {name: PurePosixPath(name) for name in compiled if name.endswith(".pyc")}
    return {f"{place.parent}/__pycache__/{place.stem}.{tag}.pyc": compiled[name] for name, place in places.items()}


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
