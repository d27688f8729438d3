"""Answers of the server: queues."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sendoff.models.policy import QueueSettings


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue: what was set of it, and what holds."""

    effective: QueueSettings  # The same with the defaults: those of a push, where functions have others
    name: str
    paused: bool
    settings: QueueSettings  # What was set
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class GroupStats:
    """How much waits in a queue for one of its groups."""

    group: str  # Empty: of all tasks that stand in no line of a group of their own
    oldest_ready: timedelta  # How long its oldest ready task has waited
    ready: int
    running: int
    scheduled: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class QueueStats:
    """How many tasks of a queue are in which state."""

    blocked: int
    failed: int
    oldest_ready: timedelta  # How long the oldest ready task has waited
    paused: bool
    queue: str
    ready: int
    running: int  # In flight, on all nodes
    scheduled: int
    suspended: int
    # Where groups take turns: those of which something waits or runs, the 20 with the most ready tasks first
    groups: list[GroupStats] = field(default_factory=list)
