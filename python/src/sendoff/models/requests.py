"""What is sent to the server. None leaves a choice to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sendoff.models.actions import ActionBound
from sendoff.models.policy import Limit, Retention, RetryPolicy

_VALUE = {"value": True}  # the user's: sent as it is, None included where it stands inside


@dataclass(frozen=True)
class Unique:
    """Allows one task for a key, within a queue, at a time."""

    key: str
    window: timedelta | None = None  # holds for so long from acceptance
    while_open: bool | None = None  # holds until the task has ended; the rule without a window
    on_conflict: str | None = None  # return (the default): answer with the holder; reject: 409; replace: cancel it


@dataclass(frozen=True)
class StartSignal:
    """A signal that goes with the start of a function."""

    name: str
    value: Any = field(default=None, metadata=_VALUE)
    any: bytes | None = field(default=None, metadata={"name": "any_base64"})  # a serialized google.protobuf.Any


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to submit. Exactly one of url, function, process and handler is needed, unless
    the queue has a target."""

    url: str | None = None  # pushed to
    function: str | None = None  # name of a durable function, served at endpoint
    endpoint: str | None = None  # URL of the app that serves the function
    handler: str | None = None  # name of a handler in a program that embeds the engine
    process: str | None = None  # run by a worker process: a dotted name, or a command that the server knows
    workers: str | None = None  # of a process: the workers that carry it out, by name

    id: str | None = None  # chosen by the client; a taken one is a Conflict
    queue: str | None = None  # default "default"
    name: str | None = None  # for people and filters

    method: str | None = None  # default POST
    headers: Mapping[str, str] | None = None
    payload: Any = field(default=None, metadata=_VALUE)  # encoded as JSON; dataclasses may be part of it
    body: bytes | None = field(default=None, metadata={"name": "body_base64"})  # sent as it is, in place of payload
    content_type: str | None = None

    delay: timedelta | None = None  # before the first attempt
    run_at: datetime | None = None  # in place of delay
    expires_at: datetime | None = None  # not started from then on

    priority: int | None = None  # 0 (first) to 9; default 5
    group: str | None = None  # whose work it is
    timeout: timedelta | None = None  # of one attempt, 1 s to 24 h; default 60 s
    retry: RetryPolicy | None = None
    unique: Unique | None = None
    once: bool | None = None  # what has begun is never begun again
    retention: Retention | None = None  # how long it stays visible when it has ended; default as its queue says
    labels: Mapping[str, str] | None = None

    limits: Sequence[Limit] | None = None  # it runs when all of them have room; at most 8
    order_key: str | None = None  # tasks with the same one run one at a time, in the order of acceptance
    on_duplicate: str | None = None  # parallel (the default), serial, discard, queue_one, replace
    duplicate_key: str | None = None  # default the target with the payload

    depends_on: Sequence[str] | None = None  # ids of tasks that have to end first
    when: str | None = None  # how they have to end: all_ok (the default), always, any_failed

    # Tasks that are made when this one has succeeded, has failed or was canceled, or has ended.
    on_success: NewTask | None = None
    on_failure: NewTask | None = None
    on_complete: NewTask | None = None

    signal: StartSignal | None = None  # told to the function, whether it is started or goes on already


@dataclass(frozen=True, kw_only=True)
class TaskChange:
    """What is to become of a task that has not started. None: it stays as it is."""

    delay: timedelta | None = None  # until its first attempt, from now on
    run_at: datetime | None = None  # in place of delay
    expires_at: datetime | None = None  # not started from then on
    queue: str | None = None  # where it waits from now on
    priority: int | None = None  # 0 (first) to 9
    timeout: timedelta | None = None  # of one attempt
    retry: RetryPolicy | None = None  # field by field
    labels: Mapping[str, str] | None = None  # are set; the others stay
    payload: Any = field(default=None, metadata=_VALUE)
    body: bytes | None = field(default=None, metadata={"name": "body_base64"})  # any bytes, in place of payload


