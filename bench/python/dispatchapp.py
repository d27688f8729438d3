"""The functions of dispatch-py that peers.py measures: of a module, as their frames are pickled."""

from __future__ import annotations

import os

import dispatch

CALLS = int(os.environ["CALLS"])


@dispatch.function
def add(a: int, b: int) -> int:
    return a + b


@dispatch.function
async def flow(number: int) -> int:
    total = 0
    for _ in range(CALLS):
        total = await add(total, number)
    return total
