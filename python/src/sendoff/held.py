"""Work that goes on after its push was answered: the app has said Manual, and tells later how it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, ParamSpec

from sendoff._client import Client
from sendoff._waits import seconds
from sendoff.errors import Conflict, SendoffError
from sendoff.push import Permanent, PushedTask, RetryAfter

P = ParamSpec("P")
_log = logging.getLogger("sendoff")


class Held:
    """A task that the app holds until it tells how it ends.

    As a context it sends heartbeats meanwhile, each for timeout (seconds, 1 s to 24 h) from then, so that
    the task is tried again soon after this process has died. Its end is what complete or fail told; without
    these a plain end of the context is a success, and an exception a failure: Permanent and
    RetryAfter mean what they mean in an answer, and Snooze spends an attempt here. Exceptions pass on.

    lost is set when the attempt is over for the server, since it was canceled or its time has passed: stop then.
    """

    def __init__(self, client: Client, task: PushedTask, timeout: float | timedelta = 60) -> None:
        self.task: PushedTask = task
        self.lost: threading.Event = threading.Event()
        self._client, self._timeout = client, timedelta(seconds=seconds(timeout))
        self._told, self._over = False, threading.Event()
        self._beats: threading.Thread | None = None

    def run(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Calls a function as in a context; what it returns is the result, as JSON. For threads and pools: nothing is
        raised, failures are logged."""
        try:
            with self:
                self.complete(function(*args, **kwargs))
        except Exception:
            _log.exception("task %s has failed", self.task.id)

    def complete(self, result: Any = None) -> None:
        """It is done. result: JSON of at most 64 KiB. When the attempt is over, lost is set and nothing is raised."""
        self._end(lambda: self._client.tasks.complete(self.task.id, self.task.token, result))

    def fail(self, error: str = "", *, retry: bool = True, delay: float | timedelta | None = None) -> None:
        """It has failed: tried again after delay (seconds), or the backoff, unless retry is false."""
        wait = None if delay is None else timedelta(seconds=seconds(delay))
        tell = self._client.tasks.fail
        self._end(lambda: tell(self.task.id, self.task.token, error, retry=retry, delay=wait))

    def heartbeat(self, extend: float | timedelta | None = None) -> bool:
        """It goes on, for so long from now (seconds; default timeout). False when the attempt is over."""
        wait = self._timeout if extend is None else timedelta(seconds=seconds(extend))
        self._tell(lambda: self._client.tasks.heartbeat(self.task.id, self.task.token, wait))
        return not self.lost.is_set()

    def __enter__(self) -> Held:
        self._beats = threading.Thread(target=self._beat, name=f"sendoff-{self.task.id}", daemon=True)
        self._beats.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._told:
            return
        if value is None:
            self.complete()
        elif isinstance(value, RetryAfter):
            self.fail(str(value), delay=value.after)
        else:
            self.fail(f"{kind.__name__ if kind else ''}: {value}", retry=not isinstance(value, Permanent))

    def _end(self, tell: Callable[[], None]) -> None:
        self._stop()
        self._tell(tell)
        self._told = True

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Conflict as e:
            if e.code != "lease_lost":
                raise
            self.lost.set()

    def _beat(self) -> None:
        while not self._over.wait(self._timeout.total_seconds() / 3):
            try:
                if not self.heartbeat():
                    return
            except SendoffError:
                _log.warning("task %s: a heartbeat has failed", self.task.id, exc_info=True)

    def _stop(self) -> None:
        self._over.set()
        if self._beats is not None and self._beats is not threading.current_thread():
            self._beats.join()
