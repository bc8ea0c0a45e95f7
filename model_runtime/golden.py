"""The rows of the owner that a version was published with, and the answers to them: a file that few may read."""

import msgspec

from model_runtime.manifest import Example, Manifest, check_digest, decode_record, encode


class GoldenRows(msgspec.Struct, frozen=True, kw_only=True):
    """What `golden.json` holds. Its digest is in the manifest."""

    format: int = 1
    rows: tuple[Example, ...]


def encode_golden(rows: tuple[Example, ...]) -> bytes:
    """Write the file."""
    return encode(GoldenRows(rows=rows))


def decode_golden(manifest: Manifest, data: bytes) -> tuple[Example, ...]:
    """Read the file of a version.

    Raises:
        IntegrityError: It is not the one that the manifest names.
        RecordError: It cannot be read.

    """
    check_digest(data, manifest.golden, f"the recorded rows of {manifest.reference} have")
    return decode_record(data, GoldenRows, range(1, 2), what="file of recorded rows").rows
