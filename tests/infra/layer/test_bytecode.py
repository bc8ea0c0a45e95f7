"""How the modules of a layer are compiled."""

import importlib.util
import marshal
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sklearn

from infra.layer import compile as layer_compile
from infra.layer.bytecode import compile_tree
from model_registry.lambda_packages.docstrings import undocumented
from model_registry.lambda_packages.errors import CompileError


def write(tree: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def test_modules_become_sourceless_bytecode_and_what_does_not_compile_stays(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = write(
        tree, {"a/x.py": "def f():\n    'doc'\n    assert 0, 'kept'\n", "a/old.py": "print 1", "a/d.csv": "1"}
    )
    files = compile_tree(names, tree, tmp_path / "out", interpreter=sys.executable, prefix="/opt/lib")
    assert set(files) == {"a/x.pyc", "a/old.py", "a/d.csv"}
    data = files["a/x.pyc"].read_bytes()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == b"\x01\0\0\0"  # unchecked hash
    code = marshal.loads(data[16:])  # noqa: S302  # bytecode that this test has made
    assert code.co_filename == "/opt/lib/a/x.py"
    namespace: dict[str, object] = {}
    exec(code, namespace)  # noqa: S102  # the test's own module
    function = namespace["f"]
    assert function.__doc__ == "doc"
    assert callable(function)
    with pytest.raises(AssertionError, match="kept"):
        function()


DOCUMENTED = """'module'
class C:
    'class'
    def f(self):
        'function'
        return 'kept', self.__doc__
"""


@pytest.mark.parametrize(("package", "kept"), [("scipy", False), ("grammar", True)])
def test_docstrings_are_emptied_in_the_folders_that_do_not_need_them(
    tmp_path: Path, package: str, *, kept: bool
) -> None:
    names = write(tmp_path / "tree", {f"{package}/x.py": DOCUMENTED})
    files = compile_tree(
        names,
        tmp_path / "tree",
        tmp_path / "out",
        interpreter=sys.executable,
        prefix="/p",
        undocumented=undocumented([("scipy", "1.18.1"), ("grammar", "1")]),
    )
    namespace: dict[str, Any] = {}
    exec(marshal.loads(files[f"{package}/x.pyc"].read_bytes()[16:]), namespace)  # noqa: S102, S302  # made by this test
    found = (namespace["__doc__"], namespace["C"].__doc__, namespace["C"].f.__doc__)
    assert found == (("module", "class", "function") if kept else ("", "", ""))
    assert namespace["C"]().f() == ("kept", found[1])


def test_docstrings_stay_in_releases_that_were_not_tried() -> None:
    pins = [("scipy", "99.0"), ("scikit-learn", "1.9.1"), ("pandas", "2.3.2"), ("numpy", "99.0")]
    assert undocumented(pins) == ["pandas", "sklearn"]


def test_bytecode_does_not_depend_on_the_process_that_compiles_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on the order of the files, nor on their partition, nor on what else the process has imported."""
    library = Path(sklearn.__file__).parent
    names = sorted(path.relative_to(library).as_posix() for path in library.rglob("*.py"))[::3]
    names += ["pipeline.py", "compose/_column_transformer.py"]  # sets of strings, which compilers copy or share
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = compile_tree(names, library, tmp_path / "a" / "o", interpreter=sys.executable, prefix="/p")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    two = compile_tree(names[::-1], library, tmp_path / "b" / "o", interpreter=sys.executable, prefix="/p")
    known = [compile((library / name).read_bytes(), name, "exec") for name in names]  # their names are interned now
    here = {f"{name}c": layer_compile.compile_source((library / name).read_bytes(), f"/p/{name}") for name in names}
    assert known
    assert contents(one) == contents(two) == here


@pytest.mark.soak  # without docstrings it goes the same way, but for the names of the files that have them emptied
def test_bytecode_without_docstrings_does_not_depend_on_the_process_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Path(sklearn.__file__).parent.parent
    names = sorted(path.relative_to(library).as_posix() for path in (library / "sklearn").rglob("*.py"))[::5]
    same: dict[str, Any] = {"interpreter": sys.executable, "prefix": "/p", "undocumented": ["sklearn"]}
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = compile_tree(names, library, tmp_path / "a" / "o", **same)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    two = compile_tree(names[::-1], library, tmp_path / "b" / "o", **same)
    sources = {name: (library / name).read_bytes() for name in names}
    here = {
        f"{n}c": layer_compile.compile_source(source, f"/p/{n}", layer_compile.without_docstrings)
        for n, source in sources.items()
    }
    assert contents(one) == contents(two) == here


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize("source", [b"print 1", b"x = '\0'", b"# coding: no-such-codec\n"])
def test_a_source_of_another_language_gives_no_bytecode(source: bytes) -> None:
    assert layer_compile.compile_source(source, "x.py") is None


def test_files_are_compiled_in_process_as_in_the_program(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a/x.py": "1", "a/bad.py": "print 1"})
    layer_compile.compile_files(["a/x.py", "a/bad.py"], tmp_path / "in", tmp_path / "out", "/p", lambda _name: ())
    assert [path.name for path in (tmp_path / "out" / "a").iterdir()] == ["x.pyc"]


def test_an_interpreter_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="FileNotFoundError"):
        compile_tree(["missing.py"], tmp_path, tmp_path / "out", interpreter=sys.executable, prefix="/p")
