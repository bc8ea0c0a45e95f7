"""The owner's own code as a version has it: `code.zip`, unpacked where a deployment or a process can use it."""

import io
import os
import sys
import zipfile
from pathlib import Path, PurePosixPath

from model_registry.cache import cache_folder, workspace
from model_runtime.errors import IntegrityError
from model_runtime.manifest import digest


def unpack(data: bytes, *, what: str, cache: Path | None = None) -> dict[str, Path]:
    """Unpack the bytes of a `code.zip`, whose digest the caller has checked, and return its files by their names.

    They are kept in a folder named by the digest. IntegrityError, which says of `what`, where the bytes are not a zip
    or a name in it leads out of the folder.
    """
    folder = (cache or cache_folder("code")).absolute() / digest(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = sorted(archive.namelist())
            if not all(map(_is_inside, names)):
                raise IntegrityError(f"the own code of {what} has a file outside its folder: do not use this version")
            if not folder.is_dir():
                _extract(archive, folder)
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"the own code of {what} is not a zip ({error}): publish the model again") from error
    return {name: folder / name for name in names}


def make_importable(files: dict[str, Path]) -> None:
    """Put unpacked own code on this process's path, behind everything that is there already."""
    for name, path in files.items():
        folder = str(path.parents[len(PurePosixPath(name).parts) - 1])
        if folder not in sys.path:
            sys.path.append(folder)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    with workspace(folder.parent) as work:
        archive.extractall(work / "code")  # every name was checked
        try:
            os.replace(work / "code", folder)  # noqa: PTH105  # as a rename of a whole folder
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same bytes
                raise
