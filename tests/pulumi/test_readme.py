"""The walk through `pulumi up` of the README and of docs/deploy.md, line by line as it stands there."""

import json
import re
from pathlib import Path

from local.iris import PROJECT
from local.ministack import LocalAws
from tests.pulumi.shell import run_lines
from tests.pulumi.stacks import make_project
from tests.pulumi.ways import commands, readme_lines


def walk() -> list[str]:
    """The commands of the section On AWS and of the page that goes on with it, in their order."""
    return readme_lines() + commands((PROJECT / "docs" / "deploy.md").read_text())


def test_each_line_of_the_walk_does_what_the_readme_says(engine: Path, cloud: LocalAws, tmp_path: Path) -> None:
    """Registry, training, dev, prod, a release and the way back, in one shell; only confirmations are left out."""
    project = make_project(tmp_path, engine, cloud)
    lines = walk()
    said = run_lines(lines, project.folder, project.environment)

    ups = [text for line, text in zip(lines, said, strict=False) if line == "pulumi up"]
    assert len(ups) == 5
    assert all(re.search(r"\+ \d+ created", text) for text in ups[:3])
    assert re.search(r"modelVersion +: 1 => 2\b", ups[3])
    assert re.search(r"modelVersion +: 2 => 1\b", ups[4])
    assert all(re.search(r"~ 2 updated\n +\d+ unchanged", text) for text in ups[3:])

    answers = [json.loads(text[text.index("{") :]) for line, text in zip(lines, said, strict=False) if "curl" in line]
    assert [(answer["label"], answer["version"]) for answer in answers] == [("virginica", 1), ("virginica", 1)]
