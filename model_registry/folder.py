"""A registry in a folder: for trying things out and for tests, with the same verbs as one in a bucket.

Every write happens under one lock of the folder, and a file appears whole or not at all. So the conditions of writes
hold among all processes of a machine; a folder that several machines share is not meant.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from obstore.store import MemoryStore

from model_runtime.aws import names_folder
from model_runtime.errors import ConflictError, CredentialsError, InvalidNameError, StorageError
from model_runtime.storage import Content, Storage, Stored, require_record_size
from model_runtime.storage_errors import or_folder

_OWN = ".registry"
"""Folder of the lock and of writers' tokens; no key begins so."""
_CHUNK = 8 << 20


def folder_of(text: str) -> Path | None:
    """The folder that `file:///PATH`, `./PATH` or any text with a slash in it names; None where it names a bucket."""
    if not names_folder(text):
        return None
    place, question, _ = text.rpartition("?owner=")
    if question:
        raise InvalidNameError(f"{place} is a folder, and `?owner=` is for buckets: write {place}")
    if text.startswith("file://"):
        path = text.removeprefix("file://")
        if not path.startswith("/"):
            raise InvalidNameError(f"{text!r} is not an absolute file URL: write file:///PATH, or ./PATH")
        return Path(path)
    return Path(text)


def open_storage(place: str, *, profile: str | None = None, region: str | None = None) -> Storage:
    """Open a registry: a bucket (`s3://NAME`) as `Storage.open` does, or a folder (`./PATH`, `file:///PATH`)."""
    folder = folder_of(place)
    if folder is not None:
        return FolderStorage(folder)
    try:
        return Storage.open(place, profile=profile, region=region)
    except CredentialsError as error:
        raise CredentialsError(f"{error}{or_folder(place)}") from error


class FolderStorage(Storage):
    """A folder of immutable files and of files replaced by compare-and-swap."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made by the first write."""
        # The store is never used: every method that would is here.
        super().__init__(MemoryStore(), f"file://{folder.resolve()}")
        self._folder = folder.resolve()

    def read(self, key: str) -> Stored | None:
        """Return the object, or None where there is none."""
        with self._failing(f"read {key}"):
            try:
                require_record_size(key, self._path(key).stat().st_size)
                data = self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            return Stored(data, _etag(data))

    def chunks(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes piece by piece; None where there is none."""
        path = self._path(key)
        return self._streamed_file(key, path) if path.is_file() else None

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        """Write an object that must not exist yet; ConflictError where it does, unless with this token."""
        path, noted = self._path(key), self._folder / _OWN / "tokens" / key
        with self._failing(f"write {key}"), self._locked():
            if path.exists():
                if token and noted.is_file() and noted.read_text(encoding="utf-8") == token:
                    return
                raise ConflictError(f"{self.location}/{key} exists already, nothing was written")
            if token:
                self._put(noted, token.encode())
            else:
                noted.unlink(missing_ok=True)
            self._put(path, data, key)

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        """Write over the object that has this ETag; ConflictError where it is another by now."""
        with self._failing(f"write {key}"), self._locked():
            there = self.read(key)
            if there is None or there.etag != etag:
                raise ConflictError(f"{self.location}/{key} was changed by another writer, nothing was written")
            self._put(self._path(key), data)

    def overwrite(self, key: str, data: bytes) -> None:
        """Write an object whatever there is."""
        with self._failing(f"write {key}"), self._locked():
            self._put(self._path(key), data)

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is deleted already."""
        with self._failing(f"delete {key}"), self._locked():
            path = self._path(key)
            path.unlink(missing_ok=True)
            (self._folder / _OWN / "tokens" / key).unlink(missing_ok=True)
            with suppress(OSError):  # as a bucket has no empty folders; one that is not empty stays
                while path.parent != self._folder:
                    path = path.parent
                    path.rmdir()

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every key below a prefix with the time of its last change, in the order of the keys."""
        with self._failing(f"list {prefix}"):
            top = self._folder / prefix
            found = []
            for folder, names, files in os.walk(top):
                names[:] = [name for name in names if name != _OWN]
                for file in files:
                    path = Path(folder) / file
                    with suppress(FileNotFoundError):  # deleted since it was listed
                        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                        found.append((path.relative_to(self._folder).as_posix(), changed))
        yield from sorted(one for one in found if not one[0].rpartition("/")[2].startswith(_TEMPORARY))

    def folders(self, prefix: str) -> list[str]:
        """The names directly below a prefix that have keys below them, sorted as text."""
        return sorted({rest.partition("/")[0] for key in self.keys(prefix) if "/" in (rest := key[len(prefix) :])})

    def now(self) -> datetime:
        """The time by the clock that stamps the files."""
        return datetime.fromtimestamp(time.time(), UTC)

    def require_conditional_writes(self) -> None:
        """They hold by the lock."""

    def _path(self, key: str) -> Path:
        return self._folder / key

    def _put(self, path: Path, data: Content, key: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in [data] if isinstance(data, bytes) else self._read_file(key, data):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)

    def _streamed_file(self, key: str, path: Path) -> Iterator[bytes]:
        with self._failing(f"read {key}"):
            yield from self._read_file(key, path)

    def _read_file(self, key: str, path: Path) -> Iterator[bytes]:
        size = path.stat().st_size
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.watcher(key, file.tell(), size)
                yield chunk

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # here: Windows has none, and reading works there without

        own = self._folder / _OWN
        own.mkdir(parents=True, exist_ok=True)
        with (own / "lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released with the file, also where the process is killed
            yield

    @contextmanager
    def _failing(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self.location}: cannot {action} ({error.strerror}): give another folder, or the right to it"
            ) from error


_TEMPORARY = ".writing-"


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
