"""Compile modules to bytecode whose bytes depend on nothing but source, file name and interpreter version.

Run as a program by an interpreter of the layer's own minor version, which need not have this project installed:
only the standard library is imported, and only syntax that each of Lambda's Pythons knows is used. Verified for Python
3.11 and newer, where marshal writes sets in sorted order; 3.10 needs more than what is done here.

    python -S -s -B compile.py SOURCES OUTPUT PREFIX UNDOCUMENTED DEFERRED < names

reads one relative file name a line, and writes OUTPUT/x.pyc for each SOURCES/x.py, with PREFIX/x.py as the file name
that tracebacks show. UNDOCUMENTED are folders whose modules lose their docstrings, DEFERRED packages whose imports are
put off (`deferral.py`), both with commas between. A file that is not valid in this version (some packages carry syntax
of another version on purpose) gets no output.
"""

import ast
import importlib
import importlib.util
import marshal
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import CodeType

Change = Callable[[ast.Module], object]
"""Changes a module's syntax tree, before it is compiled."""

# PEP 552: bit 0 says that the field holds a hash of the source, bit 1 (left unset) that it must be checked at import.
_UNCHECKED_HASH = (1).to_bytes(4, "little")

# There is one object for each of these strings, and marshal writes whether it is interned, which an import may change.
_INTERNED = tuple(sys.intern(chr(number)) for number in range(256))


def compile_source(source: bytes, filename: str, *changes: Change) -> bytes | None:
    """Give the content of a `.pyc` file, or None when the source is not valid in this version.

    Optimisation is off, as asserts may guard answers.

    The source is compiled twice and the second code is written while the first is alive: the compiler copies a
    constant set if its strings were interned already, which depends on what this process has done before. With a
    first code alive they always are. (scikit-learn's pipeline.py shows the difference.)
    """
    try:
        first = _compile(source, filename, changes)
        code = _compile(source, filename, changes)
    except (SyntaxError, ValueError):  # ValueError: null bytes in the source
        return None
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
    content = header + marshal.dumps(code)
    del first  # not before: see above
    return content


def _compile(source: bytes, filename: str, changes: Collection[Change]) -> CodeType:
    # A tree of its own each time: its strings may become the interned ones, and the second code must find them so.
    parsed: bytes | ast.Module = source
    if changes:
        parsed = ast.parse(source, filename)
        for change in changes:
            change(parsed)
    return compile(parsed, filename, "exec", dont_inherit=True, optimize=0)


def without_docstrings(tree: ast.Module) -> None:
    """Empty the docstrings; they are not None, as libraries put some together at import."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            match node.body[0]:
                case ast.Expr(value=ast.Constant(value=str()) as docstring):
                    docstring.value = ""


def compile_files(
    names: list[str], sources: Path, output: Path, prefix: str, changes: Callable[[str], Collection[Change]]
) -> None:
    """Compile each of the files `sources/name` to `output/name` with the suffix `.pyc`, after the `changes` to each."""
    for name in names:
        compiled = compile_source((sources / name).read_bytes(), f"{prefix}/{name}", *changes(name))
        if compiled is not None:
            target = output / f"{name}c"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(compiled)


def _changes(sources: Path, undocumented: Collection[str], deferred: Collection[str]) -> Callable[[str], list[Change]]:
    sys.path.insert(0, str(Path(__file__).parent))  # where a program's own modules are, which -P leaves out
    deferral = importlib.import_module("deferral").Deferral(sources, deferred)

    def of(name: str) -> list[Change]:
        bare = any(name.startswith(f"{folder}/") for folder in undocumented)
        late = deferral.concerns(name)
        return [
            *([without_docstrings] if bare else []),
            *([partial(deferral.apply, name=name)] if late else []),
        ]

    return of


if __name__ == "__main__":
    _sources, _output, _prefix, *_lists = sys.argv[1:]
    _undocumented, _deferred = ([each for each in text.split(",") if each] for text in _lists)
    _names = sys.stdin.buffer.read().decode("utf-8").splitlines()
    compile_files(_names, Path(_sources), Path(_output), _prefix, _changes(Path(_sources), _undocumented, _deferred))
