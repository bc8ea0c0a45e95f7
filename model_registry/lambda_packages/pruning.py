"""Which of the files that uv installs a function needs.

Nothing is changed in the installed tree, whose files may be hard links into uv's cache: files are chosen from it.
What a layer has of a shared object is decided in `shared_objects`.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

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
# numba's ways to run threads that need a library of the system; it has another without.
_THREADS = re.compile(r"numba/np/ufunc/(tbb|omp)pool\.[^/]*so")
# The example data of scikit-learn's tutorials; its modules stay.
_EXAMPLE_DATA = re.compile(r"sklearn/datasets/(data|descr|images)/.*(?<!\.py)")
_TEST_IMPORT = re.compile(rb"^\s*(from|import)\b.*\btests?\b", re.MULTILINE)
# importlib.metadata reads these two; a licence must travel with what it licenses.
_METADATA_NAMES = frozenset({"METADATA", "entry_points.txt"})
_LICENCE_WORDS = ("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "AUTHORS")


def kept(tree: Path, names: Iterable[str]) -> list[str]:
    """Choose, sorted, the files that a running function needs.

    A module in a tests folder stays when the package itself imports it: numpy 2.2's `numpy.testing`, which scipy and
    scikit-learn import, needs `numpy._core.tests._natype`. `test_*.py` never stays.
    """
    paths = map(PurePosixPath, names)
    chosen = {str(path) for path in paths if not _is_dropped(path) or _is_imported(tree, path)}
    tests = {name for name in chosen if _in_tests(name)}
    product = chosen - tests
    return sorted(product | _helpers(tree, product, tests))


def _helpers(tree: Path, product: Iterable[str], tests: Collection[str]) -> set[str]:
    """Name the files of tests folders that the product imports, and those that these import in turn."""
    found: set[str] = set()
    unread = [name for name in product if name.endswith(".py")]
    while unread:
        name = unread.pop()
        imported = {file for module in _imported_tests(tree / name, name) for file in _files_of(module)}
        new = imported.intersection(tests) - found
        found |= new
        unread += new
    return found


def _is_dropped(path: PurePosixPath) -> bool:
    if path.parts[0].endswith(".dist-info"):
        return not (_is_licence(path) or (len(path.parts) == 2 and path.name in _METADATA_NAMES))  # noqa: PLR2004  # folder and file
    return (
        (len(path.parts) > 1 and path.parts[0] in _SCRIPT_FOLDERS)
        or not _DROPPED_FOLDERS.isdisjoint(path.parts)
        or path.name in _DROPPED_NAMES
        or path.suffix in _DROPPED_SUFFIXES
        or _TEST_EXTENSIONS.fullmatch(str(path)) is not None
        or _THREADS.fullmatch(str(path)) is not None
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
