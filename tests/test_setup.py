"""What `make` installs: for a demo less than for development, and the same releases."""

import re
from pathlib import Path

from tests.structure import ROOT

DEVELOPMENT, DEMO = ROOT / "requirements.lock", ROOT / "requirements-demo.lock"


def pins(lock: Path) -> set[str]:
    """Each package with its release; for whom it is, the marker behind it, is wider where more packages need it."""
    return set(re.findall(r"^[a-z0-9][^ ]*==[^ ]+(?= )", lock.read_text(), re.MULTILINE))


def test_the_demo_takes_the_releases_of_development_and_fewer_packages() -> None:
    """After a change of one of them: make lock."""
    assert pins(DEMO) < pins(DEVELOPMENT)
    tools = ("furo", "hypothesis", "mypy", "onnxruntime", "pytest", "ruff", "sphinx")
    assert not [pin for pin in pins(DEMO) if pin.startswith(tools)]


def test_a_lock_names_hashes_and_no_index() -> None:
    for lock in (DEMO, DEVELOPMENT):
        text = lock.read_text()
        assert "://" not in text
        assert len(re.findall(r"^[a-z0-9].* \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) == len(pins(lock))


def test_uv_is_found_in_the_lock_as_the_makefile_looks_for_it() -> None:
    """It comes by pip, checked against its hashes, before it installs the rest."""
    assert "sed -n '/^uv==/,/[^\\\\]$$/p'" in (ROOT / "Makefile").read_text()
    (uv,) = re.findall(r"^uv==.*?[^\\]$", DEMO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(uv.splitlines()) > 10
    assert all("uv==" in line or "--hash=sha256:" in line for line in uv.splitlines())
