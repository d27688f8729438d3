"""The hash that inputs of calls are compared by: FNV-1a with 64 bits (draft-eastlake-fnv)."""

from __future__ import annotations

_PRIME, _MASK, START = 0x100000001B3, (1 << 64) - 1, 0xCBF29CE484222325


def fnv(data: bytes, hash: int = START) -> int:
    """Goes on with a hash."""
    for byte in data:
        hash = (hash ^ byte) * _PRIME & _MASK
    return hash
