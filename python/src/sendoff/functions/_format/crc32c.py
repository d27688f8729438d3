"""The checksum of journals: CRC-32C (Castagnoli), for which the standard library has nothing.

The sum of a few bytes is made one by one. Many are folded first: with a start of 0 the sum is linear, so the first half
of the data can be moved onto the second by the map that so many zero bytes behind it would be. Such a map is one table
for each byte of a word and each byte of its image, and all words of a half go through it at once.
"""

from __future__ import annotations

import functools

_SHORT = 256  # bytes, a power of two


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_row(byte) for byte in range(256)]


def crc32c(data: bytes | bytearray, before: int = 0) -> int:
    """The sum of data, behind bytes that had the sum before."""
    total = before ^ 0xFFFFFFFF
    if len(data) > 4 * _SHORT:
        start = zip(data, total.to_bytes(4, "little"), strict=False)  # the sum begins in the first four bytes
        total, data = 0, _folded(bytes(byte ^ begun for byte, begun in start) + data[4:])
    for byte in data:
        total = _TABLE[(total ^ byte) & 0xFF] ^ total >> 8
    return total ^ 0xFFFFFFFF


def _folded(data: bytes | bytearray) -> bytes:
    """A few bytes that have the same sum, with a start of 0."""
    level = (len(data) - 1).bit_length()
    data = bytes((1 << level) - len(data)) + data  # zero bytes in front do not count
    lanes = [data[lane::4] for lane in range(4)]
    while len(lanes[0]) > _SHORT // 4:
        level -= 1
        lanes = _onto(lanes, len(lanes[0]) // 2, _moves(level))
    return bytes(byte for word in zip(*lanes, strict=True) for byte in word)


def _onto(lanes: list[bytes], half: int, moves: list[list[bytes]]) -> list[bytes]:
    """Moves the first half of the words onto the second. lanes: their first bytes, their second ones, and so on."""
    made = []
    for target, lane in enumerate(lanes):
        total = int.from_bytes(lane[half:], "little")
        for source, table in zip(lanes, moves, strict=True):
            total ^= int.from_bytes(source[:half].translate(table[target]), "little")
        made.append(total.to_bytes(half, "little"))
    return made


@functools.cache
def _moves(level: int) -> list[list[bytes]]:
    """What 2**level zero bytes behind it make of a word: tables by the bytes of it, and those of its image."""
    return [[bytes(image >> 8 * target & 0xFF for image in row) for target in range(4)] for row in _images(level)]


@functools.cache
def _images(level: int) -> list[list[int]]:
    """The same as images of words: for each byte of a word, and each value of it."""
    if level == 0:
        return [[_TABLE[word & 0xFF] ^ word >> 8 for word in (b << 8 * k for b in range(256))] for k in range(4)]
    once = _images(level - 1)
    rows = []
    for k in range(4):
        row = [0]
        for bit in range(8):
            image = _image(once, _image(once, 1 << 8 * k + bit))
            row += [other ^ image for other in row]
        rows.append(row)
    return rows


def _image(rows: list[list[int]], word: int) -> int:
    return rows[0][word & 0xFF] ^ rows[1][word >> 8 & 0xFF] ^ rows[2][word >> 16 & 0xFF] ^ rows[3][word >> 24]