@dataclass(frozen=True, kw_only=True)
class NewSchedule:
    """A schedule: one of cron, every, at and times, and what is made each time."""

    task: NewTask | NewGraphRun  # of a run: graph names one that is kept; without definition and on_running
    cron: str | None = None  # five fields, or @daily and the like
    every: timedelta | None = None  # counted from starts_at, by default from 1970
    at: datetime | None = None  # once
    times: Sequence[datetime] | None = None  # at each of these, at most 1,000
    timezone: str | None = None  # in which cron is meant, by its IANA name; default UTC
    jitter: timedelta | None = None  # all times are later by the same amount below this one
    starts_at: datetime | None = None  # nothing is due before it
    ends_at: datetime | None = None  # nothing is due at it or later
    overlap: str | None = None  # parallel (the default), serial (that of graphs), discard, queue_one, replace
    catch_up: str | None = None  # of missed times: none, one (the default), all
    catch_up_window: timedelta | None = None  # default 24 h


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """What is configured of a limit, whatever tasks say of it."""

    concurrency: int | None = None
    rate: str | None = None
    burst: int | None = None
    paused: bool | None = None  # nobody enters; what is inside goes on


@dataclass(frozen=True, kw_only=True)
class NewGraphRun:
    """A run of a graph of jobs: of one that is kept, or of a definition."""

    graph: str | None = None
    definition: Mapping[str, Any] | None = field(default=None, metadata=_VALUE)
    inputs: Mapping[str, Any] | None = field(default=None, metadata=_VALUE)
    args: Sequence[Any] | None = field(default=None, metadata=_VALUE)  # positional arguments of the calls
    only: Sequence[str] | None = None  # these jobs, with all below them, are the goals
    except_: Sequence[str] | None = field(default=None, metadata={"name": "except"})  # left out, and count as done
    from_: Sequence[str] | None = field(default=None, metadata={"name": "from"})  # what they stand on counts as done
    labels: Mapping[str, str] | None = None
    on_running: str | None = None  # while another run of it goes on: queue (the default), refuse
    parallel: int | None = None  # jobs at a time; default 1
    queue: str | None = None
    retry_delay: timedelta | None = None  # of jobs that name none; default 1 s
    tries: int | None = None  # of jobs that name none; default 3
    stop_at_failure: bool | None = None  # begin nothing more once a job has failed
    no_act: bool | None = None  # call the first checks only: nothing is changed


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which tasks are meant. Of a field with several values any counts; all fields have to fit."""

    state: str | Sequence[str] | None = None
    queue: str | Sequence[str] | None = None
    name: str | Sequence[str] | None = None
    kind: str | Sequence[str] | None = None  # http, function, process, local, job
    function: str | Sequence[str] | None = None
    process: str | Sequence[str] | None = None
    handler: str | Sequence[str] | None = None
    endpoint: str | Sequence[str] | None = None
    target_host: str | Sequence[str] | None = None
    group: str | Sequence[str] | None = None
    schedule: str | Sequence[str] | None = None
    priority: int | Sequence[int] | None = None
    reason: str | Sequence[str] | None = None
    code: str | Sequence[str] | None = None  # how the last attempt went: status, cause or outcome
    failure: str | Sequence[str] | None = None  # a group of failures, by its id
    last_status: str | Sequence[str] | None = None  # 404, or all of a hundred: 5xx
    node: str | Sequence[str] | None = None
    parent_id: str | None = None  # the calls that this function made itself
    root_id: str | None = None  # the calls below this first function of a tree
    root: str | None = None  # the tree of this function, itself included
    graph_run: str | None = None  # the jobs of this run of a graph
    error: str | None = None  # a part of the last error
    id_prefix: str | None = None
    min_attempts: int | None = None
    labels: Mapping[str, str] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    where: Mapping[str, str | Sequence[str]] | None = None  # other parameters, such as {"state!": "failed"}


@dataclass(frozen=True)
class BulkTo:
    """What tasks are to become: one of these."""

    queue: str | None = None  # of move: where they are to wait
    delay: timedelta | None = None  # of reschedule: when they are to start, from now on; 0 is at once
    run_at: datetime | None = None  # of reschedule; what is past is at once


@dataclass(frozen=True)
class Bulk:
    """What is done to many tasks: to those that a filter selects, to those with ids, or to all."""

    action: str  # cancel, retry, run, delete, reschedule, move
    filter: Filter | None = None
    ids: Sequence[str] | None = None  # at most 500, in place of the filter
    all: bool | None = None  # in place of the filter
    rate: str | None = None  # tasks a second: "500/s", the default; or "max"
    reason: str | None = None  # for the audit
    bound: ActionBound | None = None  # of a preview: the same tasks
    to: BulkTo | None = None  # with reschedule and move
