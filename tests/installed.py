"""A model whose steps come from every place that people install packages from, beside an index."""

import importlib
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from model_registry.uv import find_uv
from tests import own
from tests.package_index import make_wheel

STEPS = ("acme_folder", "acme_space.of_git", "acme_space.beside", "acme_editable.steps", "acme_src.steps")
"""A folder, whose package finds that of a wheel's file by its entry point, a repository (part of a namespace), a module
of the owner's in the same namespace, an editable installation, and a package below `src`."""

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0+local"
{more}
"""
_STEP = """
OFFSET = {offset}


def step(X):
    return X + {expression}
"""
_OF_ENTRY_POINT = "next(iter(__import__('importlib.metadata').metadata.entry_points(group='acme'))).load()"


def _written(folder: Path, files: dict[str, str]) -> Path:
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
    return folder


def step(offset: float, expression: str = "OFFSET") -> str:
    return _STEP.format(offset=offset, expression=expression)


def _repository(folder: Path) -> Path:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(folder)]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        subprocess.run([*git, *command], check=True)
    return folder


def install(target: Path, *what: str | Path) -> None:
    """As `pip install` does, into a folder; with the build backend that is here."""
    command = [find_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target)]
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([*command, "--no-deps", "--no-build-isolation", *what], env=path, check=True)


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """Make and install all of them, importable until the end; gives the folder that they are installed in."""
    more = 'dependencies = ["acme-wheel", "acme-editable"]'
    of_folder = {"acme_folder/__init__.py": step(1.0, _OF_ENTRY_POINT)}
    of_git = {"acme_space/of_git.py": step(3.0)}
    of_editable = {"src/acme_editable/__init__.py": "", "src/acme_editable/steps.py": step(5.0)}
    projects = {"acme-folder": (of_folder, more), "acme-git": (of_git, ""), "acme-editable": (of_editable, "")}
    for name, (files, lines) in projects.items():
        _written(folder / name, {**files, "pyproject.toml": PROJECT.format(name=name, more=lines)})
    entry_points = {"acme_wheel-2.0.dist-info/entry_points.txt": "[acme]\noffset = acme_wheel:OFFSET"}
    wheel = make_wheel(folder, "acme-wheel", "2.0", {"acme_wheel.py": step(2.0), **entry_points})
    repository = f"git+{_repository(folder / 'acme-git').as_uri()}"
    target = folder / "site"
    install(target, folder / "acme-folder", wheel, repository, "-e", folder / "acme-editable")
    _written(folder / "src", {"acme_space/beside.py": step(4.0), "acme_src/steps.py": step(6.0)})
    with importable(folder):
        yield target


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """What `installed` has made there, again."""
    target = folder / "site"
    before = list(sys.path)
    sys.path.insert(0, str(folder / "src"))
    sys.path.insert(1, str(target))
    site.addsitedir(str(target))  # as an environment's own folder: editable installations are files in it
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
        importlib.invalidate_caches()
        for module in [name for name in sys.modules if name.startswith("acme_")]:
            del sys.modules[module]


def fitted(*steps: str) -> Any:
    """A pipeline with these steps; call it inside `installed`."""
    functions = [FunctionTransformer(importlib.import_module(name).step) for name in steps]
    return make_pipeline(*functions, LogisticRegression()).fit(own.X, own.Y)
