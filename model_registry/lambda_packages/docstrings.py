"""Whose docstrings a layer does without."""

from collections.abc import Iterable

from packaging.version import Version

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
"""Package: the first version for which that was not tried, and its folders (tests/infra/layer/test_build_sklearn.py)"""


def undocumented(packages: Iterable[tuple[str, str]]) -> list[str]:
    """Name the folders whose modules are compiled without docstrings."""
    found = ((*_DOCSTRINGS_UNUSED[name], Version(version)) for name, version in packages if name in _DOCSTRINGS_UNUSED)
    return sorted(folder for untried, folders, version in found if version < untried for folder in folders)
