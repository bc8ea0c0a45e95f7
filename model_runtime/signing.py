"""Signed manifests: the record beside the manifest, public keys as text, the check.

The function imports this module when its stack trusts a key, so it is light: `cryptography` is imported only where a
signed manifest is checked. Keys are made and used by `model_registry.signing`.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from model_runtime.errors import SigningError

SIGNING_FILE = "manifest.sig"
"""Written before the manifest, which commits the version: a committed version never waits for it."""

FORMAT = 1
ALGORITHM: Final = "ed25519"

# A key that signs other things too must not be talked into signing a manifest: RFC 8032, section 8.5, on contexts.
_DOMAIN = b"sklearn-on-lambda manifest 1\n"
_KEY_BYTES = 32  # RFC 8032, section 5.1.5
_P = 2**255 - 19  # the field and the curve of RFC 8032, section 5.1
_D = -121665 * pow(121666, -1, _P) % _P
_PREFIX = f"{ALGORITHM}:"


class ManifestSigning(msgspec.Struct, frozen=True, kw_only=True):
    """What lies beside a manifest: its exact bytes as signed, in base64, and the key that it says signed them."""

    format: int = FORMAT
    algorithm: Literal["ed25519"] = ALGORITHM
    public_key: str
    signature: str


def message(manifest_bytes: bytes) -> bytes:
    """What is signed for a manifest. Its name and version are in it, so it fits no other version."""
    return _DOMAIN + manifest_bytes


def public_key_text(raw: bytes) -> str:
    """A public key as people, settings and the function's environment hold it, `ed25519:BASE64`."""
    return _PREFIX + base64.b64encode(raw).decode()


def parse_public_keys(text: str) -> tuple[str, ...]:
    """Read public keys separated by commas; SigningError where one is not well formed or there is none."""
    return tuple(public_key_text(public_key_bytes(part.strip())) for part in text.split(","))


def public_key_bytes(text: str) -> bytes:
    """The 32 bytes of `ed25519:BASE64`; SigningError where it is not well formed."""
    raw = _base64(text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else None
    if raw is None or len(raw) != _KEY_BYTES:
        # A private key that was given by mistake must not be repeated in a log.
        shown = repr(text[:16] + "...") if len(text) > 16 else repr(text)  # noqa: PLR2004  # enough to recognise it
        raise SigningError(
            f"{shown} is not a public key: write {_PREFIX}BASE64, as `keygen` printed it (docs/signing.md)"
        )
    if _has_small_order(raw):
        raise SigningError(
            f"{text} is a point of small order, for which anybody can make signatures: trust a key that `keygen` made"
        )
    return raw


def _has_small_order(raw: bytes) -> bool:
    """Whether a public key is one of the points whose order divides 8: a constant signature fits any message then.

    Their y are 1 (order 1), -1 (2), 0 (4) and the roots of d y^4 + 2 y^2 - 1 (8), however they are encoded.
    """
    y = (int.from_bytes(raw, "little") & (2**255 - 1)) % _P
    return y in {0, 1, _P - 1} or (_D * y**4 + 2 * y**2 - 1) % _P == 0


def verify(manifest_bytes: bytes, signature: bytes | None, trusted_keys: Sequence[str], *, what: str) -> None:
    """Raise SigningError unless one of the trusted keys signed these bytes.

    `signature` is the content of `manifest.sig`, None where there is none; `what` names the version in messages.
    """
    if signature is None:
        raise SigningError(
            f"the manifest of {what} is not signed, and must be here: publish the model again with the signing key"
        )
    record = _decode(signature, what)
    value = _base64(record.signature)
    if value is None:
        raise SigningError(f"manifest.sig of {what} is not base64: {_DISTRUST}")
    # The key that the record names is only its word: each trusted one is tried.
    if not any(_fits(public_key_bytes(key), value, message(manifest_bytes)) for key in trusted_keys):
        trusted = ", ".join(trusted_keys) or "none"
        raise SigningError(
            f"manifest.sig of {what} is not by a trusted key over this manifest "
            f"(it says that it is by {record.public_key[:80]}, trusted: {trusted}): {_DISTRUST}"
        )


_DISTRUST = "do not use this version; publish the model again with the signing key, and find out who wrote it"


def _decode(data: bytes, what: str) -> ManifestSigning:
    try:
        record = msgspec.json.decode(data, type=ManifestSigning)
    except msgspec.MsgspecError as error:
        raise SigningError(f"manifest.sig of {what} cannot be read ({error}): {_DISTRUST}") from error
    if record.format != FORMAT:
        raise SigningError(
            f"manifest.sig of {what} has format {record.format}, this release reads {FORMAT}: "
            "use the release that wrote it"
        )
    return record


def is_by(public_key: str, signature: bytes, data: bytes) -> bool:
    """Whether the key, as text, signed these bytes; SigningError without the package that can tell."""
    return _fits(public_key_bytes(public_key), signature, data)


def _fits(public_key: bytes, signature: bytes, data: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise SigningError(NO_CRYPTOGRAPHY) from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


NO_CRYPTOGRAPHY = "checking who signed needs the package cryptography: `pip install 'sklearn-on-lambda[signing]'`"


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
