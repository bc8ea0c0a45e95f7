"""What a stack has on the local AWS, in one JSON file that is replaced after every resource."""

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.ministack import LocalAws


@dataclass(frozen=True)
class Deployed:
    """A resource that exists."""

    type: str
    id: str
    inputs: dict[str, str]
    """Digests of the inputs (local.resources.changes)."""
    outputs: dict[str, Any]
    """The outputs beyond the inputs."""


class StackState:
    """The resources of a stack by URN, kept in a file. Not safe for threads: the caller orders the writes."""

    def __init__(self, file: Path, aws: LocalAws) -> None:
        """Read the file; what another MiniStack had ended with it, so it does not count."""
        self._file = file
        self._aws = {"url": aws.url, "pid": aws.pid, "started": aws.started}
        self.salt = secrets.token_hex(8)
        """Tells the names of this stack's resources from those of another stack of the same name."""
        self.resources: dict[str, Deployed] = {}
        self.outputs: dict[str, Any] = {}
        """The outputs of the last deployment that succeeded."""
        self.components: dict[str, dict[str, Any]] = {}
        """Those of its components, by URN."""
        if file.exists():
            stored = json.loads(file.read_text())
            if stored["aws"] == self._aws:
                self.salt = stored["salt"]
                self.resources = {urn: Deployed(**resource) for urn, resource in stored["resources"].items()}
                self.outputs = stored.get("outputs", {})  # an earlier release wrote none
                self.components = stored.get("components", {})  # as before

    def put(self, urn: str, resource: Deployed) -> None:
        """Record a resource: the file is complete at all times, and only its owner can read it."""
        self.resources[urn] = resource
        self._write()

    def put_outputs(self, outputs: dict[str, Any], components: dict[str, dict[str, Any]]) -> None:
        """Record the outputs of a deployment that succeeded, and of its components; secrets are already hidden."""
        if (outputs, components) != (self.outputs, self.components):
            self.outputs, self.components = outputs, components
            self._write()

    def _write(self) -> None:
        resources = {urn: asdict(one) for urn, one in self.resources.items()}
        stored = {"aws": self._aws, "salt": self.salt, "resources": resources, "outputs": self.outputs}
        stored["components"] = self.components
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle, writing = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(stored, file, indent=1, sort_keys=True)
            Path(writing).replace(self._file)
        except BaseException:
            Path(writing).unlink(missing_ok=True)
            raise
