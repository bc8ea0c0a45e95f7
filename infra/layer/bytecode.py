"""Compile a layer's modules in processes of the layer's own Python."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from packaging.version import Version

from infra.layer import compile as layer_compile
from model_registry.lambda_packages.errors import CompileError

DEFERRED_IMPORTS = "_deferred_imports.py"
"""The file that modules whose imports are put off call; its source is `deferred_imports.py`."""

_TRIED = {
    "scikit-learn": (Version("1.9"), Version("1.10"), "sklearn"),
    "scipy": (Version("1.18"), Version("1.19"), "scipy"),
}
"""Package: from which release and before which one all its modules and estimators were tried with their imports put off
(tests/infra/layer/test_build_sklearn.py), and the name that it is imported by.

Not scikit-learn 1.7: pickles of its boosted trees name a module `_loss`, which is there once `sklearn._loss._loss` is.
"""

# Not -I: it would ignore PYTHONHASHSEED.
_ISOLATED = ("-S", "-s", "-B", "-W", "ignore", layer_compile.__file__)


def deferred(packages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Choose the packages whose imports a layer puts off: by their names, the names that they are imported by."""
    found = ((name, Version(version), *_TRIED[name]) for name, version in packages if name in _TRIED)
    return {name: module for name, version, first, untried, module in found if first <= version < untried}


def compile_tree(
    names: Iterable[str],
    tree: Path,
    output: Path,
    *,
    interpreter: str,
    prefix: str,
    undocumented: Iterable[str] = (),
    deferred: Iterable[str] = (),
) -> dict[str, Path]:
    """Compile the modules among `names` with `interpreter` and map each file's name in the layer to its place on disk.

    `x.py` becomes `x.pyc` in the same folder (PEP 3147 calls it a legacy .pyc: it is imported without a source).
    Files that are not valid in this Python stay as they are. A package that reads its own source at run time (numba,
    torch.jit) would not work.

    Args:
        names: Files, relative to `tree`.
        tree: Where they are.
        output: A new folder for the bytecode.
        interpreter: The Python whose bytecode it is.
        prefix: The folder of the modules in the function, which tracebacks name.
        undocumented: Folders whose modules lose their docstrings.
        deferred: Top-level packages whose imports are put off; `DEFERRED_IMPORTS` has to lie beside them.

    Raises:
        CompileError: the interpreter ended abnormally.

    """
    names = list(names)
    modules = [name for name in names if name.endswith(".py")]
    output.mkdir(parents=True)
    program = [interpreter, *_ISOLATED, str(tree), str(output), prefix, ",".join(undocumented), ",".join(deferred)]
    _compile(modules, program, output.parent)
    files: dict[str, Path] = {}
    for name in names:
        compiled = output / f"{name}c"
        if name.endswith(".py") and compiled.is_file():
            files[f"{name}c"] = compiled
        else:
            files[name] = tree / name
    return files


def _compile(modules: list[str], command: list[str], work: Path) -> None:
    jobs = min(os.cpu_count() or 1, len(modules))
    variables = {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    if "SYSTEMROOT" in os.environ:  # Python does not start on Windows without it
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    running: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
    try:
        for job in range(jobs):
            part = work / f"modules-{job}.txt"
            part.write_text("\n".join(modules[job::jobs]), encoding="utf-8")
            log = (work / f"compile-{job}.log").open("w+b")
            with part.open("rb") as listing:
                running.append((subprocess.Popen(command, stdin=listing, stderr=log, env=variables), log))  # noqa: S603  # an interpreter that uv found, on files that it installed
        for process, output in running:
            if process.wait():
                raise CompileError(
                    f"{command[0]} could not compile the layer's modules ({_last_line(output)}): check that it is a "
                    "working Python"
                )
    finally:
        for process, output in running:
            process.kill()
            process.wait()
            output.close()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip().rpartition("\n")[2]
