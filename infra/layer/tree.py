"""From the tree that uv installs to the files that a function needs.

Nothing is changed in the tree, whose files may be hard links into uv's cache: `kept` chooses, `compile_tree` writes
bytecode beside it. Shared objects are never stripped: that breaks the OpenBLAS copies of numpy and scipy ("ELF
load command address/offset not page-aligned").
"""

import ast
import csv
import importlib.metadata
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from packaging.utils import canonicalize_name
from packaging.version import Version

from infra.layer import compile as layer_compile
from infra.layer.errors import CompileError, InstallError

# Each rule drops what only a developer of the package, a type checker or a C compiler reads.
_TEST_FOLDERS = frozenset({"tests", "test"})
_DROPPED_FOLDERS = frozenset({"__pycache__"})  # bytecode under a path and with dates that the function does not have
_SCRIPT_FOLDERS = frozenset({"bin", "Scripts"})  # at the top: console scripts, which nothing calls in a function
_DROPPED_NAMES = frozenset({"conftest.py", "meson.build", "py.typed"})  # pytest, build system, type checker
_DROPPED_SUFFIXES = frozenset(
    {
        *(".pyi", ".pyx", ".pxd", ".pxi", ".tp"),  # type stubs, Cython and its templates
        *(".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".f", ".f90", ".f95", ".pyf"),  # sources of compiled modules
        *(".a", ".pc"),  # static libraries and their descriptions, for linking
    }
)
# Extension modules that exist for the test suites of numpy and scipy; `_simd` is the largest, 3 MB.
_TEST_EXTENSIONS = re.compile(r"(numpy|scipy)/.*/(_test_\w+|_\w+_tests|_ctest|_cytest|_simd)\.[^/]*so")
# Builds extension modules, or tells a packager about numpy. (numpy.f2py stays: `from numpy import *` imports it.)
_BUILD_TOOLS = (
    *("numpy/distutils/", "numpy/_pyinstaller/", "sklearn/_build_utils/"),
    *("scipy/special/_add_newdocs.py", "scipy/special/_precompute/"),  # documentation and tables, for its build
)
# Older releases import some of these: numpy before 2.2 to give its test module docstrings, scipy before 1.12.
_IMPORTED_BY = {
    "_multiarray_tests": ("_add_newdocs.py", b"_multiarray_tests"),
    "_add_newdocs": ("add_newdocs.py", b"import _add_newdocs"),
}
"""A module's name: the module beside it that may import it, and the words by which that shows."""
# The example data of scikit-learn's tutorials; its modules stay.
_EXAMPLE_DATA = re.compile(r"sklearn/datasets/(data|descr|images)/.*(?<!\.py)")
_TEST_IMPORT = re.compile(rb"^\s*(from|import)\b.*\btests?\b", re.MULTILINE)
# Not -I: it would ignore PYTHONHASHSEED.
_ISOLATED = ("-S", "-s", "-B", "-W", "ignore", layer_compile.__file__)
# importlib.metadata reads these two; a licence must travel with what it licenses.
_METADATA_NAMES = frozenset({"METADATA", "entry_points.txt"})
_LICENCE_WORDS = ("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "AUTHORS")


# Docstrings are 40 % of the bytecode of these packages, and nothing that they do depends on them: each of their modules
# imports without. That cannot be said of every package (some parsers take their grammar from docstrings), nor of
# releases to come, nor of numpy._core, in whose docstrings numpy.ma asserts to find something.
_DOCSTRINGS_UNUSED = {
    "joblib": (Version("1.7"), ("joblib",)),
    "narwhals": (Version("3"), ("narwhals",)),
    "numpy": (
        Version("2.6"),
        tuple(f"numpy/{name}" for name in ("f2py", "fft", "lib", "linalg", "ma", "matrixlib", "polynomial", "testing")),
    ),
    "pandas": (Version("3.2"), ("pandas",)),
    "scikit-learn": (Version("1.10"), ("sklearn",)),
    "scipy": (Version("1.19"), ("scipy",)),
}
"""Package: the first version for which that was not tried, and its folders (tests/infra/test_layer_build_sklearn.py)"""


def undocumented(pins: Iterable[tuple[str, str]]) -> list[str]:
    """Name the folders whose modules are compiled without docstrings."""
    found = ((*_DOCSTRINGS_UNUSED[name], Version(version)) for name, version in pins if name in _DOCSTRINGS_UNUSED)
    return sorted(folder for untried, folders, version in found if version < untried for folder in folders)


def owners(tree: Path, pins: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map each installed file, relative to the tree, to the normalised name of its package.

    Raises InstallError when the installed packages are not exactly `pins`.
    """
    found = list(importlib.metadata.distributions(path=[str(tree)]))
    installed = {(canonicalize_name(item.name), item.version) for item in found}
    difference = installed ^ set(pins)
    if difference:
        listed = ", ".join(sorted(f"{name} {version}" for name, version in difference))
        raise InstallError(
            f"uv installed other packages than the model's: {listed} differ. Remove overrides from the user's uv.toml."
        )
    owner: dict[str, str] = {}
    for item in found:
        package = canonicalize_name(item.name)  # once: each access parses the metadata anew
        names = (name for name in _record(item) if ".." not in PurePosixPath(name).parts)
        owner.update((name, package) for name in names if (tree / name).is_file())
    return owner


def _record(item: importlib.metadata.Distribution) -> Iterator[str]:
    for row in csv.reader((item.read_text("RECORD") or "").splitlines()):
        yield row[0].replace("\\", "/")


def kept(tree: Path, names: Iterable[str]) -> list[str]:
    """Choose, sorted, the files that a running function needs.

    A module in a tests folder stays when the package itself imports it: numpy 2.2's `numpy.testing`, which scipy and
    scikit-learn import, needs `numpy._core.tests._natype`. `test_*.py` never stays.
    """
    wanted = sorted(
        name for name in names if not _is_dropped(PurePosixPath(name)) or _is_imported(tree, PurePosixPath(name))
    )
    tests = {name for name in wanted if _in_tests(name)}
    rest = [name for name in wanted if name not in tests]
    helpers: set[str] = set()
    reading = [name for name in rest if name.endswith(".py")]
    while reading:
        imported = {module for name in reading for module in _imported_tests(tree / name, name)}
        new = {name for module in imported for name in _files_of(module) if name in tests} - helpers
        helpers |= new
        reading = sorted(new)
    return sorted([*rest, *helpers])


def _is_dropped(path: PurePosixPath) -> bool:
    if path.parts[0].endswith(".dist-info"):
        return not (_is_licence(path) or (len(path.parts) == 2 and path.name in _METADATA_NAMES))  # noqa: PLR2004 - folder and file
    return (
        (len(path.parts) > 1 and path.parts[0] in _SCRIPT_FOLDERS)
        or not _DROPPED_FOLDERS.isdisjoint(path.parts)
        or path.name in _DROPPED_NAMES
        or path.suffix in _DROPPED_SUFFIXES
        or _TEST_EXTENSIONS.fullmatch(str(path)) is not None
        or str(path).startswith(_BUILD_TOOLS)
        or _EXAMPLE_DATA.fullmatch(str(path)) is not None
    )


def _is_imported(tree: Path, path: PurePosixPath) -> bool:
    """Whether a file that is dropped otherwise is imported in this release, by the module beside it."""
    by, words = _IMPORTED_BY.get(path.name.partition(".")[0], ("", b""))
    return bool(by) and (tree / path.parent / by).is_file() and words in (tree / path.parent / by).read_bytes()


def _is_licence(path: PurePosixPath) -> bool:
    return "licenses" in path.parts or any(word in path.name.upper() for word in _LICENCE_WORDS)


def _in_tests(name: str) -> bool:
    # A package that is itself called `test` or `tests` is what somebody asked for.
    return not _TEST_FOLDERS.isdisjoint(PurePosixPath(name).parts[1:-1])


def _imported_tests(path: Path, name: str) -> Iterator[str]:
    """Name the modules in tests folders that a module imports, wherever in its code."""
    source = path.read_bytes()
    # Parsing every module would take as long as compiling it; in a tests folder, a relative import need not say so.
    if not _in_tests(name) and not _TEST_IMPORT.search(source):
        return
    try:
        parsed = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    package = PurePosixPath(name).parts[:-1]
    for node in ast.walk(parsed):
        for module in _imports(node, package):
            if not _TEST_FOLDERS.isdisjoint(module.split(".")):
                yield module


def _imports(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join([*parents, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _files_of(module: str) -> Iterator[str]:
    """Name the files that importing a module runs: its own and each parent's `__init__`."""
    parts = module.split(".")
    if any(part.startswith("test_") for part in parts):
        return
    yield "/".join(parts) + ".py"
    for count in range(1, len(parts) + 1):
        yield "/".join([*parts[:count], "__init__.py"])


def compile_tree(
    names: Iterable[str],
    tree: Path,
    output: Path,
    *,
    interpreter: str,
    prefix: str,
    undocumented: Iterable[str] = (),
    jobs: int | None = None,
) -> dict[str, Path]:
    """Compile the modules among `names` with `interpreter` and map each file's name in the layer to its place on disk.

    `x.py` becomes `x.pyc` in the same folder (PEP 3147 calls it a legacy .pyc: it is imported without a source).
    Files that are not valid in this Python stay as they are. A package that reads its own source at run time (numba,
    torch.jit) would not work. `prefix` is the folder of the modules in the function: tracebacks name it. Modules in the
    folders `undocumented` lose their docstrings.
    Raises CompileError.
    """
    names = list(names)
    modules = [name for name in names if name.endswith(".py")]
    output.mkdir(parents=True)
    program = [interpreter, *_ISOLATED, str(tree), str(output), prefix, *undocumented]
    _compile(modules, program, output.parent, jobs)
    files: dict[str, Path] = {}
    for name in names:
        compiled = output / f"{name}c"
        if name.endswith(".py") and compiled.is_file():
            files[f"{name}c"] = compiled
        else:
            files[name] = tree / name
    return files


def _compile(modules: list[str], command: list[str], work: Path, jobs: int | None) -> None:
    jobs = min(jobs or os.cpu_count() or 1, len(modules))
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
                running.append((subprocess.Popen(command, stdin=listing, stderr=log, env=variables), log))  # noqa: S603 - an interpreter that uv found, on files that it installed
        for process, output in running:
            if process.wait():
                raise CompileError(
                    f"{command[0]} could not compile the layer's modules. Check that it is a working Python. It said:\n"
                    f"{_last_line(output)}"
                )
    finally:
        for process, output in running:
            process.kill()
            process.wait()
            output.close()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip().rpartition("\n")[2]
