"""Where uv may look for Python interpreters."""

import os
from collections.abc import Mapping
from pathlib import Path


def search_path(variables: Mapping[str, str] | None = None) -> str:
    """PATH, with the interpreters that pyenv has installed in front, the newest first.

    pyenv puts one program for all its versions on PATH. It refuses the versions that are not active, and uv
    stops at the first program that refuses.
    """
    variables = os.environ if variables is None else variables
    root = Path(variables.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted(root.glob("versions/3.*/bin"), key=_version, reverse=True)
    return os.pathsep.join([*map(str, folders), variables.get("PATH", os.defpath)])


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())
