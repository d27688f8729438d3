"""Answers of the server: tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sendoff.models.policy import Limit, Retention, RetryPolicy


@dataclass(frozen=True, kw_only=True)
class FunctionError:
    """What a function failed with."""

    message: str
    traceback: str = ""
    type: str = ""


@dataclass(frozen=True, kw_only=True)
class LimitUse:
    """How much of what tasks share is taken; allowed = None: any number."""

    used: int
    allowed: int | None = None  # Absent when there may be any number, as under a rate alone
    key: str = ""  # Of the limit, the order or the duplicates; absent for duplicates by target and payload


@dataclass(frozen=True, kw_only=True)
class WaitedFor:
    """A task that another one waits for."""

    id: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a task waits for: the first thing that has to happen."""

    actions: list[str]  # What can be done about it: ids of operations
    cause: str  # The first thing that has to happen
    text: str  # For people, in one line; its words may change
    # Of line: ready tasks of its queue that are before it; of limit, order and duplicate: tasks that are before it
    # in line there. Counted up to 10,000
    ahead: int | None = None
    ahead_exact: bool = False  # False when there are more than ahead says
    # Of queue_limit: tasks that run. Of limit, order and duplicate: tasks that have a place, as far as they are
    # among the 500 latest of their state. Up to 20
    holders: list[str] = field(default_factory=list)
    limit: LimitUse | None = None  # Of queue_limit, limit, order and duplicate: what it waits for
    nodes: list[str] = field(default_factory=list)  # Of no_node: names of the nodes that are alive
    # Names of the signals that a function waits for, as far as its SDK tells
    signals: list[str] = field(default_factory=list)
    since: datetime | None = None  # When it began to wait for that
    # Tasks that have to end first, oldest first; at most 20 of them
    tasks: list[WaitedFor] = field(default_factory=list)
    until: datetime | None = None  # When that ends by itself, or is looked at again


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an attempt is."""

    at: datetime  # When it was told
    done: int
    total: int | None = None  # None: it is not known
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """A task that is made when another one has ended."""

    kind: str  # http, function, process, local
    queue: str
    function: str = ""
    handler: str = ""
    name: str = ""
    process: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as the server shows it."""

    attempts: int  # Attempts of this run that were spent or are under way
    created_at: datetime
    id: str
    job: int  # The id as a number, which can be used in its place
    kind: str  # http, function, process, local, job
    max_attempts: int  # 0 = as many as it takes until it expires, which is the rule for functions
    priority: int  # 0 (first) to 9
    queue: str
    retry: RetryPolicy
    run: int  # 1, and one more after each manual retry and each time that a function is begun again from its input
    state: str  # scheduled, ready, running, suspended, blocked, succeeded, failed, canceled
    timeout: timedelta
    callback_of: str = ""  # Id of the task whose end it tells
    content_type: str = ""
    depends_on: list[str] = field(default_factory=list)  # As submitted: see Tasks.dependencies
    # Of a submission: nothing was stored, by the rule for duplicates; this is a task that is there
    dropped: bool = False
    duplicate_key: str = ""
    # Of a call in a tree: it was made before its caller was begun again from its input, and its result goes nowhere
    earlier_run: bool = False
    endpoint: str = ""  # Of a function: the app that serves it
    error: FunctionError | None = None  # What a function failed with; shown for a single task
    expires_at: datetime | None = None
    finished_at: datetime | None = None
    function: str = ""
    group: str = ""
    handler: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # As submitted; shown for a single task
    labels: dict[str, str] = field(default_factory=dict)
    # Why the last attempt got no answer: see cause of an attempt: refused, reset, timeout, dns, tls, memory
    last_cause: str = ""
    last_error: str = ""
    last_status: int | None = None  # HTTP status of the last attempt's answer
    limits: list[Limit] = field(default_factory=list)  # As submitted; what is configured of them counts in place
    method: str = ""
    name: str = ""
    # Of a scheduled task: when it is due. Of a suspended or blocked function: when it is looked at again at the
    # latest
    next_at: datetime | None = None
    on_complete: Callback | None = None  # Made when it has ended
    on_duplicate: str = ""  # serial, discard, queue_one, replace
    on_failure: Callback | None = None  # Made when it has failed or was canceled
    on_success: Callback | None = None  # Made when it has succeeded
    once: bool = False  # What has begun is never begun again
    order_key: str = ""
    parent_id: str = ""  # Of a call: the function that made it
    payload: Any = None  # As submitted; shown for a single task
    payload_base64: str = ""  # In place of payload, when it is no text
    process: str = ""  # What a worker process runs
    # How far the attempt is that is under way, as it told last; shown for a single task
    progress: Progress | None = None
    # Of a running task whose push was answered 202 with Sendoff-Ack: manual: by when its app has to tell how it ends
    ack_by: datetime | None = None
    retention: Retention | None = None  # How long it stays visible when it has ended, as submitted
    reason: str = ""  # Why it is in this state: backoff, throttled, rejected, exhausted
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    result: Any = None  # What a function or a process returned; shown for a single task
    root_id: str = ""  # Of a call: the first function of its tree
    run_at: datetime | None = None  # When its first attempt was due, if it was submitted with a delay or a time
    schedule: str = ""  # Name of the schedule that made it
    started_at: datetime | None = None  # Start of the last attempt
    unique_key: str = ""
    url: str = ""
    # What it waits for, when it neither runs nor has ended; shown for a single task
    waiting_for: Waiting | None = None
    when: str = ""  # all_ok, always, any_failed
    workers: str = ""  # Of a process: the workers that carry it out, when they have a name
    existing: bool = False  # Of a submission: it was there already and holds the unique key
    replayed: bool = False  # Of a submission: made by an earlier request with the same Idempotency-Key

    @property
    def ended(self) -> bool:
        """Whether it has ended: it succeeded, failed or was canceled."""
        return self.state in ("succeeded", "failed", "canceled")


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number that may be a lower bound."""

    exact: bool  # false: there are that many at least
    value: int


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    """A page of a listing; there is more while next_cursor is not empty."""

    items: list[Task]
    count: Count | None = None  # When it was asked for
    # The parameters that were looked up; by the others, tasks were tested one by one
    indexed: list[str] = field(default_factory=list)
    next_cursor: str = ""
    partial: bool = False  # The page is not full because 10,000 tasks were looked at: go on at next_cursor
    # Of a partial page: the creation, or the time that is sorted by, of the last task that was looked at
    scanned_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A function with all calls made for it, itself first."""

    items: list[Task]  # The task first, then the calls below it by creation; parent_id tells where each belongs
    truncated: bool = False
