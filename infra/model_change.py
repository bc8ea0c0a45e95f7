"""What a deployment changes about the model, as `pulumi preview` and `pulumi up` print it. Pure: no Pulumi."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from model_registry.comparison import Comparison, SignatureChange, compare
from model_registry.printable import figure, figures, in_preview
from model_registry.release import Release
from model_registry.stored_wheels import distribution_of
from model_runtime.manifest import Environment, Manifest

_MOST_PACKAGES = 3  # named in the line; the layer's own report has all
_FIRST = "scikit-learn"
_DIGITS = 12  # of a digest


@dataclass(frozen=True)
class Deployed:
    """The version that the stack's last successful update deployed, and by which format, as its outputs say.

    `manifest_sha256` is None where a release of this project deployed it that had no such output.
    """

    name: str
    version: int
    manifest_sha256: str | None
    model_format: str = "joblib"

    @property
    def reference(self) -> str:
        """The version's address, `NAME/VERSION`."""
        return f"{self.name}/{self.version}"

    def is_version_of(self, release: Release) -> bool:
        """Whether a release is this version, byte for byte."""
        same = (self.name, self.version) == (release.manifest.name, release.manifest.version)
        return same and self.manifest_sha256 in (None, release.manifest_sha256)


@dataclass(frozen=True)
class ModelChange:
    """What is printed, and `breaking`: what callers of the deployed version would notice, a sentence each."""

    text: str
    breaking: tuple[str, ...] = ()


def deployed_version(outputs: Mapping[str, Any]) -> Deployed | None:
    """Read the stack's outputs; None where it has deployed no model yet."""
    name, version = outputs.get("modelName"), outputs.get("modelVersion")
    if name is None or version is None:
        return None
    # Numbers arrive as floats. A release of this project that had no such output served by the default format.
    model_format = outputs.get("modelFormat", Deployed.model_format)
    return Deployed(str(name), int(version), outputs.get("modelManifestSha256"), model_format)


def model_change(
    tag: str, new: Release, model_format: str, deployed: Deployed | None, old: Manifest | None
) -> ModelChange:
    """Compare the version that the tag names, which has the format, with the deployed one.

    `old` is the manifest of the deployed version, None where it is not known.

    A stack that is given another model gets another API with another URL, so its callers are gone in any case and
    nothing counts as breaking.
    """
    manifest = new.manifest
    address = f"{manifest.name}@{tag}"
    if deployed is None or deployed.name != manifest.name:
        replaced = [f"replaces {deployed.reference} (the API's URL changes)"] if deployed else []
        return ModelChange(_line(address, "new", f"version {manifest.version}", *_metrics_of(manifest), *replaced))
    if deployed.is_version_of(new):
        same = deployed.model_format == model_format
        serving = ["unchanged"] if same else _serving(manifest, deployed.model_format, manifest, model_format)
        return ModelChange(_line(address, f"{manifest.version}", *serving))
    versions = f"{deployed.version} -> {manifest.version}"
    if old is None:
        return ModelChange(_line(address, versions, *_metrics_of(manifest), "not compared"))
    comparison = compare(old, manifest)
    line = _line(
        address,
        versions,
        *_metrics(comparison),
        *_estimator(comparison),
        "signature changed" if comparison.signature else "signature unchanged",
        *_serving(old, deployed.model_format, manifest, model_format),
    )
    changes = [_sentence(change) for change in comparison.signature]
    breaking = tuple(in_preview(change.sentence) for change in comparison.signature if change.is_breaking)
    return ModelChange("\n".join([line, *changes]), breaking)


def _line(address: str, *parts: str) -> str:
    return in_preview(f"{address}: {', '.join(parts)}")


def _sentence(change: SignatureChange) -> str:
    return in_preview(f"  {'breaking' if change.is_breaking else 'compatible'}: {change.sentence}")


def _metrics_of(manifest: Manifest) -> Iterator[str]:
    return (f"{name} {figure(value)}" for name, value in sorted(manifest.metrics.items()))


def _metrics(comparison: Comparison) -> Iterator[str]:
    if not comparison.metrics:
        yield "metrics unchanged"
    for name, (before, after) in comparison.metrics.items():
        told, now = figures(before, after)
        yield f"{name} {told or 'none'} -> {now or 'none'}"


def _estimator(comparison: Comparison) -> Iterator[str]:
    if comparison.estimator:
        before, after = (name.rpartition(".")[2] for name in comparison.estimator)
        yield f"{before} -> {after}"


def _serving(old: Manifest, old_format: str, new: Manifest, new_format: str) -> Iterator[str]:
    if old_format != new_format:
        yield f"format {old_format} -> {new_format}"
    yield _packages(_environment(old, old_format), _environment(new, new_format))


def _environment(manifest: Manifest, model_format: str) -> Environment:
    """A format's environment, with the digest of what is stored as a wheel: one version may have several builds."""
    environment = manifest.model_format(model_format).environment
    packages = dict(environment.packages)
    for wheel in manifest.wheels:
        name = distribution_of(wheel.file)
        if name in packages:
            packages[name] += f" ({wheel.sha256[:_DIGITS]})"
    return msgspec.structs.replace(environment, packages=packages)


def _packages(old: Environment, new: Environment) -> str:
    """Every package of a format's environment goes into the layer, whose bytecode is one of the Python version."""
    before, after = old.packages, new.packages
    names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    names.sort(key=lambda name: name != _FIRST)
    parts = [f"Python {old.python} -> {new.python}"] if old.python != new.python else []
    parts += [f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}" for name in names[:_MOST_PACKAGES]]
    if len(names) > _MOST_PACKAGES:
        parts.append(f"{len(names) - _MOST_PACKAGES} more")
    return f"{', '.join(parts)} (layer changes)" if parts else "packages unchanged"
