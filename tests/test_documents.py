"""Documents say what is there: each link inside the repository leads to a file, and so does each path in a decision."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure import ROOT

DOCUMENTS = sorted(
    path
    for folder in (ROOT, ROOT / ".github", ROOT / "docs", ROOT / "handler")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
FOLDERS = r"(?:benchmarks|docs|handler|infra|local|model_registry|model_runtime|tests|training)"


def links(document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if not re.match(r"[a-z]+:", target):
            yield target


def paths(document: Path) -> Iterator[str]:
    yield from re.findall(rf"(?<![\w/.-]){FOLDERS}/[\w./-]*\w", document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_points_at_exists(document: Path) -> None:
    lacking = [target for target in links(document) if not (document.parent / target).exists()]
    if document.name != "CHANGELOG.md":  # it tells of files as they were
        lacking += [path for path in paths(document) if not (ROOT / path).exists()]
    assert not lacking


@pytest.mark.parametrize("page", ["README.md", "docs/publishing.md", "docs/start-your-own.md"])
def test_who_reads_a_program_is_told_first_how_its_import_is_installed(page: str) -> None:
    before, _, _ = (ROOT / page).read_text().partition("from sklearn_on_lambda import Registry")
    assert re.search(r"pip install '[^'\n]*\[publish\]'", before)


def test_the_guide_has_twelve_steps() -> None:
    steps = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE)
    assert steps == [str(number) for number in range(1, 13)]
    tested = re.findall(r"^def test_row_(\d+)", (ROOT / "tests" / "local" / "test_guide.py").read_text(), re.MULTILINE)
    assert [int(number) for number in tested] == list(range(1, 13))
