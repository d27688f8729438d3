"""Answers of the server: what was counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Durations than which half of all, 95 % and 99 % are not longer."""

    p50: timedelta
    p95: timedelta
    p99: timedelta


@dataclass(frozen=True, kw_only=True)
class StatsPoint:
    """What was counted in one step."""

    at: datetime  # The beginning of the step
    accepted: int  # Tasks that were submitted
    started: int  # Attempts
    outcomes: dict[str, int]  # Ends of attempts, by how they ended
    ended: dict[str, int]  # Tasks that ended with an attempt, by state
    depth: dict[str, int]  # How many tasks there were, by state, the most that were seen at a time
    wait: Quantiles | None = None  # How long tasks that started had been ready, about
    run: Quantiles | None = None  # How long attempts that ended took, about
    oldest_ready: timedelta | None = None  # How long the first in line had waited, the most that was seen


@dataclass(frozen=True, kw_only=True)
class StatsItem:
    """What was counted of a queue, or a target, oldest first; steps in which nothing happened are left out."""

    key: str  # Name of the queue; of a target the host of its URL, or the name of a function, process or handler
    points: list[StatsPoint]


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What was counted of queues, or targets, in a time."""

    from_: datetime = field(metadata={"name": "from"})
    to: datetime
    step: timedelta
    as_of: datetime  # All nodes have written what was before
    partial: bool  # Something may be missing
    items: list[StatsItem]
