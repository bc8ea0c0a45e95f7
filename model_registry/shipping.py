"""What the function consists of beside a model and its packages: its own code, that code's packages, its threads.

The deployment makes the function of it, and a publish proves a version with it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_PACKAGES = ("handler", "model_runtime")
"""Shipped whole: nobody keeps a list of their modules."""

_SUFFIXES = {".py", ".html", ".css", ".js"}
"""Modules, and what the page to try the model consists of."""

_BYTECODE = 2
"""Bytecode against source, at most: 1.75 with Python 3.11, 1.51 with 3.12, 1.54 with 3.13."""

_HERE = Path(__file__).parents[1]
# A wheel has the function's code beside what it imports itself (docs/decisions/0019).
_ROOT = _HERE / "function" if (_HERE / "function").is_dir() else _HERE

RUNTIME = _ROOT / "model_runtime"
"""Folder of what function and registry both run, as the function has it."""

OWN_CODE = "own"
"""Folder of the owner's own code in the function's zip; `handler.function` puts it on the path."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Variables of the function.

One row needs no threads. OpenBLAS starts its own at import. Gradient boosting and neighbours use OpenMP, whose threads
wait for each other in a busy loop: on a share of a processor, as functions with less than 1,769 MB have, an answer then
takes many times as long.
"""


def function_files() -> dict[str, Path]:
    """The function's files by their path inside its zip, sorted."""
    files = (path for package in _PACKAGES for path in (_ROOT / package).rglob("*") if path.suffix in _SUFFIXES)
    return {path.relative_to(_ROOT).as_posix(): path for path in sorted(files)}


def reserved_bytes(own_code: Mapping[str, Path] = MappingProxyType({})) -> int:
    """How much of Lambda's limit the function's code takes, unzipped: its files, the owner's, and its bytecode.

    A publish and a deployment reserve the same, whichever Pythons their machines have to compile it.
    """
    files = function_files()
    modules = sum(path.stat().st_size for name, path in files.items() if name.endswith(".py"))
    return _BYTECODE * modules + sum(path.stat().st_size for path in [*files.values(), *own_code.values()])


def function_requirements(*, signing: bool = False) -> dict[str, str]:
    """The packages, with exact versions, that the function's own code needs, to check signatures too if `signing`."""
    return dict(pin.split("==") for pin, *_ in _requirement_lines(signing=signing))


def function_hashes(*, signing: bool = False) -> dict[str, tuple[str, ...]]:
    """By these packages' names, the SHA-256 of their wheels for each of Lambda's runtimes and architectures."""
    lines = _requirement_lines(signing=signing)
    return {
        pin.partition("==")[0]: tuple(option.removeprefix("--hash=sha256:") for option in hashes)
        for pin, *hashes in lines
    }


def _requirement_lines(*, signing: bool) -> list[list[str]]:
    files = ["requirements.txt", *(["requirements-signing.txt"] if signing else [])]
    texts = [(_ROOT / "handler" / file).read_text(encoding="utf-8").replace("\\\n", " ") for file in files]
    return [line.split() for text in texts for line in text.splitlines() if line and not line.startswith("#")]


def layer_packages(packages: dict[str, str], *, signing: bool = False) -> dict[str, str]:
    """All packages of the layer. Where the model needs one of the handler's too, its version must load the model."""
    return {**function_requirements(signing=signing), **packages}
