"""What is kept of an installed tree."""

from pathlib import Path

import pytest

from model_registry.lambda_packages.pruning import kept


def write(tree: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


@pytest.mark.parametrize(
    "name",
    [
        "a/tests/test_x.py",
        "a/tests/data/x.npy",
        "a/b/test/__init__.py",
        "a/conftest.py",
        "a/x.pyi",
        "a/x.pyx",
        "a/x.pyx.tp",
        "a/include/x.h",
        "a/lib/libx.a",
        "a/py.typed",
        "a/__pycache__/x.cpython-311.pyc",
        "bin/x",
        "a-1.dist-info/RECORD",
        "a-1.dist-info/direct_url.json",
        "a-1.dist-info/sboms/x.json",
        "numpy/_core/_simd.cpython-311-x86_64-linux-gnu.so",
        "numpy/distutils/core.py",
        "scipy/ndimage/_ctest.cpython-311-x86_64-linux-gnu.so",
        "sklearn/_build_utils/version.py",
        "sklearn/datasets/images/flower.jpg",
    ],
)
def test_what_no_function_needs_is_dropped(tmp_path: Path, name: str) -> None:
    assert kept(tmp_path, write(tmp_path, {name: ""})) == []


@pytest.mark.parametrize(
    "name",
    [
        "a/testing/__init__.py",
        "a/_testing.py",
        "a/test.py",
        "test/__init__.py",
        "a/bin/tool.py",
        "sklearn/datasets/data/__init__.py",
        "a/data/iris.csv",
        "a/descr/iris.rst",
        "a/LICENSE",
        "a.libs/libx.so.5.0.0",
        "a-1.dist-info/METADATA",
        "a-1.dist-info/entry_points.txt",
        "a-1.dist-info/licenses/b/METADATA-free.txt",
        "a-1.dist-info/LICENSE.txt",
        "scipy/sparse/csgraph/_shortest_path.cpython-311-x86_64-linux-gnu.so",
    ],
)
def test_what_a_function_may_need_stays(tmp_path: Path, name: str) -> None:
    assert kept(tmp_path, write(tmp_path, {name: ""})) == [name]


def test_a_module_in_a_tests_folder_stays_when_the_package_imports_it(tmp_path: Path) -> None:
    names = write(
        tmp_path,
        {
            "a/testing.py": "from a.core.tests._helper import x",
            "a/sub/lazy.py": "def f():\n    from ..tests import relative\n",
            "a/sub/plain.py": "import a.tests.plain",
            "a/broken.py": "from a.tests import (",
            "a/data.py": "from a.tests.test_data import table",
            "a/core/tests/_helper.py": "from . import _second",
            "a/core/tests/_second.py": "",
            "a/core/tests/_other.py": "",
            "a/tests/__init__.py": "",
            "a/tests/relative.py": "",
            "a/tests/plain.py": "",
            "a/tests/test_data.py": "",
        },
    )
    tests = [name for name in kept(tmp_path, names) if "/tests/" in name]
    assert tests == [
        "a/core/tests/_helper.py",
        "a/core/tests/_second.py",
        "a/tests/__init__.py",
        "a/tests/plain.py",
        "a/tests/relative.py",
    ]


@pytest.mark.parametrize(
    ("documents", "stays"), [("add_newdoc('numpy._core._multiarray_tests', 'x', '')", True), ("", False)]
)
def test_the_extension_module_that_numpy_documents_stays(tmp_path: Path, documents: str, *, stays: bool) -> None:
    """Without it, numpy before 2.2 cannot be imported."""
    module, text = "numpy/_core/_multiarray_tests.cpython-312-x86_64-linux-gnu.so", "numpy/_core/_add_newdocs.py"
    write(tmp_path, {module: "", text: documents})
    assert kept(tmp_path, [module, text]) == ([text, module] if stays else [text])


@pytest.mark.parametrize(
    ("words", "stays"), [("from . import _add_newdocs", True), ('private_modules=["_add_newdocs"]', False)]
)
def test_the_documentation_that_scipy_imports_stays(tmp_path: Path, words: str, *, stays: bool) -> None:
    """Without it, scipy before 1.12 cannot be imported."""
    module, by = "scipy/special/_add_newdocs.py", "scipy/special/add_newdocs.py"
    write(tmp_path, {module: "", by: words})
    assert kept(tmp_path, [module, by]) == ([module, by] if stays else [by])
