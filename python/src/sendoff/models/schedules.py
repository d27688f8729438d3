"""Answers of the server: schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LastFire:
    """What became of the last time of a schedule."""

    due: datetime
    fired_at: datetime
    outcome: str  # fired, skipped, missed
    task_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule as the server shows it."""

    catch_up: str  # none, one, all
    catch_up_window: timedelta
    declared: bool  # A configuration file of the server says what it is
    edited: bool  # It was changed, and is not as that file says: see reset
    name: str
    overlap: str  # parallel, serial, discard, queue_one, replace
    paused: bool
    revision: int  # Of what people change: 1, and one more with each change
    at: datetime | None = None
    created_at: datetime | None = None
    cron: str = ""
    ends_at: datetime | None = None
    every: timedelta | None = None
    jitter: timedelta | None = None
    last: LastFire | None = None
    next_at: datetime | None = None  # When it is due next; nothing when it is paused, or over
    next_fires: list[FireTime] = field(default_factory=list)  # Of a dry run: when it would be due
    redacted: bool = False  # The task is left out: the key lacks the scope payloads
    starts_at: datetime | None = None
    task: Any = None  # As submitted
    times: list[datetime] = field(default_factory=list)
    timezone: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Fire:
    """What became of a time of a schedule."""

    due: datetime
    fired_at: datetime  # When that was decided: of one that was fired, when the task was on disk
    lateness: timedelta
    # skipped: it was time, and no task could be made, or was to be. missed: no server was there: fired, skipped,
    # missed
    outcome: str
    reason: str = ""
    # The task that was made, or the run of a graph; of one that was skipped, the one because of which
    task_id: str = ""


@dataclass(frozen=True, kw_only=True)
class FireTime:
    """A time at which a schedule is due."""

    at: datetime
    local: str  # In the zone of the schedule
    note: str = ""  # What a change of clocks has to do with it
