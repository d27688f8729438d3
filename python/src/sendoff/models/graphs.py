"""Answers of the server: graphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class GraphRevision:
    """A revision of a graph that is kept."""

    created_at: datetime  # When this revision was saved
    name: str
    rev: int  # From 1 on, without gaps
    definition: Any = None  # As it was saved; only of Graphs.get
    redacted: bool = False  # What it carries was left out: the key has no scope payloads


@dataclass(frozen=True, kw_only=True)
class GraphError:
    """What a graph, or a job of it, failed with."""

    message: str
    type: str
    phase: str = ""  # definition, run, cleanup


@dataclass(frozen=True, kw_only=True)
class GraphCleanup:
    """A cleanup of a job, and what came of it."""

    attempt: int
    job: str
    message: str | None
    outcome: str  # pass, fail
    redacted: bool = False  # What it carries was left out: the key has no scope payloads


@dataclass(frozen=True, kw_only=True)
class GraphCall:
    """A call of a job that has ended, and what it printed."""

    attempt: int
    began_at: datetime
    call: str  # check, run, recheck, cleanup
    duration: timedelta  # Seconds
    job: str
    message: str | None
    outcome: str  # pass, fail
    output: str  # The last 16 KiB of what it printed
    task_id: str  # Of its attempt, or of the cleanup
    output_cut: int = 0  # Bytes of what it printed before that
    redacted: bool = False  # What it carries was left out: the key has no scope payloads


@dataclass(frozen=True, kw_only=True)
class GraphJob:
    """A job of a run."""

    attempts: int
    checks: int
    color: str  # green, darkgreen, red, white
    deps: list[str]
    duration: timedelta  # Seconds, of its attempts
    error: GraphError | None
    how: str | None  # in_place, achieved
    name: str
    rechecks: int
    result: Any
    runs: int
    state: str  # waiting, running, succeeded, failed, blocked, skipped, canceled
    labels: dict[str, str] = field(default_factory=dict)
    reason: str = ""  # What the first Check of its last attempt said
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    task_id: str = ""  # Of its last attempt
    # Of a run with no_act that has ended: in_place, would_run, would_wait, cannot_tell, would_skip, canceled
    verdict: str = ""
    waits_for: list[str] = field(default_factory=list)  # Of would_wait: those of its deps that are not in place


@dataclass(frozen=True, kw_only=True)
class GraphRun:
    """A run of a graph of jobs."""

    created_at: datetime
    duration: timedelta  # Seconds
    error: GraphError | None
    id: str
    partial: bool
    passes: int
    reached: bool
    state: str  # failed: the goal was not reached, or a cleanup failed: queued, running, succeeded, failed, canceled
    # In the order in which they were called; not in listings
    cleanups: list[GraphCleanup] = field(default_factory=list)
    exit: int | None = None  # 0 reached, 1 not, 3 a cleanup failed
    finished_at: datetime | None = None
    goal: str = ""
    graph: str = ""
    jobs: list[GraphJob] = field(default_factory=list)  # In depth-first post-order from the goal; not in listings
    labels: dict[str, str] = field(default_factory=dict)
    no_act: bool = False  # Only the first checks are called: its jobs have a verdict
    paused: bool = False  # Nothing more begins until it is resumed
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    retry_of: str = ""  # The run whose failed jobs it tries again
    # Revision of the stored graph that it runs; nothing when the definition came with the request, and in listings
    rev: int = 0
    schedule: str = ""  # The schedule that began it
    started_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.state not in ("queued", "running")
