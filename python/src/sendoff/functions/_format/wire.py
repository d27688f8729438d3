"""The encoding of protobuf, as far as journals need it, and their checksum."""

from __future__ import annotations

VARINT, FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5

_ALL = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are not what they should be."""


def put_varint(b: bytearray, value: int) -> None:
    """Of at most 64 bits."""
    while value > 0x7F:
        b.append(value & 0x7F | 0x80)
        value >>= 7
    b.append(value)


def put_number(b: bytearray, field: int, value: int) -> None:
    """Leaves out 0, as the next ones leave out what is empty."""
    if value:
        put_varint(b, field << 3 | VARINT)
        put_varint(b, value)


def put_fixed64(b: bytearray, field: int, value: int) -> None:
    """A number of 64 bits in 8 bytes."""
    if value:
        put_varint(b, field << 3 | FIXED64)
        b += value.to_bytes(8, "little")


def put_bytes(b: bytearray, field: int, value: bytes | bytearray) -> None:
    """Bytes with their length."""
    if value:
        put_varint(b, field << 3 | BYTES)
        put_varint(b, len(value))
        b += value


def take_varint(b: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends. This and the next ones raise WireError."""
    if at < len(b) and (byte := b[at]) < 0x80:  # as nearly all are
        return byte, at + 1
    value = shift = 0
    try:
        while (byte := b[at]) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
            at += 1
    except IndexError:
        raise WireError("it ends within a number") from None
    value |= byte << shift
    if value > _ALL or shift > 63:
        raise WireError("a number has more than 64 bits")
    return value, at + 1


def take_tag(b: bytes, at: int) -> tuple[int, int, int]:
    """The number of a field, the type of its encoding, and where it begins."""
    if at < len(b) and 8 <= (tag := b[at]) < 0x80:
        return tag >> 3, tag & 7, at + 1
    tag, at = take_varint(b, at)
    if not 0 < tag >> 3 < 1 << 31:
        raise WireError("a field has no number")
    return tag >> 3, tag & 7, at


def take_bytes(b: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with their length, and where they end."""
    size, at = take_varint(b, at)
    return _piece(b, at, size), at + size


def take_fixed64(b: bytes, at: int) -> tuple[int, int]:
    """A number in 8 bytes, and where it ends."""
    return int.from_bytes(_piece(b, at, 8), "little"), at + 8


def skip(b: bytes, at: int, wire: int) -> int:
    """Where a field of an encoding ends that journals do not use."""
    if wire != _FIXED32:
        raise WireError(f"a field of type {wire}")
    _piece(b, at, 4)
    return at + 4


def _piece(b: bytes, at: int, size: int) -> bytes:
    if at + size > len(b):
        raise WireError("it ends within a field")
    return b[at : at + size]


def zigzag(value: int) -> int:
    """A number with a sign, for a varint."""
    return (value << 1 ^ value >> 63) & _ALL


def unzigzag(value: int) -> int:
    """The number with a sign of a varint."""
    return value >> 1 ^ -(value & 1)
