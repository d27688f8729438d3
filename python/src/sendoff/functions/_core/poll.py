"""What a suspended run waits for, as a poll says it."""

from __future__ import annotations

from sendoff.functions._core.attempt import SECOND
from sendoff.functions._core.future import Mode
from sendoff.functions._core.run import Run

MAX_RESULTS = 1000
_LONG_WAIT = 86_400 * SECOND


def impatient(run: Run) -> bool:
    """A branch waits for more than a number of results: for a signal, or for a failure among many calls."""
    waits = [b.wait for b in run.live if b.wait is not None]
    return run.inbox.waits or any(w.mode is Mode.ALL and w.calls > 1 for w in waits)


def need(run: Run) -> int:
    """The smallest number of results that can wake a branch, 1 to 1,000."""
    needs = [n for b in run.live if b.wait is not None and (n := b.wait.need(run.attempt.sendoff)) > 0]
    return min(max(min(needs, default=1), 1), MAX_RESULTS)


def max_wait(run: Run, more: bool) -> int | None:
    """Microseconds until the next timer. The protocol of Dispatch has at least a second; a Sendoff server takes any
    time. None: for what does not come by itself, where time is virtual."""
    attempt = run.attempt
    shortest = 1000 if attempt.sendoff else SECOND
    if more or run.root.done:  # there is something to send, and nothing to wait for
        return 0 if attempt.sendoff and attempt.virtual else shortest
    ends = [] if attempt.virtual else [_LONG_WAIT]
    if (f := run.nearest_timer()) is not None:
        ends.append(f.at - attempt.clock())
    if not run.expired and run.undoing and run.info.expires:  # the server wakes it only when it is too late
        ends.append(run.deadline() - attempt.clock())
    return max(min(ends), shortest) if ends else None
