"""Steps under way: each in a thread, or on an event loop when its body is async."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import random
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future as Pending
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sendoff._waits import seconds
from sendoff.functions._core.branch import Misuse, in_step
from sendoff.functions._failure import Canceled, Failed, Status, recorded_with_status, wait_of
from sendoff.functions._format.journal import NONE, Value, place
from sendoff.functions._format.messages import Error
from sendoff.functions._format.payload import encode
from sendoff.models import RetryPolicy
from sendoff.push import Permanent

if TYPE_CHECKING:
    from sendoff.functions._core.future import Future
    from sendoff.functions._core.run import Run

_ATTEMPTS, _MIN_BACKOFF, _MAX_BACKOFF, _FACTOR, _JITTER = 5, 0.2, 10.0, 2.0, 0.2
# What a function waits for is on record after a while, so that people see it and what ended beside it is kept. The
# steps go on meanwhile, so the server gets more time than where nothing can go on without it.
_SHOW_AFTER, _SHOW_ROUNDS = 1.0, 10


@dataclass
class End:
    """What came of a step."""

    future: Future[Any]
    value: Value = NONE
    fail: Any = None  # an Error
    attempts: int = 1


@dataclass
class StepInfo:
    """The step that code belongs to."""

    key: str
    stopped: threading.Event


@dataclass
class Body:
    """What a step does."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    retry: RetryPolicy
    timeout: float | None  # seconds, of one attempt
    context: contextvars.Context  # what the function has set in variables of its context


def start(run: Run) -> None:
    """Starts the steps that are asked for. Steps that ended before must be on disk by then, where the server keeps
    the journal."""
    ledger = run.ledger
    if ledger.unsafe and run.attempt.flush is not None:
        _checkpoint(run, ledger.log.pending, 1)
    ledger.shown = time.monotonic()
    asked, run.to_start = run.to_start, []
    for f in asked:
        if not f.done:
            _start(run, f)


def _checkpoint(run: Run, n: int, rounds: int) -> None:
    """Puts the first n pending bytes on record, or ends the attempt."""
    assert run.attempt.flush is not None
    run.attempt.flush(run.ledger.take(n), rounds)
    run.ledger.recorded(n)


def wait(run: Run) -> None:
    """Waits for the end of a step, for the next timer, or for what the server tells."""
    n = run.ledger.repeatable()
    limit = 3600.0
    if n > 0 and run.attempt.flush is not None:
        limit = _SHOW_AFTER - (time.monotonic() - run.ledger.shown)
        if limit <= 0:
            _checkpoint(run, n, _SHOW_ROUNDS)
            return
    if run.attempt.listener is not None:
        run.attempt.listener.listen(run)
    run.pause(run.until_timer(int(limit * 1_000_000)))
    if run.attempt.listener is not None:
        run.attempt.listener.hear(run)


def _start(run: Run, f: Future[Any]) -> None:
    scope, body = f.scope, f.body
    assert scope is not None
    f.body = None
    run.running.add(f)
    if run.expired and scope.ended is not None and not f.shielded:
        text = f"the step was not begun: {scope.ended()}"
        run.step_ended(End(f, fail=Error(type="canceled", message=text)))
        return
    under_way = _Step(run, f, body, f"{run.info.id}:{place(run.info.generation, f.path)}")
    f.halt = under_way.stop
    if not f.shielded:
        scope.steps.add(f)
        if scope.ended is not None:
            under_way.stop()
    run.host.threads.submit(body.context.run, under_way.run)


class _Step:
    """A step under way. Its thread waits for what is async."""

    def __init__(self, run: Run, future: Future[Any], body: Body, key: str) -> None:
        self._run, self._future, self._body = run, future, body
        self._info = StepInfo(key, threading.Event())
        self._pending: Pending[Any] | None = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Ends it, as far as that can be done: what is async is canceled, and nothing is tried again."""
        with self._lock:
            self._info.stopped.set()
            if self._pending is not None:
                self._pending.cancel()

    def run(self) -> None:
        in_step.set(self._info)
        try:
            self._until_it_ends()
        except BaseException as e:  # of an error or a result of the user's that cannot be shown: it must end
            text = f"what came of the step cannot be recorded: {type(e).__qualname__}"
            self._run.step_ended(End(self._future, fail=Error(type="error", message=text)))

    def _until_it_ends(self) -> None:
        attempts, begun = 1, time.monotonic()
        while True:
            try:
                value = self._try()
            except BaseException as e:
                pause = self._again(e, attempts, time.monotonic() - begun)
                if pause is None or self._info.stopped.wait(pause):
                    self._failed(Canceled() if isinstance(e, asyncio.CancelledError) else e, attempts)
                    return
                attempts += 1
            else:
                self._succeeded(value, attempts)
                return

    def _succeeded(self, value: Any, attempts: int) -> None:
        try:
            self._run.step_ended(End(self._future, encode(value, f"step {self._body.name}: result"), attempts=attempts))
        except Exception as e:  # another attempt would have the same
            self._failed(e, attempts)

    def _failed(self, e: BaseException, attempts: int) -> None:
        self._run.step_ended(End(self._future, fail=recorded_with_status(e), attempts=attempts))

    def _try(self) -> Any:
        body = self._body
        value = body.function(*body.args)
        if not inspect.isawaitable(value):
            return value
        if body.timeout is None:
            return self._wait(_awaited(value))
        try:
            return self._wait(asyncio.wait_for(_awaited(value), body.timeout))
        except (TimeoutError, asyncio.TimeoutError) as e:
            raise Failed(Status.TIMEOUT, f"the step took longer than {body.timeout:g} s") from e

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        pending = asyncio.run_coroutine_threadsafe(work, self._run.host.loop())
        with self._lock:
            self._pending = pending
            if self._info.stopped.is_set():
                pending.cancel()
        try:
            return pending.result()
        except BaseException as e:
            raise (asyncio.CancelledError() if pending.cancelled() else e) from None

    def _again(self, e: BaseException, attempts: int, age: float) -> float | None:
        """Seconds until the next attempt; None = there is none."""
        if isinstance(e, (Permanent, Misuse, KeyboardInterrupt, SystemExit)) or self._info.stopped.is_set():
            return None
        retry = self._body.retry
        if attempts >= (_ATTEMPTS if retry.max_attempts is None else retry.max_attempts or 1 << 62):
            return None
        pause = wait_of(e) or _backoff(retry, attempts)
        if retry.max_age is not None and age + pause > seconds(retry.max_age):
            return None
        return pause


async def _awaited(value: Any) -> Any:
    return await value


def _backoff(retry: RetryPolicy, attempts: int) -> float:
    least = _MIN_BACKOFF if retry.min_backoff is None else seconds(retry.min_backoff)
    most = _MAX_BACKOFF if retry.max_backoff is None else seconds(retry.max_backoff)
    jitter = _JITTER if retry.jitter is None else retry.jitter
    pause = min(least * (retry.factor or _FACTOR) ** min(attempts - 1, 64), most)
    return pause * (1 + jitter * (2 * random.random() - 1))
