"""What a build that verifies a version consists of: its files, and the commands that it runs. Pure: no Pulumi."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_registry import shipping, verifier

REQUIREMENTS = Path(__file__).with_name("verifier.txt")
"""The packages of the verifier itself, with digests: `make lock` writes it from verifier.in."""
PYTHON = "3.12"
"""Runs the verifier, and CodeBuild's image has it; a model has its own."""
_ENVIRONMENT = ".verifier"


def code_files() -> dict[str, Path]:
    """The files by their path inside the zip: registry, runtime, the pins of what a layer has besides, and the lock.

    A wheel has all of it below one package, in which the function's own code is apart (docs/decisions/0019).
    """
    own, depth = Path(verifier.__file__), verifier.__name__.count(".")
    root, package = own.parents[depth], own.parents[1]
    folders = {own.parent, package / shipping.RUNTIME.name, shipping.RUNTIME}
    files = {path for folder in folders for path in folder.rglob("*.py")}
    files |= {*(shipping.RUNTIME.parent / "handler").glob("*.txt"), *package.glob("__init__.py")}
    return {path.relative_to(root).as_posix(): path for path in sorted(files)} | {REQUIREMENTS.name: REQUIREMENTS}


def digest_of(files: Mapping[str, Path]) -> str:
    """SHA-256 in hex of the files' names and contents."""
    whole = hashlib.sha256()
    for name, path in sorted(files.items()):
        data = path.read_bytes()
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()


def commands() -> dict[str, list[str]]:
    """The commands of each phase, run in the folder of the files. No word of them comes from a caller."""
    python = f"{_ENVIRONMENT}/bin/python"
    pip = "pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes"
    return {
        "install": [f"python -m venv {_ENVIRONMENT}", f"{python} -m {pip} -r {REQUIREMENTS.name}"],
        "build": [f"{python} -m {verifier.__name__}"],
    }


def buildspec() -> str:
    """The build's description, as JSON, which is YAML.

    Source: CodeBuild User Guide, "Build specification reference for CodeBuild".
    """
    phases: dict[str, dict[str, Any]] = {name: {"commands": lines} for name, lines in commands().items()}
    phases["install"]["runtime-versions"] = {"python": PYTHON}
    return json.dumps({"version": 0.2, "env": {"shell": "bash"}, "phases": phases}, sort_keys=True)
