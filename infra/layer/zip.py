"""A zip whose bytes depend only on the names and contents of its files.

Names are sorted, dates are 1980-01-01 (the format's first), modes follow from the name, there are no extra fields and
no folder entries. One thing is left: what deflate writes depends on the zlib build. The common zlib gives the same
bytes everywhere; zlib-ng (Python for Windows since 3.14, some Linux distributions) gives others of nearly the same
length.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE = 0o100000
_LEVEL = 6  # level 9 saves under 1 % and takes three times as long


def write_zip(target: Path, files: Mapping[str, Path], written: Callable[[int], None] = lambda _done: None) -> None:
    """Write `files` (name in the archive -> file on disk) to `target`.

    Each file is read once and held in memory while it is compressed. `written` is told, after each, how many bytes of
    all of them are in the archive.
    """
    done = 0
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            content = files[name].read_bytes()
            archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED, _LEVEL)
            done += len(content)
            written(done)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = _UNIX
    shared_object = name.endswith(".so") or ".so." in name.rsplit("/", 1)[-1]
    entry.external_attr = (_REGULAR_FILE | (0o755 if shared_object else 0o644)) << 16
    return entry
