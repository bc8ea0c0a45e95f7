"""Put off the imports of a package that only its functions need, until one of these runs.

Most of a cold start is imports, and most of what scikit-learn imports of itself and of scipy no prediction uses. Python
3.15 will have lazy imports as a statement (PEP 810); this does the like for the modules of a layer, in the syntax tree,
before they are compiled. `from scipy.stats import rankdata` at the top of a module whose functions alone use the name
becomes an entry in a table. A function that uses it begins with `if __late_rankdata__: __late__("rankdata")`, and who
asks the module for the name gets it by the module's `__getattr__` (PEP 562). After its first use all is as if it had
been imported at the top.

What cannot be told from the source stays as it is: a name is put off only if its import alone binds it, nothing that
runs when the module is imported reads it, something else does or a package exports it, neither `globals()` nor a star
import can see that it is missing, and the module that it is from only defines what it has: one that calls something for
its effect, or registers, is imported when it was. Packages import their own modules when they are asked for them, so
`import scipy.stats`, which binds `scipy`, need not import more than that.

Run by `compile.py` with the standard library alone. `deferred_imports.py` is what the changed modules call.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

_STAR = re.compile(rb"^[ \t]*from[ \t]+(\.*)([.\w]*)[ \t]+import[ \t]*\(?[ \t]*\*", re.MULTILINE)
# They are there before: to put them off would cost guards and save nothing.
_ALWAYS_LOADED = frozenset({"__future__", "numpy"})
_READ_ANY_NAME = frozenset({"eval", "exec", "globals"})
# Without an argument they show the names of where they are called.
_SHOW_OWN_NAMES = frozenset({"dir", "locals", "vars"})
_HOOKS = frozenset({"__dir__", "__getattr__"})

Origin = tuple[str, str | None]
"""Where a name comes from: a module and, unless the name is the module itself, its attribute."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Deferral:
    """Puts off imports in the modules of some packages of one installed tree."""

    def __init__(self, tree: Path, packages: Collection[str]) -> None:
        """Take the packages by their top-level names. Any module of the tree may have a star import from them."""
        self._tree = tree
        self._packages = frozenset(packages)
        self._starred = frozenset(_star_imported(tree)) if packages else frozenset()

    def concerns(self, name: str) -> bool:
        """Whether a file, by its path in the tree, is in one of the packages."""
        return PurePosixPath(name).parts[0] in self._packages

    def apply(self, parsed: ast.Module, name: str) -> None:
        """Put off what can be put off in the module that was parsed from `name`, its path in the tree."""
        path = PurePosixPath(name)
        is_package = path.name == "__init__.py"
        package = ".".join(path.parent.parts)
        names = _Names.of(parsed)
        hooks = {each.name for each in parsed.body if isinstance(each, ast.FunctionDef)} & _HOOKS
        if any(names.bound[hook] > (hook in hooks) for hook in _HOOKS):  # bound in a way that is not understood here
            return
        module = _Module(package, _submodules(self._tree / path.parent) if is_package else frozenset(), names)
        qualified = package if is_package else f"{package}.{path.stem}"
        late: dict[str, Origin] = {}
        if not names.looked_at and (names.bound["__all__"] or qualified not in self._starred):
            late = self._put_off(parsed, module)
        if late or module.submodules:
            _guard(names.functions, late)
            _introduce(parsed, late, module.submodules)

    def _put_off(self, parsed: ast.Module, module: "_Module") -> dict[str, Origin]:
        """Take imports out of the module, and return where their names come from."""
        late: dict[str, Origin] = {}
        body: list[ast.stmt] = []
        behind_star = False
        for statement in parsed.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                # What a star import binds, an import behind it binds anew.
                behind_star = behind_star or statement.names[0].name == "*"
                if not behind_star:
                    statement.names = self._kept(statement, module, late)
                if not statement.names:
                    continue
            body.append(statement)
        parsed.body = body
        return late

    def _kept(
        self, statement: ast.Import | ast.ImportFrom, module: "_Module", late: dict[str, Origin]
    ) -> list[ast.alias]:
        """Divide what a statement imports: what waits goes into `late`, what does not is returned."""
        kept = []
        for each in statement.names:
            if isinstance(statement, ast.ImportFrom):
                name, origin = each.asname or each.name, module.origin(statement, each.name)
            else:
                root = each.name.partition(".")[0]
                name, origin = each.asname or root, (each.name, None)
                if not each.asname and "." in each.name:
                    # Binds the root. The rest comes when it is asked for, where the root is one of ours.
                    kept.append(
                        ast.copy_location(ast.alias(root), each) if self._imports_its_modules(each.name) else each
                    )
                    continue
            is_loaded = origin[0].partition(".")[0] in _ALWAYS_LOADED
            if not is_loaded and module.can_wait(name, origin) and not self._has_effects(self._source(origin)):
                late[name] = origin
            else:
                kept.append(each)
        return kept

    def _source(self, origin: Origin) -> str:
        """Name the module that an import runs last: `from scipy import stats` is there for that of `scipy.stats`."""
        module, attribute = origin
        folder = self._tree.joinpath(*module.split("."))
        return f"{module}.{attribute}" if attribute and attribute in _submodules(folder) else module

    def _has_effects(self, module: str) -> bool:
        """Whether importing a module of the packages changes something elsewhere, which others may rely on."""
        root, *_ = parts = module.split(".")
        if root not in self._packages or "tests" in parts:
            return False
        place = self._tree.joinpath(*parts)
        return any(_file_has_effects(file) for file in (place / "__init__.py", place.with_suffix(".py")))

    def _imports_its_modules(self, name: str) -> bool:
        """Whether each package on the way to a module imports what it is asked for: one without `__init__` does not."""
        *packages, _module = name.split(".")
        folders = (self._tree.joinpath(*packages[: number + 1]) for number in range(len(packages)))
        return packages[0] in self._packages and all((folder / "__init__.py").is_file() for folder in folders)


