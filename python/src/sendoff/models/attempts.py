"""Answers of the server: attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sendoff.models.tasks import FunctionError


@dataclass(frozen=True, kw_only=True)
class Phases:
    """The parts of a push, one after the other; None: there was no such part."""

    body: timedelta | None = None  # The rest of the answer
    connect: timedelta | None = None  # TCP
    dns: timedelta | None = None  # The name was looked up
    # From the connection to the first byte of the answer: the request was sent, and the app worked
    first_byte: timedelta | None = None
    tls: timedelta | None = None  # The handshake


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt of a task."""

    number: int  # Within its run, from 1
    outcome: str
    run: int
    started_at: datetime
    token: int
    address: str = ""  # Of a push: the IP address and port that were connected
    body: str = ""  # Of the answer, up to 64 KiB
    body_base64: str = ""  # In place of body, when it is no text
    # Why there was no answer: nobody listens there, the connection was closed, it took too long, the host name
    # could not be resolved, no secure connection could be made, its process was ended for want of memory. Empty
    # when there was one, or none of these fits: refused, reset, timeout, dns, tls, memory
    cause: str = ""
    duration: timedelta | None = None
    error: str = ""
    failed_in: str = ""  # Of a push: the phase that did not end: dns, connect, tls, first_byte, body
    failure: FunctionError | None = None  # What the run of a function failed with
    finished_at: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict)  # Of the answer
    # How many attempts between the one before and this one are not kept: the first 10 and the last 90 are
    left_out: int | None = None
    node: str = ""
    output: str = ""  # What the process that carried it out has printed: the last 16 KiB
    output_truncated: bool = False  # It has printed more
    phases: Phases | None = None  # Of a push: how long its parts took. Not of a success without content
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    result: Any = None  # What the run of a function, or a process, returned
    reused: bool = False  # Of a push: the connection was there already, from an earlier one
    status: int | None = None  # HTTP status of the answer; exit status of a process
    truncated: bool = False  # The body was longer than what is kept


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """A task that another one depends on, with what came of it."""

    id: str
    attempt: Attempt | None = None  # Its last attempt that has ended, with what came back; absent when none has
    # How its end counts for the task that depends on it; absent while it has not ended: ok, failed, skipped
    counts_as: str = ""
    reason: str = ""
    # Absent when it is stored no more: scheduled, ready, running, suspended, blocked, succeeded, failed, canceled
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a function, from its journal."""

    name: str
    started_at: datetime
    # interrupted: it runs again when its function goes on. canceled: given up by the function, or with its end:
    # running, succeeded, failed, interrupted, canceled
    state: str
    attempts: int | None = None  # That it took; absent while it has no end
    duration: timedelta | None = None
    error: FunctionError | None = None
    finished_at: datetime | None = None
    key: str = ""  # The idempotency key that the step has in the app (StepKey)
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    result: Any = None  # What it returned, as JSON; what is no JSON has its type and base64
    site: str = ""  # Where the code asks for it


@dataclass(frozen=True, kw_only=True)
class StepCounts:
    """How many steps are in which state."""

    canceled: int
    failed: int
    interrupted: int
    running: int
    succeeded: int


@dataclass(frozen=True, kw_only=True)
class StepPage:
    """A page of steps; note says why there can be none."""

    counts: StepCounts  # Of all steps on record, not only this page
    items: list[Step]
    next_cursor: str = ""  # There are more: a page ends at the limit, or at 1 MiB of results
    note: str = ""  # Why there are no steps, for instance because the SDK of the function keeps no journal
