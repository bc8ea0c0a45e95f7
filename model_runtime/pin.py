"""One version of a model, pinned."""

import msgspec


class Pin(msgspec.Struct, frozen=True):
    """A version, and the SHA-256 in hex of its manifest: whoever holds both knows exactly which bytes are meant."""

    name: str
    version: int
    manifest_sha256: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"
