"""A server of the protocol in memory, with a clock that jumps to the next timer when there is nothing to do. It can be
as unkind as a network: it loses answers, delivers results twice and in any order, and forgets who is warm."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sendoff.errors import SendoffError
from sendoff.functions._core.listener import Stale
from sendoff.functions._core.rehearsed import Task, canceled, failure, given_after, holds
from sendoff.functions._failure import Status
from sendoff.functions._format.messages import (
    Call,
    CallResult,
    Error,
    Journal,
    PollResult,
    RunContext,
    RunRequest,
    Signal,
    duration_micros,
    timestamp,
)

_START = 1_767_225_600_000_000  # 2026-01-01, microseconds
_UNDO_TIME = 300_000_000  # what a run that is canceled has for undoing what it did
_ATTEMPTS = 50  # tries of a call that says nothing itself

Answer = tuple[Any, Callable[[bool], None]]


class Idle(SendoffError):
    """Every call waits for something that does not come by itself, such as a signal."""


class Blocked(SendoffError):
    """The code does not fit the journal."""


@dataclass
class Unkind:
    """Shares of answers that are lost, of results that come again, and of resumes with the whole journal."""

    lose: float = 0.0
    twice: float = 0.0
    forget: float = 0.0


class Rehearsal:
    """The server. serve carries out a request at a time of the clock (microseconds)."""

    def __init__(
        self,
        serve: Callable[[Any, int], Answer],
        *,
        plain: bool = False,
        journal: bool = True,
        shuffle: random.Random | None = None,
        unkind: Unkind | None = None,
        stub: Callable[[Any], Any] | None = None,
    ) -> None:
        self._serve, self._plain, self._journal = serve, plain, journal
        self._shuffle, self._unkind, self._stub = shuffle, unkind or Unkind(), stub
        self.now: int = _START
        self._lock = threading.Condition(threading.RLock())
        self._tasks: dict[str, Task] = {}
        self._ready: list[Task] = []
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._finished: queue.SimpleQueue[tuple[Task, Any, Callable[[bool], None]] | None] = queue.SimpleQueue()
        self._running = self._listening = self._serial = 0
        self._blocked: Exception | None = None

    def start(self, call: Any, parent: Task | None = None) -> Task:
        """Makes a call."""
        with self._lock:
            copy = Call()
            copy.CopyFrom(call)
            task = Task(f"call-{self._next()}", copy, self.now, parent)
            task.root = parent.root if parent else task.id
            self._tasks[task.id] = task
            if copy.HasField("expiration") and (span := duration_micros(copy.expiration)) > 0:
                task.expires = self.now + span
                self._at(task.expires, lambda: self._stop(task, Status.TIMEOUT, failure("TIMEOUT", "the call expired")))
            if self._stub is not None and (result := self._stub(copy)) is not None:
                task.done, task.result = True, result
                result.correlation_id, result.dispatch_id = task.correlation, task.id
                self._deliver(task)
            elif delay := duration_micros(copy.options.delay):
                self._at(self.now + delay, lambda: self._push(task))
            else:
                self._push(task)
            self._finished.put(None)
            return task

    def after(self, micros: int, then: Callable[[], None]) -> None:
        """Has something called when that much time has passed."""
        with self._lock:
            self._at(self.now + micros, then)

    def signal(self, id: str, name: str, value: Any) -> None:
        """Gives a signal to a run."""
        with self._lock:
            task = self._tasks[id]
            task.signals.append(Signal(sequence=self._next(), name=name, value=value))
            self._wake(task)
        self._finished.put(None)

    def cancel(self, id: str) -> None:
        """Cancels a run. One that has something to undo is told so, and ends when it has done that."""
        with self._lock:
            self._cancel(self._tasks[id])
        self._finished.put(None)

    def open(self) -> list[str]:
        """The ids of the calls that have not ended, in the order of their start."""
        return [t.id for t in self._tasks.values() if not t.done]

    def wait(self, task: Task) -> Any:
        """Runs everything until a call has ended; its CallResult. Raises Idle, Blocked."""
        while True:
            with self._lock:
                if self._blocked is not None:
                    raise self._blocked
                if task.done and not self._running:
                    return task.result
                waits = self._turn(task.done)
            if waits:
                self._settle(self._finished.get())

    def _turn(self, draining: bool) -> bool:
        """Does one thing. True: an answer, or news, is to be waited for."""
        if not draining and self._ready and self._running - self._listening < 1:
            self._launch(self._pick())
            return False
        if self._running:
            return True
        if not self._timers:
            raise Idle("every call waits for something that does not come by itself, such as a signal")
        at, _, then = min(self._timers)
        self._timers.remove(min(self._timers))
        self.now = max(self.now, at)
        then()
        return False

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _at(self, at: int, then: Callable[[], None]) -> None:
        self._timers.append((at, self._next(), then))

    def _push(self, task: Task) -> None:
        if not task.done and not task.running and task not in self._ready:
            self._ready.append(task)

    def _pick(self) -> Task:
        return self._ready.pop(self._shuffle.randrange(len(self._ready)) if self._shuffle else 0)

    def _chance(self, share: float) -> bool:
        return self._shuffle is not None and share > 0 and self._shuffle.random() < share

    def _launch(self, task: Task) -> None:
        task.running, task.waiting = True, False
        task.token += 1
        task.attempt += 1
        task.request, task.given = self._request(task), []
        self._running += 1
        request, now = RunRequest.FromString(task.request.SerializeToString()), self.now

        def carry_out() -> None:
            response, done = self._serve(request, now)
            self._finished.put((task, response, done))

        threading.Thread(target=carry_out, daemon=True).start()

    def _request(self, task: Task) -> Any:
        """One that repeats an attempt brings the same."""
        request = RunRequest(
            function=task.call.function,
            dispatch_id=task.id,
            parent_dispatch_id=task.parent.id if task.parent else "",
            root_dispatch_id=task.root,
            creation_time=timestamp(task.created),
        )
        if task.expires:
            request.expiration_time.CopyFrom(timestamp(task.expires))
        results: list[Any] = []
        if task.resumed:
            results = task.inbox[: min(max(task.most, 1), 1000)]
            sent = list(results)
            if self._chance(self._unkind.twice) and task.old and self._shuffle:
                sent.insert(self._shuffle.randrange(len(sent) + 1), self._shuffle.choice(task.old))
            request.poll_result.CopyFrom(PollResult(results=sent))
            if task.state is not None:
                request.poll_result.typed_coroutine_state.CopyFrom(task.state)
        else:
            request.input.CopyFrom(task.call.input)
        task.told = (results, [] if self._plain else list(task.signals))
        if not self._plain:
            request.context.CopyFrom(self._context(task))
        return request

    def _context(self, task: Task) -> Any:
        context = RunContext(
            token=task.token, attempt=task.attempt, now=timestamp(self.now), signals=task.signals, epoch=task.epoch,
            canceled=task.canceled, told=0,
        )  # fmt: skip
        if self._journal:
            kept = Journal(length=task.length, writer=task.writer, complete=task.length == 0)
            if task.need_full or self._chance(self._unkind.forget):
                kept.segments.extend(task.journal)
                kept.complete, task.need_full = True, False
            context.journal.CopyFrom(kept)
        return context

    # What running functions ask.

    def checkpoint(self, id: str, token: int, segment: Any) -> None:
        """Appends to the journal of a run that is under way."""
        with self._lock:
            task = self._tasks[id]
            if task.token != token or task.done:
                raise Stale("another attempt has taken over")
            self._append(task, segment)

    def receive(self, id: str, token: int, after: int) -> Any:
        """Tells a run that is under way what came after its request, as soon as there is something. Other calls may go
        on meanwhile; the clock stands still, as it does while a step runs."""
        with self._lock:
            self._listening += 1
            self._finished.put(None)
            try:
                while True:
                    task = self._tasks[id]
                    if task.token != token or not task.running or task.done:
                        raise Stale("another attempt has taken over")
                    self._give(task)
                    if len(task.given) > after:
                        return given_after(task.given, after)
                    self._lock.wait()
            finally:
                self._listening -= 1

    def _give(self, task: Task) -> None:
        """Numbers what the attempt was not given yet, by its request or by receive."""
        results, signals = task.told
        for r in task.inbox:
            if not holds(results, r) and not holds([g[0] for g in task.given], r):
                task.given.append((r, None))
        for s in task.signals:
            if not holds(signals, s) and not holds([g[1] for g in task.given], s):
                task.given.append((None, s))

    def _append(self, task: Task, segment: Any) -> None:
        if segment.offset != task.length:
            raise Blocked(f"append at {segment.offset} of {task.length} bytes")
        task.journal.append(segment.segment)
        task.length += len(segment.segment)
        task.writer = task.token

    # What answers say.

    def _settle(self, answer: tuple[Task, Any, Callable[[bool], None]] | None) -> None:
        if answer is None:
            return
        with self._lock:
            task, response, written = answer
            self._running -= 1
            task.running = False
            self._lock.notify_all()
            lost = self._chance(self._unkind.lose)
            written(not lost or self._chance(0.5))
            if task.done:
                return
            report = response.report
            if lost:
                self._push(task)
            elif report.need_journal:
                task.need_full = True
                task.attempt -= 1
                self._push(task)
            elif report.mismatch:
                self._blocked = Blocked(report.mismatch)
            else:
                self._obey(task, response)

    def _obey(self, task: Task, response: Any) -> None:
        report = response.report
        if report.HasField("append"):
            self._append(task, report.append)
        for id in report.cancel:
            if child := task.open.pop(id, None):
                self._cancel(child)
        if response.WhichOneof("directive") == "poll":
            self._consume(task, report)
            task.undo = report.undo
            self._poll(task, response.poll, report.prompt)
            if task.canceled and not task.request.context.canceled:  # canceled since its request
                task.waiting = False
                self._push(task)
        else:
            self._exit(task, response)

    def _consume(self, task: Task, report: Any) -> None:
        """Forgets what an attempt was told that was carried out."""
        results, signals = list(task.told[0]), list(task.told[1])
        for result, signal in task.given[: report.received.sequence]:
            results += [result] if result is not None else []
            signals += [signal] if signal is not None else []
        task.attempt = 0
        task.old += [r for r in task.inbox if holds(results, r)]
        task.inbox = [r for r in task.inbox if not holds(results, r)]
        task.signals = [s for s in task.signals if not holds(signals, s)]

    def _poll(self, task: Task, poll: Any, prompt: bool) -> None:
        task.state = poll.typed_coroutine_state if poll.HasField("typed_coroutine_state") else None
        task.resumed, task.waiting, task.prompt = True, True, prompt
        task.least, task.most = poll.min_results, poll.max_results
        task.serial = serial = self._next()
        for call in poll.calls:
            child = self.start(call, task)
            if not child.detached and not child.done:
                task.open[call.correlation_id] = child

        def resume() -> None:
            if task.waiting and task.serial == serial:
                task.waiting = False
                self._push(task)

        if poll.HasField("max_wait"):
            self._at(self.now + duration_micros(poll.max_wait), resume)
        self._wake(task)

    def _wake(self, task: Task) -> None:
        self._lock.notify_all()
        if task.waiting and not task.done and task.met():
            task.waiting = False
            self._push(task)

    def _exit(self, task: Task, response: Any) -> None:
        status, end = Status(response.status), response.exit
        if response.report.cancel_open_calls and not status.temporary:
            for child in list(task.open.values()):
                self._cancel(child)
        tail = end.HasField("tail_call")
        tries = task.call.options.retry.max_attempts or _ATTEMPTS
        if task.request.context.canceled and (tail or not status.temporary or task.attempt >= tries):
            self._end(task, Status.PERMANENT_ERROR, canceled(end.result.error))
        elif tail:
            self._begin_again(task, end.tail_call, response.report)
        elif status.temporary and task.attempt < tries:
            self._at(self.now + task.attempt * 100_000, lambda: self._push(task))
        else:
            self._end(task, status, end.result)

    def _begin_again(self, task: Task, call: Any, report: Any) -> None:
        self._consume(task, report)
        next = Call()
        next.CopyFrom(call)
        next.correlation_id = task.correlation
        task.call, task.state, task.journal, task.length, task.writer = next, None, [], 0, 0
        task.inbox, task.old, task.open, task.resumed, task.undo = [], [], {}, False, False
        later = [*report.untaken, *task.signals]
        task.signals = [Signal(sequence=self._next(), name=s.name, value=s.value) for s in later]
        task.epoch += 1
        self._push(task)

    def _cancel(self, task: Task) -> None:
        """Ends a call, or has it undo what it did first."""
        if task.done or task.canceled:
            return
        if not task.undo:
            self._stop(task, Status.PERMANENT_ERROR, canceled(None))
            return
        task.canceled, task.waiting = True, False
        self._at(self.now + _UNDO_TIME, lambda: self._stop(task, Status.PERMANENT_ERROR, canceled(None)))
        self._push(task)

    def _stop(self, task: Task, status: int, result: Any) -> None:
        """Ends a call and all that it waits for."""
        if not task.done:
            for child in list(task.open.values()):
                self._cancel(child)
            self._end(task, status, result)

    def _end(self, task: Task, status: int, result: Any) -> None:
        if task.done:
            return
        task.done, task.waiting, task.status = True, False, status
        self._lock.notify_all()
        if task in self._ready:
            self._ready.remove(task)
        task.result = CallResult()
        task.result.CopyFrom(result)
        if status != Status.OK and not task.result.HasField("error"):
            task.result.error.CopyFrom(Error(type=Status(status).name, message=Status(status).name))
        task.result.correlation_id, task.result.dispatch_id = task.correlation, task.id
        self._deliver(task)

    def _deliver(self, task: Task) -> None:
        parent = task.parent
        if parent is None or parent.done or task.detached:
            return
        if parent.open.get(task.correlation) not in (None, task):
            return
        parent.open.pop(task.correlation, None)
        at = len(parent.inbox)
        parent.inbox.insert(self._shuffle.randrange(at + 1) if self._shuffle else at, task.result)
        self._wake(parent)
