"""What a durable function asks for, beside calls."""

from __future__ import annotations

import contextvars
import inspect
import logging
import random as _random
import uuid as _uuid
from collections.abc import Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakKeyDictionary

from sendoff._values import hints_of
from sendoff._waits import seconds
from sendoff.functions._core.attempt import SECOND
from sendoff.functions._core.branch import Branch, current, in_step, owner
from sendoff.functions._core.future import Future, Kind
from sendoff.functions._core.pcg import identifier
from sendoff.functions._core.scope import Scope
from sendoff.functions._core.steps import Body, StepInfo
from sendoff.functions._failure import Canceled
from sendoff.functions._format.journal import Entry, Op
from sendoff.functions._format.journal import Kind as Line
from sendoff.functions._format.messages import time_of, to_micros
from sendoff.functions._format.payload import decode
from sendoff.models import RetryPolicy

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter  # takes no parameter in Python 3.10

T = TypeVar("T")
Span = float | timedelta  # a number is seconds
_RETRY = RetryPolicy()


@overload
def step(
    name: str,
    function: Callable[..., Coroutine[Any, Any, T]],
    /,
    *args: Any,
    retry: RetryPolicy | None = None,
    timeout: Span | None = None,
) -> Future[T]: ...


@overload
def step(
    name: str,
    function: Callable[..., T],
    /,
    *args: Any,
    retry: RetryPolicy | None = None,
    timeout: Span | None = None,
) -> Future[T]: ...


def step(
    name: str,
    function: Callable[..., Any],
    /,
    *args: Any,
    retry: RetryPolicy | None = None,
    timeout: Span | None = None,
) -> Future[Any]:
    """Calls a function of any kind, plain or async, and records what came of it: in a replay the recorded result is
    returned, and it is not called. The step goes on at once; await it.

    It is called at least once: when the process ends before the result is on record, it is called again. step_key()
    is the same then, for services that know idempotency keys. It changes no variable of the function, and asks for
    nothing durable. Any exception has it tried again but Permanent: 5 attempts, the first wait 0.2 s, the longest 10 s;
    RetryAfter sets the wait. timeout: of an attempt of an async function; a plain one cannot be interrupted. The last
    exception is raised as a CallError, or as itself when its class was registered with sendoff.error.
    """
    branch = owner(f"step {name}")
    if timeout is not None and not inspect.iscoroutinefunction(function):
        raise TypeError(f"step {name}: a timeout needs an async function: a plain one cannot be interrupted")
    run = branch.run
    e = run.command(branch, Entry(op=Op.STEP, name=name))
    f: Future[Any] = Future(
        run,
        Kind.STEP,
        name,
        lambda v: decode(_result_hint(function), v, f"step {name}: result"),
        e.ordinal,
        branch.path(branch.count),
    )
    span = None if timeout is None else seconds(timeout)
    f.body = Body(name, function, args, retry or _RETRY, span, contextvars.copy_context())
    f.scope, f.shielded = branch.scope, branch.shielded > 0
    run.add_step(f)
    return f


def _result_hint(function: Callable[..., Any]) -> Any:
    """What a function returns by its annotation. It is found out once for each: a text is compiled for it."""
    owner = getattr(function, "__func__", function)  # a bound method is made anew for each use
    if isinstance(owner, FunctionType):
        if owner not in _results:
            _results[owner] = _found_hint(owner)
        return _results[owner]
    return _found_hint(function)


def _found_hint(function: Callable[..., Any]) -> Any:
    try:
        return hints_of(function).get("return", Any)
    except (NameError, TypeError, AttributeError):  # of a builtin, a partial, a name that only type checkers have
        return Any


_results: WeakKeyDictionary[FunctionType, Any] = WeakKeyDictionary()


def step_key() -> str:
    """The idempotency key of the step that this code belongs to: the id of the run, and the place of the step in it.
    The same each time that the step runs, and that of no other step. "" outside of a step."""
    info = in_step.get()
    return info.key if isinstance(info, StepInfo) else ""


def step_stopped() -> bool:
    """Nobody waits for the step any more that this code belongs to. A plain function that takes long asks for it."""
    info = in_step.get()
    return isinstance(info, StepInfo) and info.stopped.is_set()


