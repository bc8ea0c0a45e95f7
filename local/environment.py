"""MiniStack's own Python environment.

MiniStack runs each function with its own interpreter. In this project's environment a function would find
scikit-learn even if its layer lacked it, so MiniStack lives in an environment that holds nothing else.
"""

import hashlib
from pathlib import Path

from local.errors import StartError
from model_registry import uv
from model_registry.environments import RUNNING, find_interpreter, kept_environment
from model_runtime.errors import EnvironmentBuildError, InterpreterNotFoundError

LOCK = Path(__file__).parent / "requirements.lock"


def ministack_python(environments: Path, *, lock: Path = LOCK, python: str | None = None) -> Path:
    """Return the interpreter of the environment in the folder `environments`, built if it does not exist.

    The folder's name holds a digest of the lock and of the interpreter: a change of either builds another
    environment.

    Args:
        environments: Where environments are kept.
        lock: Requirements with hashes.
        python: Minor version, by default the running one: that of the functions' layers.

    Raises:
        StartError: uv could not build it; the message ends with uv's own.
        InterpreterNotFoundError: this machine has no such Python.

    """
    version = python or RUNNING
    # A virtual environment's interpreter is a link; the one behind it outlives the virtual environment.
    interpreter = Path(find_interpreter(version)).resolve()
    digest = hashlib.sha256(lock.read_bytes() + str(interpreter).encode()).hexdigest()
    place = environments.resolve() / f"env-{version}-{digest[:12]}"

    def fill(own: Path) -> None:
        outcome = uv.run(["pip", "sync", "--compile-bytecode", "--require-hashes", "--python", str(own), str(lock)])
        if not outcome.ok:
            raise EnvironmentBuildError(f"uv pip sync ended with {outcome.code}: {outcome.tail}")

    try:
        return kept_environment(place, str(interpreter), fill)
    except InterpreterNotFoundError:
        raise
    except EnvironmentBuildError as error:
        raise StartError(
            f"MiniStack's environment could not be built; check that the package index is reachable ({error})"
        ) from error
