"""Wheels that a version stores because no index has them: kept by their digest, chosen for an environment."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from model_registry.cache import cache_folder, workspace
from model_runtime.errors import IntegrityError
from model_runtime.manifest import Artifact, digest


def keep(data: bytes, file: str, *, cache: Path | None = None) -> Path:
    """Write a wheel into the cache, in a folder named by its digest, and return where it is."""
    path = _place(file, digest(data), cache)
    with workspace(path.parent.parent) as work:
        (work / file).write_bytes(data)
        path.parent.mkdir(exist_ok=True)
        (work / file).replace(path)
    return path


def kept(artifact: Artifact, *, cache: Path | None = None) -> Path | None:
    """Where the cache has a wheel; None where it does not, or other bytes are there."""
    path = _place(artifact.file, artifact.sha256, cache)
    try:
        return path if digest(path.read_bytes()) == artifact.sha256 else None
    except OSError:
        return None


def chosen(wheels: Iterable[Path], packages: Mapping[str, str]) -> tuple[Path, ...]:
    """The wheels of these packages: a converted form of a model does without those of the model itself."""
    names = {canonicalize_name(name) for name in packages}
    return tuple(path for path in wheels if distribution_of(path.name) in names)


def distribution_of(file: str) -> str:
    """The normalised name of the distribution that a wheel has; IntegrityError where the file is not named so."""
    try:
        return parse_wheel_filename(file)[0]
    except InvalidWheelFilename as error:
        raise IntegrityError(f"{file!r} is not a wheel's name ({error}): publish the model again") from error


def _place(file: str, sha256: str, cache: Path | None) -> Path:
    return (cache or cache_folder("wheels")).absolute() / sha256 / file