def sleep(duration: Span) -> Future[None]:
    """Goes off after a while, by the clock of the server: seconds, or a timedelta."""
    branch = owner("sleeping")
    return _timer(branch, branch.run.attempt.clock() + int(seconds(duration) * SECOND))


def sleep_until(at: datetime) -> Future[None]:
    """Goes off at a time; one without a zone is local."""
    return _timer(owner("sleeping"), to_micros(at))


def _timer(branch: Branch, at: int) -> Future[None]:
    run = branch.run
    e = run.command(branch, Entry(op=Op.TIMER, at=at))
    f: Future[None] = Future(run, Kind.TIMER, "timer", lambda v: None, e.ordinal, branch.path(branch.count))
    f.at = e.at
    run.add_timer(f)
    return f


class timeout:
    """async with timeout(60): what is waited for below it is given up after so long, and TimedOut raised."""

    def __init__(self, duration: Span) -> None:
        self._duration = seconds(duration)
        self._timer: Future[None] | None = None
        self._outer: Scope | None = None

    async def __aenter__(self) -> timeout:
        branch = owner("a timeout")
        self._timer = sleep(self._duration)
        self._outer = branch.scope
        branch.scope = Scope(branch, branch.scope, self._timer.at)
        branch.run.deadlines[self._timer] = branch.scope
        return self

    async def __aexit__(self, kind: Any, value: Any, trace: Any) -> None:
        branch = current()
        if branch is None or branch.run.leaving or self._timer is None or self._outer is None:
            return
        inner, branch.scope = branch.scope, self._outer
        branch.run.deadlines.pop(self._timer, None)
        self._timer.cancel()
        inner.cancel(Canceled)


def now() -> datetime:
    """The clock of the server when the function last learned something, in UTC; outside of one, the clock."""
    branch = current()
    return datetime.now(timezone.utc) if branch is None else time_of(branch.run.clock)


def random() -> _random.Random:
    """Random numbers that are the same in every replay; outside of a durable function, any."""
    branch = current()
    return _random.Random() if branch is None else owner("random").random


def uuid() -> _uuid.UUID:
    """A UUID that is the same in every replay; outside of a durable function, any."""
    branch = current()
    if branch is None:
        return _uuid.uuid4()
    return _uuid.UUID(bytes=identifier(owner("uuid").ids), version=4)


def version(change: str, latest: int) -> int:
    """Lets code change while runs are under way: latest in a run that gets here for the first time, the one it got
    then in a run that was here before, and 0 in one that had passed here before the change was made."""
    run = owner(f"version {change}").run
    if change in run.versions:
        return run.versions[change]
    if change in run.replay.versions:
        run.versions[change] = run.replay.versions[change]
    elif run.replay.active:
        run.versions[change] = 0
    else:
        run.versions[change] = latest
        run.ledger.log.add(Entry(kind=Line.VERSION, name=change, n=latest))
    return run.versions[change]


@dataclass(frozen=True)
class RunInfo:
    """The run that code belongs to. To report with, not to decide by: attempt and replaying differ in a replay."""

    id: str
    function: str
    parent_id: str
    root_id: str
    attempt: int  # since the call made progress, from 1
    created_at: datetime | None
    expires_at: datetime | None
    commands: int  # asked for so far
    journal_bytes: int  # so far
    replaying: bool  # what is done now is on record


def info() -> RunInfo:
    """The run that this code belongs to."""
    run = owner("info").run
    i = run.info
    return RunInfo(
        id=i.id,
        function=i.function,
        parent_id=i.parent,
        root_id=i.root,
        attempt=i.attempt,
        created_at=time_of(i.created) if i.created else None,
        expires_at=time_of(i.expires) if i.expires else None,
        commands=run.ledger.given,
        journal_bytes=run.ledger.size,
        replaying=run.replay.active,
    )


class _Logger(_Adapter):
    """Says nothing in a replay."""

    def isEnabledFor(self, level: int) -> bool:
        branch = current()
        return (branch is None or not branch.run.replay.active) and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return f"{msg} [{kwargs['extra'].get('function', '')} {kwargs['extra'].get('run', '')}]", kwargs


def logger(name: str = "sendoff.functions") -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry the function and the id of the run, and are not repeated in a replay."""
    i = owner("a logger").run.info
    return _Logger(logging.getLogger(name), {"function": i.function, "run": i.id})
