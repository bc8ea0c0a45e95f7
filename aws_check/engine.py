"""The Pulumi command line, in a copy of the project: the copy gets the stacks' files, and not the user's tree."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aws_check.errors import EngineError

PROJECT = Path(__file__).parent.parent
PROGRAM = ("handler", "infra", "model_registry", "model_runtime", "training", "__main__.py", "Pulumi.yaml")
"""What a deployment reads of the project."""
OLDEST = (3, 200)
"""The oldest command line that is taken: as new as the oldest SDK that the project takes."""
PARTS_OF_REPLACEMENT = ("replace", "delete-replaced")
"""Steps beside `create-replacement` of which one replacement consists."""
WITHOUT_SUBSTANCE = ("pulumi:", "sklearn-on-lambda:")
"""Types that are in the stack's state only: the stack, providers, components."""


class Step(NamedTuple):
    """One operation on one resource; of a replacement each part is one."""

    type: str
    """As the engine has it, `aws:lambda/alias:Alias`."""
    name: str
    operation: str

    @property
    def kind(self) -> str:
        """The type without its package, `Alias`."""
        return self.type.rpartition(":")[2]


@dataclass(frozen=True)
class Project:
    """A copy of the project, in which `pulumi` finds everything that it needs."""

    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command and return what it said.

        Ctrl-C lets it finish what it is asking of AWS, so that its state knows all that there is; a second one ends
        it at once.

        Raises:
            EngineError: it failed.

        """
        with subprocess.Popen(  # noqa: S603  # the user's own Pulumi
            ["pulumi", *arguments, "--non-interactive"],  # noqa: S607  # whichever is on PATH
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is ours; it is told in order
        ) as running:
            try:
                said, _ = running.communicate()
            except KeyboardInterrupt:
                _interrupt(running)
                raise
        if running.returncode:
            raise EngineError(said)
        return said


def _interrupt(running: "subprocess.Popen[str]") -> None:
    for told in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(KeyboardInterrupt):
            running.send_signal(told)
            running.communicate()
            return


def copy_project(folder: Path) -> None:
    """Copy to the folder what a deployment reads, beside a link to the running Python's environment."""
    folder.mkdir(parents=True)
    for name in [*PROGRAM, *(path.name for path in PROJECT.glob("Pulumi.*.yaml"))]:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)


def engine_version(pulumi: str) -> tuple[int, int]:
    """Major and minor version of a Pulumi; (0, 0) where it does not say."""
    said = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=False).stdout  # noqa: S603  # as above
    numbers = re.match(r"v?(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def steps_of(log: Path) -> Iterator[Step]:
    """What a command did, from its event log, in the order in which it began."""
    for line in log.read_text().splitlines() if log.exists() else []:
        event: dict[str, Any] = json.loads(line)
        found = event.get("resourcePreEvent", {}).get("metadata")
        if found:
            yield Step(found["type"], found["urn"].rpartition("::")[2], found["op"])
