"""The bytes of Pulumi's assets and archives."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pulumi import Archive, Asset, AssetArchive, FileArchive, FileAsset, StringAsset

from local.errors import UnsupportedError

_EPOCH = (1980, 1, 1, 0, 0, 0)


def content(asset: Asset | Archive) -> bytes:
    """Return the bytes of an asset, and those of a zip for an archive that is not a file already.

    Raises:
        UnsupportedError: it is to be fetched from elsewhere.

    """
    if isinstance(asset, StringAsset):
        return asset.text.encode()
    if isinstance(asset, FileAsset) or (isinstance(asset, FileArchive) and Path(asset.path).is_file()):
        return Path(asset.path).read_bytes()
    if isinstance(asset, FileArchive | AssetArchive):
        return _zip(sorted(_members(asset)))
    raise UnsupportedError(f"the local AWS does not fetch a {type(asset).__name__}: give a file or a folder")


def digest(asset: Asset | Archive) -> str:
    """Return the sha256 of its bytes, in hexadecimal digits."""
    return hashlib.sha256(content(asset)).hexdigest()


def _members(archive: Archive | Asset, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    if isinstance(archive, AssetArchive):
        for name, part in archive.assets.items():
            yield from _members(part, f"{prefix}/{name}" if prefix else name)
    elif isinstance(archive, FileArchive) and Path(archive.path).is_dir():
        root = Path(archive.path)
        for path in root.rglob("*"):
            if path.is_file():
                yield f"{prefix}/{path.relative_to(root)}".lstrip("/"), path.read_bytes()
    else:
        yield prefix, content(archive)


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    """Return a zip whose bytes depend on names and contents only: dates would make every deployment a change."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()
