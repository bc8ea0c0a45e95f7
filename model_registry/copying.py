"""Copy a version to another registry: the same number, bytes, digests and signing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from model_registry.reference import VersionRef
from model_registry.release import Release
from model_registry.versions import Versions, files_of
from model_runtime.errors import ConflictError
from model_runtime.signing import SIGNING_FILE
from model_runtime.storage import Content


def copy(release: Release, source: Versions, target: Versions, *, place: str) -> None:
    """Copy a version; nothing is done where it is there already.

    Args:
        release: The version, as it was read from `source`.
        source: Where its files are.
        target: Where they are written; the manifest comes last.
        place: What `target` is called in the error.

    Raises:
        ConflictError: The number is taken there by other bytes.

    """
    ref = VersionRef(release.manifest.name, release.manifest.version)
    there = target.manifest_bytes(ref)
    if there is None:
        target.require_free(ref)
        try:
            with TemporaryDirectory(prefix="sklearn-on-lambda-copy-") as folder:
                target.put(ref, _files(release, source, Path(folder)), release.manifest_bytes)
        except ConflictError:
            there = target.manifest_bytes(ref)
            if there is None:
                raise
    if there not in {None, release.manifest_bytes}:
        raise ConflictError(f"{ref} is another model in {place}: publish there under another name")


def _files(release: Release, versions: Versions, folder: Path) -> Iterator[tuple[str, Content]]:
    """A version's files one by one, so that the disk holds one of them: the model first, the signing last."""
    for artifact in files_of(release.manifest):
        path = folder / artifact.file
        versions.save(release, artifact, path)
        yield artifact.file, path
        path.unlink()
    signature = versions.signing_bytes(VersionRef(release.manifest.name, release.manifest.version))
    if signature is not None:
        yield SIGNING_FILE, signature
