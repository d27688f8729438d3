"""Random numbers that are the same in every replay, and in every language.

PCG with the output function DXSM, after M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically
Good Algorithms for Random Number Generation" (2014), with the constants of math/rand/v2 of Go.
"""

from __future__ import annotations

import random

_MASK64 = (1 << 64) - 1
_MASK128 = (1 << 128) - 1
_MULTIPLIER = 2549297995355413924 << 64 | 4865540595714422341
_INCREMENT = 6364136223846793005 << 64 | 1442695040888963407
_CHEAP = 0xDA942042E4DD58B5


class PCG:
    """A source of 64 bits at a time."""

    def __init__(self, high: int, low: int) -> None:
        self._state = (high & _MASK64) << 64 | (low & _MASK64)

    def next(self) -> int:
        """The next 64 bits."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK128
        high, low = self._state >> 64, self._state & _MASK64
        high ^= high >> 32
        high = high * _CHEAP & _MASK64
        high ^= high >> 48
        return high * (low | 1) & _MASK64


class Random(random.Random):
    """Python's random numbers out of a PCG."""

    def __init__(self, source: PCG) -> None:
        self._source = source
        super().__init__()

    def random(self) -> float:
        """From 0 up to 1."""
        return (self._source.next() >> 11) * 2.0**-53

    def getrandbits(self, k: int, /) -> int:
        """So many bits."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        bits = 0
        for _ in range((k + 63) // 64):
            bits = bits << 64 | self._source.next()
        return bits >> (-k % 64)

    def seed(self, *args: object, **kwargs: object) -> None:
        """Does nothing: they would not be the same in a replay."""


def identifier(source: PCG) -> bytes:
    """16 bytes."""
    return bytes(source.next() >> 32 & 0xFF for _ in range(16))
