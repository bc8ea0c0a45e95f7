"""The project under Pulumi's real engine: the command line that people use, with a backend in a folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local.iris import PROJECT
from local.ministack import LocalAws
from tests.local.stacks import Deployed

PROGRAM = ("handler", "infra", "model_registry", "model_runtime", "training", "__main__.py", "Pulumi.yaml")
PASSPHRASE = "of the tests"  # noqa: S105  # it protects the secrets of a stack that lives for one test run
_TOOLS = {
    "pulumi-language-python": "tests.pulumi.language_host",
    "pulumi-resource-aws": "tests.pulumi.provider",
}

_WITHOUT_SUBSTANCE = ("pulumi:", "sklearn-on-lambda:")
"""Types that are in the stack's state only: the stack, providers, components."""
_PARTS_OF_REPLACEMENT = ("replace", "delete-replaced")
"""Steps beside `create-replacement` of which one replacement consists."""


class EngineError(Exception):
    """A command of `pulumi` failed; the message is what it said."""


@dataclass(frozen=True)
class Project:
    """A copy of the project, in which `pulumi` finds everything that it needs."""

    folder: Path
    aws: LocalAws
    environment: dict[str, str]

    def pulumi(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command and return what it said; EngineError if it failed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EngineError(done.stdout)
        return done.stdout


def make_project(folder: Path, engine: Path, aws: LocalAws) -> Project:
    """Copy the project to a folder, with the programs that the engine looks for on PATH."""
    project, tools, home = folder / "project", folder / "tools", folder / "home"
    for one in (project, tools, home, folder / "state"):
        one.mkdir(parents=True)
    for name in [*PROGRAM, *(path.name for path in PROJECT.glob("Pulumi.*.yaml"))]:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    (project / ".venv").symlink_to(sys.prefix)
    (tools / "pulumi").symlink_to(engine)
    for name, module in _TOOLS.items():
        (tools / name).write_text(f'#!/bin/sh\ncd "{PROJECT}" && exec "{sys.executable}" -m {module} "$@"\n')
        (tools / name).chmod(0o755)
    return Project(project, aws, _environment(tools, home, folder / "state") | aws.environment())


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


class Step(NamedTuple):
    """One operation on one resource; of a replacement each part is one."""

    kind: str
    name: str
    operation: str


@dataclass
class EngineStack(Deployed):
    """A stack under the engine; `actions` has the last operation on each resource of the last command."""

    project: Project = field(kw_only=True)
    steps: list["Step"] = field(default_factory=list)
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

    def preview(self, *arguments: str) -> "EngineStack":
        """Show what an update would do."""
        self._run("preview", *arguments)
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

    def destroy(self, *arguments: str) -> "EngineStack":
        """Destroy everything, without a preview unless asked otherwise."""
        self._run("destroy", "--yes", *(arguments or ["--skip-preview"]))
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
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        for event in events:
            step = event.get("resourcePreEvent", {}).get("metadata")
            if step and step["op"] != "same":
                self.steps.append(Step(step["type"].rpartition(":")[2], step["urn"].rpartition("::")[2], step["op"]))
            if step and not step["type"].startswith(_WITHOUT_SUBSTANCE) and step["op"] not in _PARTS_OF_REPLACEMENT:
                action = "replace" if step["op"] == "create-replacement" else step["op"]
                self._note(step["type"], step["urn"].rpartition("::")[2], action)
