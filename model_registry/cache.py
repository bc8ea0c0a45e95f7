"""Folders that this project keeps between runs, and how several processes share one.

What is kept is named by a digest of all that decides its content, so nothing in it ever goes stale.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CACHE_VARIABLE = "SKLEARN_ON_LAMBDA_CACHE"

KEY_VARIABLE = "SKLEARN_ON_LAMBDA_CACHE_KEY"
_KEY_BYTES = 32  # RFC 2104: as many as the hash function gives

_STALE_SECONDS = 24 * 3600
_BUILDING = "build-"


def cache_folder(kind: str) -> Path:
    """Name the folder of one kind of things, such as `layers`.

    It is below $SKLEARN_ON_LAMBDA_CACHE, else below the user's cache folder (XDG Base Directory Specification).
    """
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own).absolute() / kind
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sklearn-on-lambda" / kind


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hex, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(text: str) -> str:
    """A code over a text that only this user makes: whoever can write to a cache cannot vouch for what is in it.

    The key is in $SKLEARN_ON_LAMBDA_CACHE_KEY, else in the user's configuration folder, where it is made at first use.
    Without either that can be kept, nothing that another process wrote is vouched for.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode() or _kept_key()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _kept_key() -> bytes:
    base = os.environ.get("XDG_CONFIG_HOME")
    path = (Path(base) if base else Path.home() / ".config") / "sklearn-on-lambda" / "cache.key"
    with contextlib.suppress(OSError):
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    key = secrets.token_bytes(_KEY_BYTES)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # for its owner alone
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        Path(temporary).replace(path)  # of two processes at once the last wins: what the other sealed is built again
    return key


@contextlib.contextmanager
def workspace(cache: Path) -> Iterator[Path]:
    """Give an empty folder on the cache's file system and remove it, whatever happens."""
    cache.mkdir(parents=True, exist_ok=True)
    _remove_stale(cache)
    work = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=cache))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_stale(cache: Path) -> None:
    """Remove the workspaces of processes that were killed: old enough that none of them can be running."""
    for folder in cache.glob(f"{_BUILDING}*"):
        try:
            old = time.time() - folder.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:  # another process has just finished
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
