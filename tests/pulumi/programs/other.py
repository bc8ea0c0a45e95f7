"""A program that is not this project's: a folder of its own, under the same engine and AWS."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_check import engine
from local.iris import PROJECT, Answer, call
from tests.pulumi.stacks import Project

STACK = "dev"


@dataclass
class OtherProgram:
    """A team's program, whose folder the test fills; its language's host is on PATH."""

    folder: Path
    project: Project
    host: Path | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        tools = self.folder.parent / "tools"
        tools.mkdir()
        if self.host:
            (tools / self.host.name).symlink_to(self.host)
        path = f"{tools}{os.pathsep}{self.project.environment['PATH']}"
        # The component's packages, which the real Python host would have installed for it.
        mine = {"PATH": path, "PYTHONPATH": str(PROJECT), **self.environment}
        self._engine = engine.Project(self.folder, {**self.project.environment, **mine})

    @property
    def shell(self) -> dict[str, str]:
        """The environment of a shell in which `pulumi` works."""
        return self._engine.environment

    def pulumi(self, *arguments: str) -> str:
        """Run a command in the folder."""
        return self._engine.pulumi(*arguments)

    def up(self) -> str:
        """Deploy the stack, made at the first time; gives what was said."""
        self.pulumi("stack", "select", "--create", STACK)
        said = self.pulumi("up", "--yes", "--skip-preview")
        self.outputs = json.loads(self.pulumi("stack", "output", "--json"))
        return said

    def post(self, body: object) -> Answer:
        """Ask the model, at the output `url`."""
        return call(self.outputs["url"], body)

    def destroy(self) -> None:
        """Destroy the stack's resources."""
        self.pulumi("destroy", "--yes", "--skip-preview")
        shutil.rmtree(self.folder)

    @staticmethod
    def changes(said: str) -> set[str]:
        """What was done to resources, in the words of the summary: `created`, `updated`, `unchanged`."""
        summary = said.partition("Resources:")[2].partition("Duration:")[0]
        return set(re.findall(r"\d+ (\w+)", summary))
