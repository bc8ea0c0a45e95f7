"""The ways of docs/start-your-own.md to a served model, from its own code blocks: what tests and transcripts run."""

import re
from pathlib import Path

from local.iris import PROJECT
from local.ministack import LocalAws
from tests.pulumi.programs.other import OtherProgram
from tests.pulumi.stacks import Project, make_project
from tests.wheel import unpacked_wheel

BUCKET = "models-of-example-corp"
ANSWERS = {"registryBucket": BUCKET, "model": "churn", "aws:region": "us-east-1"}
"""What somebody answers to the template's questions."""
TEMPLATE = PROJECT / "templates" / "sklearn-model"


def block(name: str, language: str = "python", page: str = "start-your-own.md") -> str:
    """A page's code block that begins with a comment of this name."""
    text = (PROJECT / "docs" / page).read_text()
    found = re.search(rf"^```{language}\n(# {re.escape(name)}\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[1]


def make_team(folder: Path, engine: Path, cloud: LocalAws) -> Project:
    """An engine for programs that have the wheel, and nothing of this repository."""
    site = unpacked_wheel(folder / "installed")
    project = make_project(folder / "team", engine, cloud)
    return Project(project.folder, project.environment | {"PYTHONPATH": str(site)}, cloud)


def program(team: Project, folder: Path, name: str, text: str) -> OtherProgram:
    """A Python program of the team's."""
    made = empty_program(team, folder)
    (made.folder / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
    (made.folder / "__main__.py").write_text(text)
    return made


def empty_program(team: Project, folder: Path) -> OtherProgram:
    """A folder for a program of the team's."""
    return OtherProgram(folder / "program", team, environment={"PYTHONPATH": team.environment["PYTHONPATH"]})


def registry_program(team: Project, folder: Path) -> OtherProgram:
    """The program of the page that makes the registry's bucket."""
    return program(team, folder, "registry-of-a-team", block("registry"))


def new_project(name: str) -> str:
    """The command that makes a project of the template, with the answers of somebody."""
    config = " ".join(f"--config {key}={value}" for key, value in ANSWERS.items())
    return f"pulumi new {TEMPLATE} --yes --name {name} --description Ours --stack dev {config}"


def readme_lines() -> list[str]:
    """The commands of the README's section On AWS, in their order."""
    section = (PROJECT / "README.md").read_text().partition("\n## On AWS\n")[2].partition("\n## ")[0]
    return commands(section)


def commands(text: str) -> list[str]:
    """The lines of a text's code blocks that have no language."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]
