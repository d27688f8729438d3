"""What a run is, and what a request brings to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sendoff.functions._core.listener import Listener

SECOND = 1_000_000


@dataclass
class Info:
    """What a run is. Times are microseconds since 1970; 0 = not known."""

    id: str
    function: str
    parent: str = ""
    root: str = ""
    attempt: int = 1
    created: int = 0
    expires: int = 0
    seed: int = 0
    epoch: int = 0  # of correlation ids
    generation: int = 0  # tells the journals of the run apart; 0 = the first


class Interrupted(Exception):
    """The attempt is over while its code runs."""


class Stuck(Exception):
    """The function waits for what can never come."""


@dataclass
class Crash(Exception):
    """The code did what it must not, or the process is told to end."""

    error: BaseException


@dataclass
class Attempt:
    """What a request brought, beside results and signals."""

    now: int  # by the server's clock, microseconds
    sendoff: bool = True  # the server is a Sendoff server
    virtual: bool = False  # the clock stands still
    canceled: bool = False
    flush: Callable[[Any, int], None] | None = None  # puts a segment on record, with so much patience
    listener: Listener | None = None  # None = the server tells nothing beside the request
    received: float = field(default_factory=time.monotonic)

    def clock(self) -> int:
        """The server's clock; what comes of it must be recorded."""
        return self.now if self.virtual else self.now + int((time.monotonic() - self.received) * SECOND)
