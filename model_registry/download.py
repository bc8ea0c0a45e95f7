"""Files that appear in a folder all at once, whole, or not at all."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from model_runtime.errors import FileError


class Download:
    """Writes files beside their place, and renames them when the block ends well.

    FileError where a name is taken and `force` is not set, or the folder cannot be written to. A link that has the name
    is replaced itself; what it points at stays.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, force: bool) -> None:
        self._folder = folder
        self._written: dict[str, Path] = {}
        self._made = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        taken = [] if force else [name for name in names if os.path.lexists(folder / name)]
        if taken:
            raise FileError(
                f"{folder / taken[0]} exists already, nothing was written: give another folder, or --force"
                + (f" ({len(taken)} files exist)" if len(taken) > 1 else "")
            )

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file, not yet under its name."""
        try:
            descriptor, path = tempfile.mkstemp(dir=self._folder, prefix=f".{name}.")
            self._written[name] = Path(path)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
            self._written[name].chmod(0o666 & ~_umask())  # what a file that is simply written would have
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for name, path in self._written.items():
                    path.replace(self._folder / name)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            for path in self._written.values():
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            if kind is not None and self._made:
                with suppress(OSError):  # it has something by now
                    self._folder.rmdir()

    def _failed(self, error: OSError) -> FileError:
        return FileError(f"cannot write to {self._folder} ({error.strerror}): give another folder")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
