"""Zips whose bytes depend on nothing but the names and contents of their files."""

import io
import zipfile
from collections.abc import Mapping

_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can have


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """The bytes of a zip with these files, in the order of their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED, 6)
    return buffer.getvalue()