@dataclass(frozen=True)
class _Module:
    """A module: the package that its relative imports start from, its own modules if it is one, and its names."""

    package: str
    submodules: frozenset[str]
    names: "_Names"

    def origin(self, statement: ast.ImportFrom, name: str) -> Origin:
        source = _absolute(statement.module or "", statement.level, self.package.split("."))
        # A package must not be asked for what it would ask itself for.
        return (f"{source}.{name}", None) if source == self.package and name in self.submodules else (source, name)

    def can_wait(self, name: str, origin: Origin) -> bool:
        # Whenever a package's module is imported it is bound there: a function of that name must be so afterwards.
        takes_place = name in self.submodules and origin != (f"{self.package}.{name}", None)
        is_special = name.startswith("__")
        # A name that nobody reads is exported, by a package, or the import is there for what it does elsewhere.
        has_effect = name not in self.names.used and (not self.submodules or name.startswith("_"))
        is_alone = self.names.bound[name] == 1
        return is_alone and not (takes_place or is_special or has_effect or name in self.names.read)


class _Names(ast.NodeVisitor):
    """What a module does with names when it is imported, and what its functions read later.

    Attributes:
        bound: How often each name is bound at the top of the module; targets of comprehensions count too.
        read: Names that are read, or may be bound anew, in a way that an import must come before.
        functions: Each function with the names that it reads, its own variables included.
        used: All names that functions read.
        looked_at: Whether the module reads its names other than one by one.

    """

    def __init__(self) -> None:
        self.bound: Counter[str] = Counter()
        self.read: set[str] = set()
        self.functions: dict[_Function, set[str]] = {}
        self.looked_at = False
        self._function: _Function | None = None
        self._is_top = True

    @classmethod
    def of(cls, parsed: ast.Module) -> "_Names":
        names = cls()
        names.visit(parsed)
        return names

    @cached_property
    def used(self) -> frozenset[str]:
        return frozenset().union(*self.functions.values())

    def visit_Name(self, node: ast.Name) -> None:
        self.looked_at |= node.id in _READ_ANY_NAME
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)
        if isinstance(node.ctx, ast.Del):
            self.read.add(node.id)
        elif isinstance(node.ctx, ast.Load):
            (self.functions[self._function] if self._function else self.read).add(node.id)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _SHOW_OWN_NAMES and not (node.args or self._function):
            self.looked_at = True
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.read |= set(node.names)

    def visit_FunctionDef(self, node: _Function) -> None:
        self._bind(node.name)
        # These are evaluated where the function is defined; annotations are, or a reader may have them evaluated.
        for each in filter(None, [*node.decorator_list, node.args, node.returns, *getattr(node, "type_params", [])]):
            self.visit(each)
        self.functions[node] = set()
        with self._within(node):
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # names that ast.NodeVisitor looks for: below too

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        with self._within(self._function):  # its body runs with what is around it
            super().generic_visit(node)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for each in node.names:
            self._bind(each.asname or each.name.partition(".")[0])

    visit_ImportFrom = visit_Import  # noqa: N815  # as above

    def generic_visit(self, node: ast.AST) -> None:
        # The name of an exception, and what a pattern captures, have no node of their own.
        for name in (getattr(node, field, None) for field in ("name", "rest")):
            if isinstance(name, str):
                self._bind(name)
        super().generic_visit(node)

    @contextmanager
    def _within(self, function: _Function | None) -> Iterator[None]:
        before = self._function, self._is_top
        self._function, self._is_top = function, False
        yield
        self._function, self._is_top = before

    def _bind(self, name: str) -> None:
        self.bound[name] += self._is_top


