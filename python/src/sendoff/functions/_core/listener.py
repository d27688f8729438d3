"""Asks the server what came for a run while its steps are under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sendoff.functions._core.attempt import Interrupted
from sendoff.functions._format.messages import PollResult, Received

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run
    from sendoff.functions._core.workers import Workers

_MIN_PAUSE, _MAX_PAUSE = 0.5, 30.0  # seconds, after questions that failed


class Stale(Exception):
    """Another attempt has taken over."""


class Listener:
    """One question at a time. It belongs to one attempt."""

    def __init__(self, ask: Callable[[int, float], Any], threads: Workers, told: int) -> None:
        self._ask, self._threads = ask, threads
        self.told: Any = Received(sequence=told)  # by it; the sequence is first that of the request
        self._asking = False
        self._pause = 0.0
        self._answer: Any = None  # a ReceiveResponse or an exception; None = there is none yet

    def listen(self, run: Run) -> None:
        """Asks, unless that is being done or nobody would listen."""
        if self._asking or not _listens(run):
            return
        self._asking = True
        after, pause = self.told.sequence, self._pause

        def ask() -> None:
            try:
                self._answer = self._ask(after, pause)
            except Exception as e:
                self._answer = e
            run.wake()

        self._threads.submit(ask)

    def hear(self, run: Run) -> None:
        """Takes what the server answered: it becomes a part of what the attempt brought."""
        answer = self._answer
        if answer is None:
            return
        self._answer = None  # not before: another thread sets it
        self._asking = False
        if isinstance(answer, Stale):
            raise Interrupted(f"the attempt was interrupted: {answer}")
        if isinstance(answer, Exception):
            self._pause = min(max(2 * self._pause, _MIN_PAUSE), _MAX_PAUSE)
            return
        self._pause = 0.0
        self._take(run, answer)

    def _take(self, run: Run, answer: Any) -> None:
        """A step that is started for what was told may start only when that is on record: another attempt is told all
        at once, in another order."""
        if answer.sequence <= self.told.sequence:
            return
        poll = PollResult.FromString(answer.poll_result.value)
        self.told.sequence = answer.sequence
        self.told.results += len(poll.results)
        self.told.signals += len(answer.signals)
        run.inbox.join(poll, answer.signals)
        run.ledger.unsafe = True

    def received(self) -> Any:
        """What the run was told beside its request; None = nothing."""
        return self.told if self.told.results or self.told.signals else None


def _listens(run: Run) -> bool:
    """A branch waits for something that the server can tell while steps go on: the result of a call that has begun,
    or a signal."""
    if run.inbox.waits:
        return True
    awaited = any(b.wait is not None and b.wait.calls > 0 for b in run.live)
    return awaited and run.outbox.begun
