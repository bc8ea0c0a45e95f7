"""A version as the registry holds it."""

from dataclasses import dataclass

from model_runtime.manifest import Manifest, digest


@dataclass(frozen=True)
class Release:
    """A manifest, and the bytes that it was read from."""

    manifest: Manifest
    manifest_bytes: bytes

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 in hex of the manifest as stored: whoever pins it pins the model too."""
        return digest(self.manifest_bytes)
