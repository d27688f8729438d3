"""What a run was told, and what it asks for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from sendoff.functions._format.journal import Value
from sendoff.functions._format.messages import Signal
from sendoff.functions._format.payload import to_any

if TYPE_CHECKING:
    from sendoff.functions._core.future import Future

PROMISE = "promise:"  # starts the names of the signals that keep promises
_MAX_AWAITED = 8  # names of signals that a journal keeps of one wait
_MAX_CALLS, _MAX_CALL_BYTES = 10_000, 12 << 20  # of one poll; what is left goes into the next, at once


class Inbox:
    """What the server told and is no event yet, results before signals, and who waits for signals."""

    def __init__(self) -> None:
        self.poll_fail: Any = None  # of the calls that the last poll carried
        self.results: deque[Any] = deque()
        self.signals: deque[Any] = deque()
        self.last_signal = 0  # number of the last one that became an event; 0 = none, or they have none
        self._waiting: dict[str, list[Future[Any]]] = {}
        self._buffered: dict[str, deque[Value]] = {}  # signals nobody took

    def bring(self, poll_fail: Any, results: Any, signals: Any) -> None:
        """Takes what a request brought."""
        self.poll_fail, self.results, self.signals = poll_fail, deque(results), deque(signals)

    def join(self, poll: Any, signals: Any) -> None:
        """Adds what was told beside the request."""
        self.results.extend(poll.results)
        self.signals.extend(signals)
        if poll.HasField("error"):
            self.poll_fail = poll.error

    def next_signal(self) -> Any:
        """Takes the next one that was not taken up before; None = there is none."""
        while self.signals:
            signal = self.signals.popleft()
            if self._news(signal):
                return signal
        return None

    def _news(self, signal: Any) -> bool:
        return signal.sequence > self.last_signal or self.last_signal == 0

    def deliver(self, name: str, value: Value) -> Future[Any] | None:
        """Finds who gets a signal: the first that waits for it. None = nobody, and it is kept."""
        if line := self._waiting.get(name):
            return line[0]
        self._buffered.setdefault(name, deque()).append(value)
        return None

    def kept(self, name: str) -> Value | None:
        """Takes a signal that came before somebody waited for it."""
        queue = self._buffered.get(name)
        return queue.popleft() if queue else None

    @property
    def waits(self) -> bool:
        """Somebody waits for a signal."""
        return bool(self._waiting)

    def awaited(self) -> list[str]:
        """Names the signals that somebody waits for, the first of them in order."""
        return sorted(self._waiting)[:_MAX_AWAITED]

    def list(self, f: Future[Any]) -> None:
        """Puts a signal's future into the line for it: once for each wait for it."""
        self._waiting.setdefault(f.signal, []).append(f)

    def unlist(self, f: Future[Any]) -> None:
        """Takes one entry of it out of the line."""
        line = self._waiting.get(f.signal, [])
        if f in line:
            line.remove(f)
        if not line:
            self._waiting.pop(f.signal, None)

    def unlist_all(self, f: Future[Any]) -> None:
        """Takes all entries of it out. One that stayed behind would take a signal that nobody gets."""
        line = [other for other in self._waiting.get(f.signal, []) if other is not f]
        if line:
            self._waiting[f.signal] = line
        else:
            self._waiting.pop(f.signal, None)

    def untaken(self) -> Any:
        """The signals that the run was told and nobody took, those of one name in their order. Promises are over."""
        left = [Signal(name=n, value=to_any(v)) for n in sorted(self._buffered) for v in self._buffered[n]]
        left += [s for s in self.signals if self._news(s)]  # it ended before it came to them
        return [s for s in left if not s.name.startswith(PROMISE)]


class Outbox:
    """The calls that a run asks for."""

    def __init__(self) -> None:
        self.calls: dict[int, Future[Any]] = {}  # open ones, by their ordinal
        self.unsent: list[Future[Any]] = []  # in order
        self.given_up: list[int] = []  # correlations of calls that the server has and nobody waits for
        self._last_sent: deque[Future[Any]] = deque()  # by the last poll, as far as its failure has not ended them

    def ask(self, f: Future[Any]) -> None:
        """Adds a call that goes with a poll to come."""
        self.unsent.append(f)
        if not f.detached:
            self.calls[f.ordinal] = f

    def next_calls(self, returned: bool) -> tuple[list[Any], int]:
        """The calls for one poll, and how many of the unsent that are, with those that were given up. When the
        function has returned, nobody waits for any but the detached ones."""
        calls: list[Any] = []
        sent = size = 0
        for f in self.unsent:
            if f.detached or (not f.done and not returned):
                size += len(f.call.input.value) + len(f.call.function) + 64
                if len(calls) == _MAX_CALLS or (calls and size > _MAX_CALL_BYTES):
                    break
                calls.append(f.call)
            sent += 1
        return calls, sent

    def mark_sent(self, n: int) -> None:
        """Notes that a poll carried the first n of the calls that were unsent."""
        gone = self.unsent[:n]
        for f in gone:
            f.sent, f.call = True, None
        self._last_sent, self.unsent, self.given_up = deque(gone), self.unsent[n:], []

    def next_sent(self) -> Future[Any] | None:
        """Takes the next open call that the last poll carried."""
        while self._last_sent:
            f = self._last_sent.popleft()
            if not f.done:
                return f
        return None

    @property
    def owes_detached(self) -> bool:
        """Detached calls were asked for that no poll carried yet."""
        return any(f.detached for f in self.unsent)

    @property
    def begun(self) -> bool:
        """The server has a call that is waited for."""
        return any(f.sent for f in self.calls.values())

    @property
    def open(self) -> bool:
        """There are calls that have not ended, or have not been sent."""
        return bool(self.calls or self.unsent)
