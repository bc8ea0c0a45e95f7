"""Load a version's estimator into this process, with the own code that it needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_registry.own_code import make_importable, unpack
from model_registry.release import Release
from model_registry.stored_wheels import keep, kept
from model_registry.versions import Versions
from model_runtime.errors import ModelFormatError


def load(versions: Versions, release: Release, *, model_format: str, trusted: Sequence[str], anywhere: bool) -> Any:
    """Load an estimator, its digest checked before; `Registry.load` explains the arguments and what is raised."""
    # Imported here: reading a registry needs none of these.
    from model_registry.publish.environment import differences, mismatch
    from model_runtime.formats import skops as skops_format
    from model_runtime.prediction import unpickle

    if model_format not in {"joblib", "skops"}:
        raise ModelFormatError(
            f"an estimator is loaded from joblib or skops, not from {model_format!r}: name one of these"
        )
    form, what = release.manifest.model_format(model_format), release.manifest.reference
    has_wheels = bool(release.manifest.wheels)
    found = [] if anywhere else differences(form.environment)
    if found:
        raise mismatch(what, form.environment, "; ".join(found), has_wheels=has_wheels)
    data = versions.model_bytes(release, model_format)
    make_importable(own_code(versions, release))
    try:
        if model_format == "skops":
            return skops_format.load(data, trusted, what=f"{form.artifact.file} of {what}")
        return unpickle(data)
    except (ImportError, UserWarning) as error:  # InconsistentVersionWarning is a UserWarning
        raise mismatch(what, form.environment, str(error), has_wheels=has_wheels) from error


def own_code(versions: Versions, release: Release) -> dict[str, Path]:
    """The owner's own code that a version needs, checked and unpacked: files by their names in `code.zip`."""
    code = release.manifest.code
    if code is None or code.artifact is None:
        return {}
    return unpack(versions.file_bytes(release, code.artifact), what=release.manifest.reference)


def wheels(versions: Versions, release: Release) -> tuple[Path, ...]:
    """Packages that a version has itself as no index does, checked, in the cache."""
    return tuple(
        kept(artifact) or keep(versions.file_bytes(release, artifact), artifact.file)
        for artifact in release.manifest.wheels
    )
