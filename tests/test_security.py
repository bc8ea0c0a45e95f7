"""The threat model names tests that there are."""

import re

from tests.structure import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)


def test_each_test_of_the_threat_model_exists() -> None:
    assert NAMED
    for file, test in NAMED:
        path = ROOT / file
        assert path.exists(), file
        assert re.search(rf"^(?:async )?def {test}\(", path.read_text(), re.MULTILINE), f"{file}::{test}"


def test_each_threat_has_a_control_a_test_and_a_rest() -> None:
    section = PAGE.split("## Threat model")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    for row in rows:
        assert len(row) == 5, row
        assert all(cell.strip() for cell in row), row
        assert "::" in row[3], row
