"""Python environments for programs that the tests run, made once and kept in `.local`."""

import hashlib
from pathlib import Path

from model_registry import uv
from model_registry.environments import RUNNING, kept_environment

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def python_of(requirements: Path) -> Path:
    """The interpreter of an environment of these requirements."""
    digest = hashlib.sha256(requirements.read_bytes() + RUNNING.encode()).hexdigest()

    def fill(python: Path) -> None:
        outcome = uv.run(["pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)])
        assert outcome.ok, outcome.tail

    return kept_environment(PROJECT / ".local" / f"{requirements.stem}-{digest[:12]}", RUNNING, fill)
