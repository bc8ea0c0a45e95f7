"""Own code: what a model needs and no index has, found by the files that its classes and functions come from.

Sources go into `code.zip` of the version, whose paths are those below `own/` in the function. What a pickle names is
the beginning; what that imports follows, read from the sources without running them.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from model_registry.lambda_packages.size import LIMIT_UNZIPPED
from model_registry.publish.archive import zipped
from model_runtime.errors import PublishError

MOST_BYTES = 10_000_000
"""More is taken only where the owner names the paths: own code is small, and what is larger came in by accident."""

_COMPILED = (".so", ".pyd", ".dylib")
_LEFT_OUT = re.compile(r"\..*|__pycache__|tests?|.*\.(ipynb|pyc|pyo)|.*~")
_SECRET_NAME = re.compile(
    r"(?i)(id_(rsa|dsa|ecdsa|ed25519)|credentials?(\..*)?|secrets?(\..*)?|.*\.(pem|key|p12|pfx|keystore))"
)
_SECRET_TEXT = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\b(gh[opsu]_|github_pat_)[0-9A-Za-z_]{36}"
)
_SHARED_PACKAGE = re.compile(rb"extend_path|declare_namespace")
"""In an `__init__.py` that each distribution of a namespace brings, in the two ways that are older than PEP 420."""


@dataclass(frozen=True)
class Code:
    """Own code: its files by their path in `code.zip`, its modules, and the distributions that it imports."""

    files: Mapping[str, Path] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    distributions: frozenset[str] = frozenset()

    @cached_property
    def zipped(self) -> bytes:
        """The bytes of `code.zip`: they depend on nothing but the files' names and contents."""
        return zipped({name: path.read_bytes() for name, path in self.files.items()})


def collect(modules: Iterable[str], paths: Sequence[Path] = ()) -> Code:
    """Own code that these modules are or import; with `paths`, modules and package folders that are taken whole.

    Raises:
        PublishError: a module cannot be found or parsed, is compiled, looks like a secret, or there is too much.

    """
    found = _Found()
    for path in paths:
        found.add_path(path)
    for module in sorted(set(modules)):
        found.add_module(module)
    files = dict(sorted(found.files.items()))
    _check_size(files, limited=not paths)
    _check(files)
    return Code(files, tuple(sorted(found.modules)), frozenset(found.distributions))


def is_own(module: str) -> bool:
    """Whether a module is the owner's: neither of Python nor of an installed distribution."""
    return module != "__main__" and not _is_of_python(module) and distribution_of(module) is None


def distribution_of(module: str) -> str | None:
    """The normalised name of the distribution that installed the module's file; None for what none did.

    An editable installation has no file of a module, which stays where its owner works on it: that is own code.
    PublishError where several have installed it: whose it is now is decided by which came last.
    """
    path = _file_of(module)
    if path is None:
        parent = module.rpartition(".")[0]
        return distribution_of(parent) if parent else None
    names = [name for name in dict.fromkeys(_by_module().get(module.partition(".")[0], ())) if not _is_folder(name)]
    owners = sorted({str(canonicalize_name(name)) for name in names if _has_file(name, path)})
    if len(owners) > 1 and not _is_shared(path):
        raise PublishError(
            f"the model needs {module}, whose file {' and '.join(owners)} have both installed: uninstall them, and "
            "install the one that the model was trained with"
        )
    return owners[0] if owners else None


def _is_shared(path: Path) -> bool:
    """Whether it is the `__init__.py` of a namespace, which each distribution in it has."""
    if path.name != "__init__.py":
        return False
    content = path.read_bytes().strip()
    return not content or _SHARED_PACKAGE.search(content) is not None


def look_again() -> None:
    """Forget which distributions there are: a notebook may install some between two publishes."""
    for kept in (_by_module, _is_folder, _files):
        kept.cache_clear()


def _is_of_python(module: str) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in sys.builtin_module_names


@cache
def _by_module() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _has_file(distribution: str, path: Path) -> bool:
    """Whether a distribution installed this file: one beside it may have the same name, as a `uv.py` of the owner's."""
    base, files = _files(distribution)
    return path.is_relative_to(base) and (files is None or path.relative_to(base).as_posix() in files)


@cache
def _is_folder(distribution: str) -> bool:
    """Whether its metadata are what setuptools leaves in the folder of its sources, beside an editable installation."""
    found = metadata.distribution(distribution)
    base = Path(str(found.locate_file("")))
    installed = found.read_text("RECORD") is not None or base.name in {"site-packages", "dist-packages"}
    return not installed and found.read_text("SOURCES.txt") is not None


