"""Make a signing key, and sign manifests with it.

A key is made once and kept where only publishers can read it (docs/signing.md); whoever reads models needs
`model_runtime.signing` only.
"""

import os
import shlex
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from model_runtime.errors import FileError, SigningError
from model_runtime.manifest import encode
from model_runtime.signing import NO_CRYPTOGRAPHY, ManifestSigning, message, public_key_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_OWNER_ONLY = 0o600
_OTHERS = 0o077


def generate_key(passphrase: str | None = None) -> tuple[bytes, str]:
    """Make a key: the private one as PEM (PKCS #8, encrypted where there is a passphrase), the public one as text."""
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        if not passphrase:
            raise SigningError("the passphrase is empty: give one, or none at all for a key that is not encrypted")
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem, _public_text(key.public_key())


def create_key(path: Path | str, passphrase: str | None = None) -> str:
    """Make a key, write it to a new file that only its owner can read, and return the public key.

    FileError where the file exists (nothing is overwritten) or cannot be written.
    """
    pem, public_key = generate_key(passphrase)
    try:
        # The mode is given when the file is made: there is no moment in which others could read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError as error:
        raise FileError(f"{path} exists already and is not overwritten: give another file") from error
    except OSError as error:
        raise FileError(f"cannot write {path} ({error.strerror}): give another file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return public_key


class Signer:
    """Signs manifests, or moves; `public_key` is what others verify with. It never shows its private key."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.public_key = _public_text(key.public_key())

    @classmethod
    def from_file(cls, path: Path | str, passphrase: str | None = None) -> "Signer":
        """Read a private key from a PEM file that is its owner's alone; else FileError or SigningError."""
        try:
            with Path(path).open("rb") as file:
                mode, pem = os.fstat(file.fileno()).st_mode, file.read()
        except OSError as error:
            raise FileError(f"cannot read the signing key {path} ({error.strerror}): name its PEM file") from error
        if os.name == "posix" and mode & _OTHERS:
            raise SigningError(
                f"others than its owner may use the signing key {path} (mode {mode & 0o777:04o}): "
                f"run `chmod 600 {shlex.quote(str(path))}`, and make another key if they may have read it"
            )
        return cls.from_pem(pem, passphrase, what=str(path))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: str | None = None, *, what: str = "the signing key") -> "Signer":
        """Read a private key from the text of a PEM file, as a secret store gives it; `what` names it in messages."""
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, None if passphrase is None else passphrase.encode())
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            # The library's own words tell a wrong passphrase from a damaged file where that can be told.
            raise SigningError(
                f"{what} cannot be used ({error}): "
                "give an ed25519 private key in PEM, with its passphrase if it has one"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningError(
                f"{what} is another kind of key ({type(key).__name__}): make an ed25519 key with `keygen`"
            )
        return cls(key)

    def sign(self, manifest_bytes: bytes) -> bytes:
        """The content of `manifest.sig` for these bytes."""
        signature = b64encode(self.sign_message(message(manifest_bytes))).decode()
        return encode(ManifestSigning(public_key=self.public_key, signature=signature))

    def sign_message(self, data: bytes) -> bytes:
        """The ed25519 signature of these bytes; what they are must begin them, as a key may sign several things."""
        return self._key.sign(data)


def _public_text(key: "Ed25519PublicKey") -> str:
    return public_key_text(key.public_bytes_raw())


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401  # only to say how it is installed
    except ImportError as error:
        raise SigningError(NO_CRYPTOGRAPHY) from error
