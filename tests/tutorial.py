"""Runs docs/tutorial.ipynb; `python -m tests.tutorial` writes what it printed and drew back into it."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

from tests.structure import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"


def execute(state: Path) -> nbformat.NotebookNode:
    """Run every cell in a fresh kernel of this interpreter, with a local AWS that keeps its state in this folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with patch.dict(os.environ, {"LOCAL_AWS_STATE": str(state), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}):
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}})
        return client.execute()


def main() -> None:
    """Run the notebook and write it with its output."""
    with TemporaryDirectory() as folder:
        notebook = execute(Path(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ with every run
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
