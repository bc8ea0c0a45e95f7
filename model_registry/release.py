"""A version as the registry holds it."""

from dataclasses import dataclass

from model_registry import notebook
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
        metrics = "".join(f", {name} {value:g}" for name, value in self.manifest.metrics.items())
        return f"<Release {self.manifest.reference}: {self.manifest.estimator}{metrics}>"

    def _repr_html_(self) -> str:
        return notebook.of_manifest(self.manifest)
