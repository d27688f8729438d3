"""A call of a function: its branches, what they wait for, and the events that wake them.

Its code runs until every branch is parked; then one event is taken and recorded, and so on. A replay takes the
events of the journal, so it switches between the branches at the same places.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Coroutine
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from sendoff.functions._core import steps
from sendoff.functions._core.attempt import SECOND, Attempt, Crash, Info, Interrupted, Stuck
from sendoff.functions._core.branch import Branch, Leave
from sendoff.functions._core.future import Future, Kind
from sendoff.functions._core.ledger import Ledger
from sendoff.functions._core.mail import Inbox, Outbox
from sendoff.functions._core.replay import Mismatch, Replay
from sendoff.functions._failure import Canceled, TimedOut, decode_error
from sendoff.functions._format.journal import BY_CANCEL, Entry, Writer
from sendoff.functions._format.journal import Kind as Line
from sendoff.functions._format.messages import Error
from sendoff.functions._format.payload import of_any

if TYPE_CHECKING:
    from sendoff.functions._core.host import Host
    from sendoff.functions._core.scope import Scope
    from sendoff.functions._loop import Envelope

_UNDO_SHARE, _MAX_UNDO = 10, 300_000_000  # the part of its life that a run keeps for undoing, at most (microseconds)
_MAX_LEAVES = 1000


class Run:
    """Only one thread at a time may use it, but for interrupt and step_ended."""

    def __init__(self, host: Host, info: Info, log: Writer) -> None:
        self.host: Host = host
        self.info: Info = info
        self.ledger: Ledger = Ledger(log)
        self.inbox: Inbox = Inbox()
        self.outbox: Outbox = Outbox()
        self.replay: Replay = Replay()
        self.live: dict[Branch, None] = {}
        self.to_start: list[Future[Any]] = []  # steps
        self.running: set[Future[Any]] = set()  # steps
        self.versions: dict[str, int] = {}
        self.deadlines: dict[Future[Any], Scope] = {}
        self.clock: int = 0  # when the last event was recorded
        self.undoing = 0  # sagas that have something to undo
        self.expired: bool = False  # its time is over, or it was canceled
        self.canceled: bool = False  # the server said so, and undoing is all that is left to do
        self.leaving: bool = False  # it leaves memory
        self.dry = False  # only repeats its journal
        self.failure: BaseException | None = None
        self.envelope: Envelope | None = None  # its input, when it goes on with a loop
        self.kept: bytes | None = None  # the whole journal, where the server keeps none
        self.attempt: Attempt = Attempt(0)
        self._root: Branch | None = None
        self._undo_known = False  # the server knows that there is something to undo
        self._ready: deque[Branch] = deque()
        self._steps: dict[int, Future[Any]] = {}
        self._timers: list[tuple[int, int, Future[Any]]] = []
        self._timer_of: dict[int, Future[Any]] = {}
        self._scopes = 0
        self._ended: deque[steps.End] = deque()
        self._wakes: SimpleQueue[None] = SimpleQueue()  # ends the waiting; an Event takes longer than a step
        self._interrupted = False
        self._leaves = 0

    @property
    def root(self) -> Branch:
        """The branch of the function itself."""
        assert self._root is not None
        return self._root

    def start(self, code: Coroutine[Any, Any, Any]) -> None:
        """Makes the root branch."""
        self._root = Branch(self, 0, None, 0, code)
        self._root.scope.deadline = self.info.expires

    def restore(self, entries: list[Entry]) -> None:
        """Sets it to the start of a journal."""
        self.replay = Replay(entries)
        self.tick(entries[0].at)
        self.ledger.restore(entries)
        if self.host.trace is not None:
            for e in entries:
                self.trace(e)

    def correlation(self, ordinal: int) -> int:
        """The id of a call in this run."""
        return self.info.epoch << 48 | ordinal

    def next_scope(self) -> int:
        """A number for a scope."""
        self._scopes += 1
        return self._scopes

    def enqueue(self, branch: Branch) -> None:
        """Has a branch go on."""
        if not branch.queued and not branch.done:
            branch.queued = True
            self._ready.append(branch)

    def crash(self, error: BaseException) -> None:
        """Ends the attempt: it is made again."""
        self.fail(Crash(error))

    def fail(self, error: BaseException) -> None:
        """Ends the attempt for a reason that is not the function's own result."""
        if self.failure is None:
            self.failure = error

    def tick(self, at: int) -> int:
        """Notes the time of an event; it never goes back."""
        self.clock = max(self.clock, at)
        return self.clock

    def trace(self, e: Entry) -> None:
        """Prints an entry, when that is asked for."""
        if self.host.trace is not None:
            self.host.trace(f"{self.info.id} {e}")

    def resumed(self) -> None:
        """Forgets that an earlier attempt was told to end, when that had done so already."""
        self._interrupted = False

    def interrupt(self) -> None:
        """Ends the attempt, from any thread."""
        self._interrupted = True
        self._wakes.put(None)

    def wake(self) -> None:
        """Ends the waiting of the scheduler, now or the next time; from any thread."""
        self._wakes.put(None)

    def step_ended(self, end: steps.End) -> None:
        """Takes the end of a step, from any thread."""
        self._ended.append(end)
        self._wakes.put(None)

    # What its code asks for.

    def command(self, branch: Branch, e: Entry) -> Entry:
        """Records what a branch asks for, or finds it in the journal."""
        if self.leaving:
            self.ledger.number(e)
            return e  # nobody will see it
        branch.count += 1
        e.kind, e.branch = Line.COMMAND, branch.id
        if self.replay.active:
            try:
                recorded = self.replay.match(branch, e)
            except Mismatch as misfit:
                self.fail(misfit)
                self.leaving = True
                raise Leave from None
            self.ledger.met(recorded)
            return recorded
        e.site = e.site or self.host.site()
        self.ledger.number(e)
        self.ledger.write(e)
        self.trace(e)
        return e

    def add_step(self, f: Future[Any]) -> None:
        """Has a step start when all branches are parked."""
        self._steps[f.ordinal] = f
        self.to_start.append(f)

    def add_timer(self, f: Future[Any]) -> None:
        """Has a timer go off."""
        heapq.heappush(self._timers, (f.at, f.ordinal, f))
        self._timer_of[f.ordinal] = f

    def stuck(self, why: str) -> None:
        """Ends the run, and has its code leave."""
        self.fail(Stuck(why))
        self.leaving = True
        raise Leave

    def leave(self) -> None:
        """Raises Leave in code that leaves memory. Code that catches it again and again is let go on to its next wait,
        where it ends."""
        self._leaves += 1
        if self._leaves <= _MAX_LEAVES:
            raise Leave

    def complete(self, f: Future[Any]) -> None:
        """Ends a future and wakes who waits for it."""
        f.done = True
        f.call = f.body = None
        f.stop()
        if f.kind is Kind.CALL:
            self.outbox.calls.pop(f.ordinal, None)
        elif f.kind is Kind.STEP:
            self._steps.pop(f.ordinal, None)
            self.running.discard(f)
            if f.scope is not None:
                f.scope.steps.discard(f)
        elif f.kind is Kind.TIMER:
            self._timer_of.pop(f.ordinal, None)
        elif f.kind is Kind.SIGNAL:
            self.inbox.unlist_all(f)
        waits, f.waits = f.waits, []
        for w in waits:
            w.notify(f)
        if f.sink is not None:
            f.sink(f)

    # The scheduler.

    def advance(self, attempt: Attempt) -> BaseException | None:
        """Runs until the function ends or has to wait for the server. Returns why it could not."""
        self.attempt = attempt
        try:
            while self.failure is None:
                self._run_ready()
                if self.failure is not None or not self._step():
                    break
        except Interrupted as e:
            self.fail(e)
        if self._interrupted and not isinstance(self.failure, Interrupted):
            self.failure = Interrupted("the attempt was interrupted")
        return self.failure

    def _run_ready(self) -> None:
        while self._ready and self.failure is None:
            self._heed()
            branch = self._ready.popleft()
            if branch.done:
                continue
            branch.resume()
            if branch.done:
                self.live.pop(branch, None)
        self._ready.clear()

    def _step(self) -> bool:
        """Takes one event, starts steps or waits for one. False when there is nothing to be done without the
        server."""
        if self.replay.active:
            self._repeat()
            return True
        if self.dry:
            return False
        if self.replay.entries:
            versions = self.replay.versions
            self.replay = Replay()
            self.replay.versions = versions
        if self.root.done:
            return False
        if self._take_event():
            return True
        if self.to_start:
            if self._sends_first() or self._tells_first():
                return False
            self._heed()
            steps.start(self)
            return True
        if self.running:
            steps.wait(self)
            return True
        if self._short_sleep():
            self.pause(self.until_timer(SECOND))
            return True
        self._check_deadlock()
        return False

    def _take_event(self) -> bool:
        return (
            self._take_result() or self.take_signal() or self._take_step() or self._take_cancel() or self._take_timer()
        )

    def _repeat(self) -> None:
        if (lost := self.replay.missing()) is not None:
            self.fail(self.replay.lost(self.root, lost))
            return
        e = self.replay.events[self.replay.next]
        self.replay.next += 1
        self.ledger.size = max(self.ledger.size, e.end)
        self._apply(e, True)

    def repeat_for(self, branch: Branch) -> bool:
        """Repeats the journal for a branch that is about to park when no other can go on, as the scheduler would, and
        spares it the way there and back. False: it has to park."""
        if self.leaving:
            return False
        while self.replay.active and not self._ready and self.failure is None and not self._interrupted:
            self._repeat()
        if len(self._ready) != 1 or self._ready[0] is not branch or self.failure is not None or self._interrupted:
            return False
        self._ready.clear()
        branch.goes_on()
        return True

    def _record(self, e: Entry) -> None:
        e.at = self.tick(self.attempt.clock())
        self.ledger.write(e)
        self.trace(e)
        self._apply(e, False)

    def _apply(self, e: Entry, replayed: bool) -> None:
        self.tick(e.at)
        if e.kind == Line.DONE:
            self._apply_done(e, replayed)
        elif e.kind == Line.SIGNAL:
            self.inbox.last_signal = e.n
            if (f := self.inbox.deliver(e.name, e.value)) is not None:
                f.take_signal(e.value)
                self.complete(f)
        elif e.kind == Line.POLL:
            self.mark_sent(min(e.n, len(self.outbox.unsent)))
        elif e.kind == Line.EXPIRE:
            self.expired, self.canceled = True, e.n == BY_CANCEL
            self.root.whole.cancel(Canceled if self.canceled else TimedOut)

    def _apply_done(self, e: Entry, replayed: bool) -> None:
        f = self.outbox.calls.get(e.ordinal) or self._steps.get(e.ordinal) or self._timer_of.get(e.ordinal)
        if f is None:
            return
        fail = decode_error(e.fail) if e.fail is not None else None
        f.take(e.value, fail, replayed or f.kind is not Kind.STEP)
        self.complete(f)
        if (scope := self.deadlines.pop(f, None)) is not None:
            scope.cancel(TimedOut)

    def mark_sent(self, n: int) -> None:
        """Notes that a poll carried the first n of the calls that were unsent."""
        self.outbox.mark_sent(n)
        self._undo_known = self.undoing > 0

    def _take_result(self) -> bool:
        if self.inbox.poll_fail is not None:
            if (f := self.outbox.next_sent()) is not None:  # one at a time, as a replay takes them
                self._record(Entry(kind=Line.DONE, ordinal=f.ordinal, fail=encode_error(self.inbox.poll_fail)))
                return True
            self.inbox.poll_fail = None
        while self.inbox.results:
            result = self.inbox.results.popleft()
            ordinal = result.correlation_id & ((1 << 48) - 1)
            if result.correlation_id >> 48 != self.info.epoch or ordinal not in self.outbox.calls:
                continue  # given before, or given up, or of an earlier life of the run
            fail = encode_error(result.error) if result.HasField("error") else None
            self._record(Entry(kind=Line.DONE, ordinal=ordinal, value=of_any(result.output), fail=fail))
            return True
        return False

    def take_signal(self) -> bool:
        """Takes the next signal that the server told."""
        signal = self.inbox.next_signal()
        if signal is None:
            return False
        n = max(signal.sequence, 0)
        self._record(Entry(kind=Line.SIGNAL, name=signal.name, n=n, value=of_any(signal.value)))
        return True

    def _take_step(self) -> bool:
        while self._ended:
            end = self._ended.popleft()
            if end.future.done:
                continue
            e = Entry(kind=Line.DONE, ordinal=end.future.ordinal, value=end.value)
            e.n = end.attempts if end.attempts > 1 else 0
            if end.fail is not None:
                e.fail = encode_error(end.fail)
                self.ledger.failed()
            self.ledger.unsafe = True
            self._record(e)
            return True
        return False

    def _take_cancel(self) -> bool:
        """Ends the time of a run that is canceled. It has heard by then what came before, and begins nothing new."""
        if not self.attempt.canceled or self.expired:
            return False
        self._record(Entry(kind=Line.EXPIRE, n=BY_CANCEL))
        return True

    def _take_timer(self) -> bool:
        now = self.attempt.clock()
        if (f := self.nearest_timer()) is not None and f.at <= now:
            self._record(Entry(kind=Line.DONE, ordinal=f.ordinal))
            return True
        if not self.expired and 0 < self.deadline() <= now:
            self._record(Entry(kind=Line.EXPIRE))
            return True
        return False

    def nearest_timer(self) -> Future[Any] | None:
        """The next timer that has not ended."""
        while self._timers:
            f = self._timers[0][2]
            if not f.done:
                return f
            heapq.heappop(self._timers)
        return None

    def deadline(self) -> int:
        """When the function is told that its time is over; 0 = never. With something to undo that is before the run
        expires, for nothing of it runs afterwards."""
        at, created = self.info.expires, self.info.created
        if not at or not self.undoing or not created:
            return at
        return at - min((at - created) // _UNDO_SHARE, _MAX_UNDO)

    def until_timer(self, limit: int) -> int:
        """Microseconds until the next timer, at most limit."""
        now = self.attempt.clock()
        if (f := self.nearest_timer()) is not None:
            limit = min(limit, f.at - now)
        if (at := self.deadline()) and not self.expired:
            limit = min(limit, at - now)
        return max(limit, 0)

    def _sends_first(self) -> bool:
        """Calls are to be given to the server before steps start, which may take as long as an attempt. Servers of
        Dispatch would keep the steps waiting for a second."""
        return self.attempt.sendoff and bool(self.outbox.next_calls(self.root.done)[0])

    def _tells_first(self) -> bool:
        """The server is to know that there is something to undo, before a step starts: otherwise it would end the
        run at once for a cancel."""
        return self.attempt.sendoff and self.undoing > 0 and not self._undo_known

    def _short_sleep(self) -> bool:
        """All that is waited for is a timer so near that a poll is not worth it."""
        box = self.outbox
        if self.attempt.virtual or box.open or box.given_up or (self.inbox.waits and self.attempt.sendoff):
            return False
        f = self.nearest_timer()
        return f is not None and f.at - self.attempt.clock() < SECOND

    def pause(self, micros: int) -> None:
        """Waits for a step, the attempt's end, or a time."""
        with contextlib.suppress(Empty):
            self._wakes.get(timeout=micros / SECOND)
            while not self._wakes.empty():
                self._wakes.get_nowait()
        self._heed()

    def _heed(self) -> None:
        if self._interrupted:
            raise Interrupted("the attempt was interrupted")

    def _check_deadlock(self) -> None:
        if self.outbox.open or self.nearest_timer() is not None:
            return
        if self.inbox.waits and not self.attempt.sendoff:
            self.fail(Stuck("the function waits for a signal or a promise, which need a Sendoff server"))
        elif not self.inbox.waits:
            self.fail(
                Stuck("the function waits for what can never come; is it the future of a branch that waits for it?")
            )

    def evict(self) -> None:
        """Takes the code of all branches off the stack, and frees the run."""
        self.leaving = True
        for f in list(self.running):
            f.stop()
        for branch in list(self.live):
            branch.evict()
        self.live.clear()


def encode_error(e: Any) -> bytes:
    """An Error as it is recorded, which is never empty."""
    return bytes(e.SerializeToString()) or bytes(Error(type="error", message="unknown error").SerializeToString())
