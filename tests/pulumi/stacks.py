"""The project under Pulumi's real engine: the command line that people use, with a backend in a folder."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aws_check import engine
from aws_check.engine import Step
from aws_check.errors import EngineError
from local.iris import PROJECT
from local.ministack import LocalAws
from tests.local.stacks import Deployed

PASSPHRASE = "of the tests"  # noqa: S105  # it protects the secrets of a stack that lives for one test run
_TOOLS = {
    "pulumi-language-python": "tests.pulumi.language_host",
    "pulumi-resource-aws": "tests.pulumi.provider",
}


@dataclass(frozen=True)
class Project(engine.Project):
    """A copy of the project, and the AWS that it is deployed to."""

    aws: LocalAws


def make_project(folder: Path, pulumi: Path, aws: LocalAws) -> Project:
    """Copy the project to a folder, with the programs that the engine looks for on PATH."""
    project, tools, home = folder / "project", folder / "tools", folder / "home"
    for one in (tools, home, folder / "state"):
        one.mkdir(parents=True)
    engine.copy_project(project)
    (tools / "pulumi").symlink_to(pulumi)
    for name, module in _TOOLS.items():
        (tools / name).write_text(f'#!/bin/sh\ncd "{PROJECT}" && exec "{sys.executable}" -m {module} "$@"\n')
        (tools / name).chmod(0o755)
    return Project(project, _environment(tools, home, folder / "state") | aws.environment(), aws)


def _environment(tools: Path, home: Path, state: Path) -> dict[str, str]:
    kept = ("HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "SKLEARN_ON_LAMBDA_CACHE")
    return {
        **{name: os.environ[name] for name in os.environ if name in kept or name.startswith(("UV_", "PIP_", "SSL_"))},
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Else there is no --event-log, by which the Automation API, too, learns of events.
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _full(key: str) -> str:
    return f"sklearn-on-lambda:{key}"


@dataclass
class EngineStack(Deployed):
    """A stack under the engine; `actions` has the last operation on each resource of the last command."""

    project: Project = field(kw_only=True)
    steps: list[Step] = field(default_factory=list)
    """What the last command did, in the order in which it began."""
    output: str = ""
    """What the last command said."""

    def init(self) -> "EngineStack":
        """Make the stack with its configuration."""
        self.set(**self.config)
        self.project.pulumi("stack", "init", self.name)
        return self

    def set(self, **config: object) -> None:
        """Set keys in the stack's file, as people do who keep it under version control."""
        settings = self.settings()
        settings["config"] = (settings.get("config") or {}) | {_full(key): value for key, value in config.items()}
        self.file.write_text(yaml.safe_dump(settings))

    def unset(self, *keys: str) -> None:
        """Give keys their defaults again."""
        settings = self.settings()
        settings["config"] = {key: value for key, value in settings["config"].items() if key not in map(_full, keys)}
        self.file.write_text(yaml.safe_dump(settings))

    @property
    def file(self) -> Path:
        """The stack's file."""
        return self.project.folder / f"Pulumi.{self.name}.yaml"

    def settings(self) -> dict[str, Any]:
        """What is in the stack's file."""
        return yaml.safe_load(self.file.read_text()) if self.file.exists() else {}

    def preview(self, *arguments: str, **environment: str) -> "EngineStack":
        """Show what an update would do."""
        self._run("preview", *arguments, **environment)
        return self

    def up(self, **environment: str) -> "EngineStack":
        """Deploy, or deploy again."""
        self._run("up", "--yes", "--skip-preview", **environment)
        self.outputs = json.loads(self.project.pulumi("stack", "output", "--json", "--stack", self.name))
        return self

    def refresh(self, *arguments: str) -> "EngineStack":
        """Compare the state with the cloud."""
        self._run("refresh", "--yes", "--skip-preview", *arguments)
        return self

    def destroy(self, *arguments: str, **environment: str) -> "EngineStack":
        """Destroy everything, without a preview unless asked otherwise."""
        self._run("destroy", "--yes", *(arguments or ["--skip-preview"]), **environment)
        return self

    def export(self) -> dict[str, Any]:
        """The stack's state as the backend keeps it: secrets are encrypted."""
        return dict(json.loads(self.project.pulumi("stack", "export", "--stack", self.name)))

    def _run(self, command: str, *arguments: str, **environment: str) -> None:
        log = self.state / f"{self.name}.events"
        log.unlink(missing_ok=True)
        self.actions.clear()
        self.steps.clear()
        try:
            self.output = self.project.pulumi(
                *(command, *arguments, "--stack", self.name, "--event-log", str(log)), environment=environment
            )
        except EngineError as error:
            self.output = str(error)
            raise
        finally:
            self._read(log)

    def _read(self, log: Path) -> None:
        for step in engine.steps_of(log):
            if step.operation != "same":
                self.steps.append(step)
            if not step.type.startswith(engine.WITHOUT_SUBSTANCE) and step.operation not in engine.PARTS_OF_REPLACEMENT:
                action = "replace" if step.operation == "create-replacement" else step.operation
                self._note(step.type, step.name, action)
