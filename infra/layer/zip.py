"""A zip whose bytes depend only on the names and contents of its files.

Names are sorted, dates are 1980-01-01 (the format's first), modes follow from the name, there are no extra fields and
no folder entries. One thing is left: deflate's output is a choice of the zlib build. The common zlib gives the same
bytes everywhere, zlib-ng (Python for Windows since 3.14, some Linux distributions) gives others of nearly the same
length. Layers made with different builds are compared by `content_digest`.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE = 0o100000
_LEVEL = 6  # level 9 saves under 1 % and takes three times as long


def write_zip(target: Path, files: Mapping[str, Path]) -> str:
    """Write `files` (name in the archive -> file on disk) to `target` and return `content_digest` of them.

    Each file is read once and held in memory while it is compressed.
    """
    listing = hashlib.sha256()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            data = files[name].read_bytes()
            listing.update(_line(name, data))
            archive.writestr(_entry(name), data, zipfile.ZIP_DEFLATED, _LEVEL)
    return listing.hexdigest()


def content_digest(archive: Path) -> str:
    """Hash an archive's names and contents, independent of how they are compressed."""
    listing = hashlib.sha256()
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            listing.update(_line(name, opened.read(name)))
    return listing.hexdigest()


def _line(name: str, data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = _UNIX
    shared_object = name.endswith(".so") or ".so." in name.rsplit("/", 1)[-1]
    entry.external_attr = (_REGULAR_FILE | (0o755 if shared_object else 0o644)) << 16
    return entry
