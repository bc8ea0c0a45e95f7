"""Wheels that a version stores because no index has them: kept by their digest, chosen for an environment."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from model_registry.cache import cache_folder, workspace
from model_runtime.errors import EnvironmentBuildError
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
    """The normalised name of the distribution that a wheel has; EnvironmentBuildError as for `package_of`."""
    return package_of(file)[0]


def package_of(file: str) -> tuple[str, Version]:
    """The normalised name and the version of what a wheel has; EnvironmentBuildError where no wheel is named so."""
    try:
        name, version, *_ = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        raise EnvironmentBuildError(f"{file} is not a wheel ({error}): name a .whl file") from error
    return name, version


def _place(file: str, sha256: str, cache: Path | None) -> Path:
    return (cache or cache_folder("wheels")).absolute() / sha256 / file
