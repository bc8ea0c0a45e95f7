"""A version as the registry holds it."""

from dataclasses import dataclass

from model_registry.notebook import table
from model_registry.printable import figure
from model_runtime.manifest import Manifest, digest


@dataclass(frozen=True, repr=False)
class Release:
    """A manifest, and the bytes that it was read from."""

    manifest: Manifest
    manifest_bytes: bytes

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 in hex of the manifest as stored: whoever pins it pins the model too."""
        return digest(self.manifest_bytes)

    def __repr__(self) -> str:
        """One line, since a manifest has pages."""
        metrics = "".join(f", {name} {figure(value)}" for name, value in self.manifest.metrics.items())
        return f"<Release {self.manifest.reference}: {self.manifest.estimator}{metrics}>"

    def _repr_html_(self) -> str:
        manifest = self.manifest
        rows = {
            "estimator": manifest.estimator,
            "description": manifest.description,
            "published": f"{manifest.created_at:%Y-%m-%d %H:%M} by {manifest.created_by}",
            "metrics": ", ".join(f"{name} {figure(value)}" for name, value in manifest.metrics.items()),
            "features": ", ".join(f"{feature.name}: {feature.type}" for feature in manifest.signature.features),
            "labels": ", ".join(map(str, manifest.signature.labels or ())),
            "formats": ", ".join(manifest.deployable),
            "proof": manifest.proof.kind,
        }
        return table(manifest.reference, [{"field": name, "value": value} for name, value in rows.items() if value])
