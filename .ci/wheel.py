"""Put the packages below one of ours in the wheel: `model_registry` is `sklearn_on_lambda.model_registry` there.

Kubeflow's client is on PyPI as `model-registry` and has the import `model_registry`, and people have folders `infra`
and `handler` of their own (docs/decisions/0019). Hatch runs this when it builds a wheel. It changes what imports and
names our modules, and nothing else; what Lambda gets is in `sklearn_on_lambda/function`, as it is in the repository.
"""

import ast
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "sklearn_on_lambda"
BELOW = ("infra", "model_registry", "model_runtime")
FUNCTION = ("handler", "model_runtime")
COMMAND, INSTALLED_COMMAND = "python -m model_registry", "sklearn-on-lambda"

_OURS = re.compile(rf"(?:{'|'.join(BELOW)})(?:\.\w+)*")
_DOTTED = re.compile(rf"(?:{'|'.join(BELOW)})(?:\.\w+)+")


class WheelBuilder(BuildHookInterface[Any]):
    """Adds the packages to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write what goes into the wheel to a folder that `finalize` removes; an editable one is the repository."""
        self._folder = Path(tempfile.mkdtemp())
        if version == "editable":
            return
        root = Path(self.root)
        for file in (root / PACKAGE).rglob("*"):
            self._add(file, root, "", build_data)
        for package in BELOW:
            for file in (root / package).rglob("*"):
                self._add(file, root, PACKAGE, build_data)
        for package in FUNCTION:
            for file in (root / package).rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    name = file.relative_to(root).as_posix()
                    build_data["force_include"][str(file)] = f"{PACKAGE}/function/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  # hatch's
        """Remove the folder."""
        shutil.rmtree(self._folder)

    def _add(self, file: Path, root: Path, below: str, build_data: dict[str, Any]) -> None:
        if not file.is_file() or "__pycache__" in file.parts:
            return
        name = Path(below, file.relative_to(root)).as_posix()
        if file.suffix != ".py":
            build_data["force_include"][str(file)] = name
            return
        written = self._folder / name
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(relocated(file.read_text(encoding="utf-8")), encoding="utf-8")
        build_data["force_include"][str(written)] = name


def relocated(source: str) -> str:
    """The source of a module whose imports of ours are below our package.

    Changed are absolute imports, strings that are the dotted name of one of our modules, and the command in messages.

    Raises:
        ValueError: `import model_registry.x` binds `model_registry`, which cannot be kept.

    """
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    changes: list[tuple[int, int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and _OURS.fullmatch(node.module or ""):
            changes.append((node.lineno, node.col_offset + len("from "), f"{PACKAGE}."))
        elif isinstance(node, ast.Import) and (found := [one for one in node.names if _OURS.fullmatch(one.name)]):
            if len(node.names) > 1 or "." in found[0].name:
                raise ValueError(f"line {node.lineno}: import one module, or names of it")
            changes.append((node.lineno, node.col_offset, f"from {PACKAGE} "))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            changes.append((node.lineno, node.col_offset + len('"'), f"{PACKAGE}."))
    for line, column, text in sorted(changes, reverse=True):
        before = lines[line - 1]
        lines[line - 1] = before[:column] + text.encode() + before[column:]
    return b"".join(lines).decode().replace(COMMAND, INSTALLED_COMMAND)
