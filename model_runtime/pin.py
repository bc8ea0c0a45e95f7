"""One version of a model, pinned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """A version, and the SHA-256 in hex of its manifest: whoever holds both knows exactly which bytes are meant."""

    name: str
    version: int
    manifest_sha256: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"
