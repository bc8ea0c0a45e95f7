"""Imports run one way (docs: "Where things are" in CONTRIBUTING.md); `make check` holds the layers (import-linter)."""

import graphlib

import pytest

from tests import structure


def test_no_module_imports_itself_through_others() -> None:
    """Imports for type checking, inside functions, and of a package by its own modules count too."""
    graph = {module: set(imported) for module, imported in structure.modules().items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"modules import one another: {' <- '.join(error.args[1])}")


def test_uv_is_started_in_one_place() -> None:
    """Else index settings, certificates and what is ignored would differ from one place to the next."""
    files = [path for name in structure.PACKAGES for path in (structure.ROOT / name).rglob("*.py")]
    found = [path.relative_to(structure.ROOT).as_posix() for path in files if "find_uv_bin" in path.read_text()]
    assert found == ["model_registry/uv.py"]


def test_the_program_composes_what_infra_has() -> None:
    imported = structure.imported_by_main()
    assert imported
    assert {name.partition(".")[0] for name in imported} == {"infra"}


def test_the_listing_in_contributing_is_current() -> None:
    text = structure.PAGE.read_text()
    assert structure.page(text) == text, "run `python -m tests.structure`"


def test_modules_and_lines_of_a_commit_are_counted() -> None:
    found = structure.counts("HEAD")
    assert found["__main__.py"][0] == 1
    assert all(number > 0 and lines > 0 for number, lines in found.values())
    assert found.keys() == {"__main__.py", *structure.PACKAGES}
