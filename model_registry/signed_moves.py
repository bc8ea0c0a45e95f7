"""Signed moves: a promoter's key says who moved a tag, which the writers of the bucket cannot.

A move holds the digest of the one before, so its signature vouches for the whole history up to there. It is of one tag
of one model, and of the version's manifest by its digest. Which keys are trusted is never read from the bucket.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from model_registry.history import move_digest
from model_registry.records import Move, Tag
from model_registry.reference import TagRef
from model_runtime.errors import SigningError
from model_runtime.signing import is_by

# As of a manifest: a key that signs other things too must not be talked into signing a move.
_DOMAIN = b"sklearn-on-lambda move 1\n"


class PromoterKey(Protocol):
    """What signs moves: `model_registry.signing.Signer`, or `model_registry.kms_signing.KmsSigner`."""

    public_key: str

    def sign_message(self, data: bytes) -> bytes:
        """The ed25519 signature of these bytes."""


def message(ref: TagRef, move: Move) -> bytes:
    """What is signed for a move: short at any number of checks and reasons, as KMS signs 4,096 bytes at most.

    Source: AWS KMS API Reference, Sign, `Message`.
    """
    return _DOMAIN + f"{ref} {move_digest(msgspec.structs.replace(move, signature=''))}".encode()


def signed(moved: Tag, key: PromoterKey) -> Tag:
    """The tag with its last move signed."""
    move = msgspec.structs.replace(moved.history[-1], public_key=key.public_key)
    signature = base64.b64encode(key.sign_message(message(TagRef(moved.name, moved.tag), move))).decode()
    move = msgspec.structs.replace(move, signature=signature)
    return msgspec.structs.replace(moved, history=(*moved.history[:-1], move))


def is_trusted(ref: TagRef, move: Move, trusted_keys: Sequence[str]) -> bool:
    """Whether one of these public keys signed a move of this tag; which one the move names is only its word."""
    try:
        signature = base64.b64decode(move.signature, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return False
    return any(is_by(key, signature, message(ref, move)) for key in trusted_keys)


@dataclass(frozen=True)
class SignedBy:
    """The key that a move says signed it, and what is wrong with that, empty for nothing.

    Whether the key is a promoter's is not said: that is for whoever trusts one.
    """

    public_key: str
    fault: str

    def __str__(self) -> str:
        return f"{self.public_key}: {self.fault}" if self.fault else self.public_key


def signed_by(ref: TagRef, move: Move) -> SignedBy | None:
    """Whose signature a move of this tag has; None where it has none."""
    if not move.signature:
        return None
    try:
        fault = "" if is_trusted(ref, move, [move.public_key]) else "the signature is not by this key"
    except SigningError as error:  # no key, or nothing here that could check it
        fault = f"not checked, {error}"
    return SignedBy(move.public_key, fault)


def signing_faults(ref: TagRef, moves: Iterable[Move], trusted_keys: Sequence[str]) -> Iterator[str]:
    """What is wrong with the signatures of a history, oldest first: from the first one on, each move must have one."""
    begun = False
    for move in moves:
        if is_trusted(ref, move, trusted_keys):
            begun = True
        elif begun:
            yield f"{ref}: move {move.sequence} by {move.by} is not signed by a trusted promoter"
    if not begun:
        yield f"{ref}: no move is signed by a trusted promoter"
