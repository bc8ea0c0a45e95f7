"""MiniStack's own Python environment.

MiniStack runs each function with its own interpreter. In this project's environment a function would find
scikit-learn although its layer lacks it, so MiniStack lives in an environment that holds nothing else.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.layer.uv import find_interpreter
from local.errors import StartError

LOCK = Path(__file__).parent / "requirements.lock"


def ministack_python(environments: Path, *, lock: Path = LOCK, python: str | None = None) -> Path:
    """Return the interpreter of the environment in the folder `environments`, built when it is not there.

    `python` is a minor version, for functions whose layer is for another than the running one.
    The folder's name holds a digest of the lock and of the interpreter: a change of either builds another
    environment. It is built beside its place and renamed into it, so it is there whole or not at all.

    Raises:
        StartError: uv could not build it; the message ends with uv's own.
        InterpreterNotFoundError: this machine has no such Python.

    """
    version = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    # A virtual environment's interpreter is a link; the one behind it outlives the virtual environment.
    interpreter = Path(find_interpreter(version)).resolve()
    digest = hashlib.sha256(lock.read_bytes() + str(interpreter).encode()).hexdigest()
    environment = environments.resolve() / f"env-{version}-{digest[:12]}"
    own = environment / "bin" / "python"
    if not own.exists():
        _build(environment, interpreter, lock)
    return own


def _build(environment: Path, interpreter: Path, lock: Path) -> None:
    environment.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=environment.parent) as folder:
        building = Path(folder) / "env"
        python = building / "bin" / "python"
        _uv("venv", "--quiet", "--python", str(interpreter), str(building))
        _uv("pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", "--python", str(python), str(lock))
        try:
            building.rename(environment)
        except OSError:
            # Another process was first, and its environment is as good; or the place holds a broken one.
            if not (environment / "bin" / "python").exists():
                shutil.rmtree(environment)
                building.rename(environment)


def _uv(*arguments: str) -> None:
    import uv

    done = subprocess.run([uv.find_uv_bin(), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - uv, with paths of our own
    if done.returncode:
        raise StartError(
            f"MiniStack's environment could not be built: uv {arguments[0]} ended with {done.returncode}. "
            f"Check that the package index is reachable. uv said: {done.stderr.strip()[-2000:]}"
        )
