"""Threads that steps are run in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

_Work = tuple[Callable[..., object], tuple[Any, ...]]
_REST = 1.0  # seconds that a thread waits for more before it ends
_MAX = 1024


class Workers:
    """Threads that do one thing after the other. Safe for several threads.

    They are those of an executor, so that the interpreter waits for them when it ends; but one that has done something
    takes what comes next itself, which costs a tenth of what an executor needs to hand it over.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX, thread_name_prefix="sendoff")
        self._lock = threading.Lock()
        self._free = 0  # threads that wait, and were promised nothing
        self._closed = False
        self._work: SimpleQueue[_Work | None] = SimpleQueue()  # None: a thread is to end

    def submit(self, do: Callable[..., object], *args: Any) -> None:
        """Has something done, which raises nothing. RuntimeError after close."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the endpoint is closing")
            waits = self._free > 0
            self._free -= waits
        if waits:
            self._work.put((do, args))
        else:
            self._threads.submit(self._serve, (do, args))

    def close(self) -> None:
        """Takes nothing more, and lets what is under way go on."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, 0
        for _ in range(free):
            self._work.put(None)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _serve(self, first: _Work) -> None:
        work: _Work | None = first
        while work is not None:
            work[0](*work[1])
            with self._lock:
                if self._closed:
                    return
                self._free += 1
            try:
                work = self._work.get(timeout=_REST)
            except Empty:
                with self._lock:
                    if self._free > 0:
                        self._free -= 1
                        return
                work = self._work.get()  # it was promised meanwhile
