"""Whether an ONNX file names other files for its tensors: onnxruntime would read those from the working directory.

Protocol Buffers' wire format, as neither onnx nor protobuf is in a function. onnx.proto has the numbers of the fields.
"""

from collections.abc import Iterator

_KEY = b"location"
"""The key under which a tensor names its file. Whatever lacks these bytes has no such tensor."""

_LOCATION, _EXTERNAL_DATA = 14, 13
# The fields of each message in which a tensor may be, at any depth, and what they hold.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


def has_external_data(data: bytes) -> bool:
    """Whether a tensor of the model is in another file; ValueError for bytes that are no message."""
    return _KEY in data and _is_in(memoryview(data), "model")


def _is_in(message: memoryview, kind: str) -> bool:
    if kind == "tensor":
        return any(field == _EXTERNAL_DATA or (field == _LOCATION and value == 1) for field, value in _members(message))
    inside = _FIELDS[kind]
    return any(
        field in inside and isinstance(value, memoryview) and _is_in(value, inside[field])
        for field, value in _members(message)
    )


def _members(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        size = _SIZES.get(wire)
        if wire == _BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("the bytes are not an ONNX model")
        yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:  # noqa: PLR2004  # ten bytes of seven bits are the longest there is
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  # the last byte has no continuation bit
            return value, at
    raise ValueError("the bytes are not an ONNX model")
