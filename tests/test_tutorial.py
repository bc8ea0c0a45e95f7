"""The tutorial's notebook runs as it stands, and shows what it drew."""

from pathlib import Path
from typing import Any

import nbformat

from tests.tutorial import NOTEBOOK, execute


def shown(notebook: Any) -> list[str]:
    """The kinds of what the cells show: texts, tables and plots, of each cell in turn."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [
        ", ".join(
            sorted({kind for output in cell.outputs for kind in output.get("data", [output.get("name", "error")])})
        )
        for cell in cells
    ]


def text(notebook: Any) -> str:
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_notebook_serves_two_versions_goes_back_and_shows_what_it_shows_in_the_repository(tmp_path: Path) -> None:
    ran = execute(tmp_path)
    said = text(ran)
    answering = [line.split()[0] for line in said.splitlines() if " answers at http://127.0.0.1:" in line]
    assert answering == ["churn/1", "churn/2", "churn/1"]
    assert "422 {" in said
    assert "version 1\n" in said
    assert said.endswith("stopped\n\n")
    kept = nbformat.read(NOTEBOOK, as_version=4)
    assert shown(ran) == shown(kept), "run `python -m tests.tutorial`"
    assert any("image/png" in kinds for kinds in shown(kept))
