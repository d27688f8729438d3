"""Runs functions for the requests of a server."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from sendoff.functions._core.attempt import Attempt, Info
from sendoff.functions._core.cache import Cache
from sendoff.functions._core.job import Answer, Job, restored
from sendoff.functions._core.run import Run
from sendoff.functions._core.site import site
from sendoff.functions._core.workers import Workers
from sendoff.functions._format.journal import Damaged, Value, decode


class Served(Protocol):
    """A function, as its host sees it."""

    def start(self, run: Run, input: Value) -> Coroutine[Any, Any, Any]:
        """The coroutine of a call."""
        ...

    def respond(self, value: Any, error: BaseException | None) -> Any:
        """The RunResponse for what it returned or raised."""


class Server(Protocol):
    """What the host asks of a server while a run goes on."""

    def checkpoint(self, id: str, token: int, segment: Any) -> None:
        """Puts a segment on record. Raises Stale when another attempt has taken over."""

    def receive(self, id: str, token: int, after: int) -> Any:
        """What came for a run, as a ReceiveResponse, after a while at the latest. Raises Stale."""


class Host:
    """Runs functions. Safe for several threads: each request blocks the one it came in.

    server: None = steps are on record only when their function waits or ends. size, ttl: suspended runs in memory, and
    seconds that they stay there. loop: where async steps are run; None = one of its own.
    """

    def __init__(
        self,
        server: Server | None = None,
        *,
        size: int = 1000,
        ttl: float = 900.0,
        build: str = "",
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.server: Server | None = server
        self.build: str = build
        self.trace: Callable[[str], None] | None = trace
        self.threads: Workers = Workers()
        self.cache: Cache = Cache(size, ttl)
        self.site = site
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Has async steps run on an event loop: that of the app."""
        self._loop = loop

    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of async steps."""
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="sendoff-loop", daemon=True).start()
            return self._loop

    def report(self, text: str) -> None:
        """Tells people what nobody waits for."""
        print(f"sendoff: {text}", file=sys.stderr)

    def close(self) -> None:
        """Takes the suspended runs off memory, and interrupts those under way; a server runs them elsewhere."""
        self.cache.close()
        self.threads.close()

    def run(self, request: Any, function: Served, *, virtual: int = 0) -> Answer:
        """Carries out one request. The caller writes the answer, and then calls what is returned beside it: only when
        it was written is the run kept in memory. virtual: the time, in microseconds, which stands still."""
        return Job(self, request, function, virtual).answer()

    def interrupt(self, request: Any) -> None:
        """Ends the attempt of a request whose caller is gone."""
        self.cache.interrupt(request.dispatch_id, request.context.token)

    def replay(self, function: Served, name: str, journal: bytes) -> None:
        """Runs a function over a whole journal and no further: it starts no step. Raises Mismatch, Damaged."""
        entries, log = decode(journal)
        if entries[0].name != name:
            raise Damaged(f"the journal is that of function {entries[0].name}, not of {name}")
        info = Info(entries[0].dispatch, name)
        run = restored(self, info, entries, log)
        run.dry = True
        run.start(function.start(run, entries[0].value))
        failure = run.advance(Attempt(entries[0].at, virtual=True))
        if failure is None and (lost := run.replay.missing()) is not None:
            failure = run.replay.lost(run.root, lost)
        run.evict()
        if failure is not None:
            raise failure