@cache
def _files(distribution: str) -> tuple[Path, frozenset[str] | None]:
    """Where a distribution is, and its files; None where its installer kept no record of them."""
    found = metadata.distribution(distribution)
    base = Path(str(found.locate_file(""))).resolve()
    return base, None if found.files is None else frozenset(file.as_posix() for file in found.files)


def _file_of(module: str) -> Path | None:
    """The file of a module as it was imported, or as it would be; None for a namespace package and what has none."""
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, AttributeError, ValueError):
            return None
        origin = None if spec is None or not spec.has_location else spec.origin
    return None if origin is None else Path(origin).resolve()


class _Found:
    """What was found so far."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.modules: set[str] = set()
        self.distributions: set[str] = set()
        self._seen: set[str] = set()

    def add_path(self, path: Path) -> None:
        """Take a module or a package folder whole."""
        if not path.exists():
            raise PublishError(f"there is no {path}: name a Python file or a package folder as own code")
        is_package = (path / "__init__.py").exists()
        if not is_package and path.resolve() in {Path(each).resolve() for each in sys.path}:
            raise PublishError(f"{path} is where modules are found and no package: name the modules and packages in it")
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        for file in files:
            inside = file.relative_to(path.parent)
            if any(_LEFT_OUT.fullmatch(part) for part in inside.parts):
                continue
            self.files[inside.as_posix()] = file
            if file.suffix == ".py":
                module = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
                self._add_source(module, file)

    def add_module(self, module: str) -> None:
        """Take a module with the packages that it is in and all that these import, where it is own code."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            self._add_one(".".join(parts[:count]))

    def _add_one(self, module: str) -> None:
        if module in self._seen or module == "__main__" or _is_of_python(module):
            return
        self._seen.add(module)
        distribution = distribution_of(module)
        if distribution is not None:
            self.distributions.add(distribution)
            return
        file = _file_of(module)
        if file is None:
            return  # a namespace package, or an import that is tried and may fail: the proof finds what is missing
        if file.suffix in _COMPILED:
            raise PublishError(
                f"the model needs {module}, a compiled module of your own ({file.name}): publish it as a package with "
                "wheels for Linux on an index"
            )
        self._add_file(module, file)

    def _add_file(self, module: str, file: Path) -> None:
        package = file.name == "__init__.py"
        inside = Path(*module.split("."))
        self.files[(inside / "__init__.py" if package else inside.with_suffix(".py")).as_posix()] = file
        if package and file.exists():
            for data in sorted(file.parent.iterdir()):
                if data.is_file() and data.suffix != ".py" and not _LEFT_OUT.fullmatch(data.name):
                    self.files[(inside / data.name).as_posix()] = data
        self._add_source(module, file)

    def _add_source(self, module: str, file: Path) -> None:
        self.modules.add(module)
        for imported in _imports(module, file):
            self.add_module(imported)


def _imports(module: str, file: Path) -> Iterator[str]:
    """The modules that a source imports, anywhere in it."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except OSError as error:
        raise PublishError(
            f"own code has {module}, and its file {file} cannot be read ({error.strerror}): put it back"
        ) from error
    except (SyntaxError, ValueError) as error:
        raise PublishError(
            f"own code has {module}, and {file.name} cannot be read as Python ({error}): mend it"
        ) from error
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            if base:
                yield base
                # A name may be a module of the package.
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *(node.module or "").split(".")]).strip(".")


def _check_size(files: Mapping[str, Path], *, limited: bool) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    total = sum(sizes.values())
    most, remedy = MOST_BYTES, "name the paths that are meant with code=, or `--code`"
    if not limited:
        most, remedy = LIMIT_UNZIPPED, "a function has no room for more, leave out what the model does not need"
    if total > most:
        largest = ", ".join(sorted(sizes, key=lambda name: -sizes[name])[:3])
        raise PublishError(f"own code has {total:,} bytes, more than {most:,} (the largest: {largest}): {remedy}")


def _check(files: Mapping[str, Path]) -> None:
    for name, path in files.items():
        if path.suffix in _COMPILED:
            raise PublishError(
                f"own code has the compiled file {name}: publish it as a package with wheels for Linux on an index"
            )
        data = path.read_bytes()
        if _SECRET_NAME.fullmatch(path.name):
            raise PublishError(f"own code has {name}, which looks like a credential: move it out of the package")
        if found := _SECRET_TEXT.search(data):
            line = data.count(b"\n", 0, found.start()) + 1
            raise PublishError(
                f"own code has {name}, whose line {line} looks like a credential: read it from the environment instead"
            )
