"""The documentation as a site: `make docs` builds it into .local/site; `make check` fails on a dead link."""

import re
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the Python reference is made from the docstrings

project = "sklearn-on-lambda"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = project
html_show_copyright = False
html_show_sphinx = False
myst_heading_anchors = 4  # so that links to a heading are checked, too
nb_execution_mode = "off"  # a notebook has the output of its last run; tests run it
autodoc_typehints = "description"
autodoc_member_order = "bysource"


def setup(app: Sphinx) -> None:
    """Called by Sphinx before it reads the pages."""
    app.connect("builder-inited", lambda _app: _write_command_line())


def _write_command_line() -> None:
    """Write the reference of both command lines from their help; git ignores it, so that it is never stale."""
    pages = [_commands("model_registry"), _commands("local")]
    text = "\n".join(["# Command line\n", *(re.sub(r"^#", "##", page, flags=re.MULTILINE) for page in pages)])
    page = ROOT / "docs" / "command-line.md"
    if not page.exists() or page.read_text(encoding="utf-8") != text:  # Sphinx reads again what is newer
        page.write_text(text, encoding="utf-8")


def _commands(package: str) -> str:
    typer = [sys.executable, "-m", "typer", f"{package}.cli", "utils", "docs", "--name", f"python -m {package}"]
    text = subprocess.run(typer, check=True, capture_output=True, text=True, cwd=ROOT).stdout  # noqa: S603  # our own words
    # The list of the commands has cut sentences; the commands follow it.
    return re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)