def _guard(functions: Mapping[_Function, set[str]], late: Mapping[str, Origin]) -> None:
    """Have each function import first what it reads and what was put off."""
    for function, read in functions.items():
        first = function.body[0]
        lines = [f"if __late_{name}__: __late__({name!r})" for name in sorted(late.keys() & read)]
        is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        place = 1 if is_docstring and len(function.body) > 1 else 0
        function.body[place:place] = _at(first.lineno, ast.parse("\n".join(lines)).body)


def _introduce(parsed: ast.Module, late: Mapping[str, Origin], submodules: Collection[str]) -> None:
    """Begin the module with the table of what was put off, and have it answer those who ask for it."""
    table = tuple((name, *origin) for name, origin in late.items())
    begin = [
        "from _deferred_imports import Deferred as __late__",
        f"__late__ = __late__(globals(), {table!r}, {tuple(sorted(submodules))!r})",
        *(f"{hook} = __late__.{hook.strip('_')}" for hook in sorted(_HOOKS)),  # its own hooks come later
    ]
    for own in parsed.body:
        if isinstance(own, ast.FunctionDef) and own.name == "__getattr__":
            name = own.args.args[0].arg
            # Not by another function around it: warnings count the calls to whom they are for.
            ask = ast.parse(f"if __late__.knows({name}): return __late__.getattr({name})").body
            own.body[0:0] = _at(own.body[0].lineno, ask)
    place = next((number for number, each in enumerate(parsed.body) if not _must_be_first(each)), len(parsed.body))
    parsed.body[place:place] = _at(1, ast.parse("\n".join(begin)).body)


def _must_be_first(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
            return True
    return False


def _at(line: int, statements: list[ast.stmt]) -> list[ast.stmt]:
    """Give statements the place that a traceback shows."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = 0
    return statements


@cache
def _submodules(folder: Path) -> frozenset[str]:
    """Name the modules of a package: files, shared objects, and folders of these, which may do without `__init__`."""
    found = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        name = path.name.partition(".")[0]
        files = path.iterdir() if path.is_dir() else [path]
        if any(file.suffix in {".py", ".so"} for file in files) and name.isidentifier() and not name.startswith("__"):
            found.add(name)
    return frozenset(found)


@cache
def _file_has_effects(path: Path) -> bool:
    try:
        return _acts(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):  # a shared object, or no module of this name
        return False


def _acts(parsed: ast.Module) -> bool:
    """Whether a module calls something for its effect at its top, registers, or sets what another module has."""
    imported: set[str] = set()
    todo: list[ast.AST] = list(parsed.body)
    while todo:
        node = todo.pop(0)
        match node:
            case ast.Import() | ast.ImportFrom():
                imported |= {each.asname or each.name.partition(".")[0] for each in node.names}
            case ast.Expr(value=ast.Call(func=function)) if _root(function) != "__all__":
                return True
            case ast.Assign(targets=targets) if any(_sets(target, imported) for target in targets):
                return True
            case ast.AugAssign(target=target) if _sets(target, imported):
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if any("register" in ast.unparse(decorator) for decorator in node.decorator_list):
                    return True
            case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try() | ast.ExceptHandler():
                todo += ast.iter_child_nodes(node)
    return False


def _sets(target: ast.expr, imported: Collection[str]) -> bool:
    return isinstance(target, ast.Attribute | ast.Subscript) and _root(target) in imported


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _star_imported(tree: Path) -> Iterator[str]:
    """Name the modules of which some module in the tree imports all names."""
    for path in tree.rglob("*.py"):
        package = path.relative_to(tree).parent.parts
        for match in _STAR.finditer(path.read_bytes()):
            dots, name = match.groups()
            yield _absolute(name.decode(), len(dots), package)


def _absolute(name: str, level: int, package: Sequence[str]) -> str:
    """Name the module that an import within a package means, by its name and the dots before that."""
    base = package[: len(package) - level + 1] if level else ()
    return ".".join([*base, *filter(None, [name])])
