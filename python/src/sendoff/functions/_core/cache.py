"""The suspended runs in memory, and the attempts under way."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run

_MAX_TOKENS = 1 << 14  # of attempts that are over
_MIN_STOP, _MAX_STOP = (
    1.0,
    60.0,
)  # seconds: an attempt that meets an earlier one waits as long as that was told to stop for


@dataclass
class Warm:
    """A suspended run and what the server must say to get it."""

    run: Run
    length: int = 0  # of the journal at the server
    writer: int = 0  # token of who appended last
    state: bytes = b""  # digest of the state that travels
    since: float = 0.0


@dataclass
class Active:
    """An attempt under way."""

    token: int
    interrupt: Callable[[], None]
    answered: bool = False  # it only remains to be written
    over: threading.Event = field(default_factory=threading.Event)
    told: float = 0.0  # when it was told to stop; 0 = it was not

    def stop(self) -> None:
        """Tells it to stop."""
        self.told = self.told or time.monotonic()
        self.interrupt()


class Denied(Exception):
    """An attempt may not begin now: ask again after wait seconds; 0 = whenever the server likes."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Cache:
    """Keeps the suspended runs used last; what falls out is evicted. Safe for several threads."""

    def __init__(self, size: int, ttl: float) -> None:
        self._size, self._ttl = size, ttl
        self._lock = threading.Lock()
        self._warm: OrderedDict[str, Warm] = OrderedDict()  # the one used last is the last
        self._busy: dict[str, Active] = {}
        self._last: OrderedDict[str, int] = OrderedDict()  # tokens of the attempts that were answered last
        self._closed = False

    def __len__(self) -> int:
        return len(self._warm)

    def begin(self, id: str, active: Active) -> Warm | None:
        """Marks an attempt as under way and takes the run out, if it is there. Raises Denied.

        A newer attempt interrupts one that is under way, because the server has given that up. One that is only being
        answered is waited for.
        """
        while True:
            with self._lock:
                other = self._busy.get(id)
                if other is None:
                    warm, dropped = self._admit(id, active)
                    break
                answered = other.answered
            if not answered:
                if active.token > other.token:
                    other.stop()
                raise _busy(other)
            other.over.wait(60)
        for run in dropped:
            run.evict()
        return warm

    def _admit(self, id: str, active: Active) -> tuple[Warm | None, list[Run]]:
        if self._closed:
            raise Denied("the endpoint is closing")
        if 0 < active.token <= self._last.get(id, 0):
            raise Denied("this attempt is over, or a newer one was answered")
        self._busy[id] = active
        return self._warm.pop(id, None), self._expired()

    def _expired(self) -> list[Run]:
        dropped, oldest = [], time.monotonic() - self._ttl
        while self._warm and next(iter(self._warm.values())).since < oldest:
            dropped.append(self._warm.popitem(last=False)[1].run)
        return dropped

    def answered(self, id: str, active: Active, again: bool) -> None:
        """Notes that the answer of an attempt is ready. again: the server may send the same attempt once more."""
        with self._lock:
            active.answered = True
            if again or not active.token:
                return
            self._last[id] = active.token
            self._last.move_to_end(id)
            if len(self._last) > _MAX_TOKENS:
                self._last.popitem(last=False)

    def interrupt(self, id: str, token: int) -> None:
        """Tells an attempt to stop whose caller is gone."""
        with self._lock:
            active = self._busy.get(id)
            if active is not None and active.token == token and not active.answered:
                active.stop()

    def end(self, id: str, keep: Warm | None) -> None:
        """Gives back what begin took. None: nothing is kept."""
        dropped: list[Run] = []
        with self._lock:
            self._busy.pop(id).over.set()
            if keep is not None:
                if self._closed or self._size <= 0:
                    dropped.append(keep.run)
                else:
                    keep.since = time.monotonic()
                    self._warm[id] = keep
                    if len(self._warm) > self._size:
                        dropped.append(self._warm.popitem(last=False)[1].run)
        for run in dropped:
            run.evict()

    def close(self) -> None:
        """Evicts all, and interrupts what is under way."""
        with self._lock:
            self._closed = True
            for active in self._busy.values():
                active.stop()
            dropped = [w.run for w in self._warm.values()]
            self._warm.clear()
        for run in dropped:
            run.evict()


def _busy(other: Active) -> Denied:
    if not other.told:
        return Denied("another attempt of this run is under way here", _MIN_STOP)
    since = time.monotonic() - other.told
    return Denied(
        f"an earlier attempt of this run was told to stop {since:.1f} s ago, for its time was over or the call was "
        "canceled, and is still under way here: what blocks cannot be interrupted",
        min(max(since, _MIN_STOP), _MAX_STOP),
    )
