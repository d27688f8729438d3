"""The names of the SDK of Dispatch for Python, so that its programs run with another import:

from sendoff import dispatch

Arguments and results travel as JSON by their annotations, not as pickles; runs are brought back by replay, not by
pickled stack frames. See docs/dispatch.md for what differs.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sendoff._client import Client
from sendoff.dispatch._calls import Batch, Reset
from sendoff.dispatch.fastapi import Dispatch
from sendoff.functions import Function, Functions, Status, any, default, function, gather, race
from sendoff.functions._listen import Listener
from sendoff.functions._operations import step

T = TypeVar("T")

__all__ = [
    "Batch",
    "Client",
    "Dispatch",
    "Function",
    "Registry",
    "Reset",
    "Status",
    "all",
    "any",
    "batch",
    "default_registry",
    "function",
    "gather",
    "race",
    "run",
    "run_forever",
    "step",
]

all = gather


class Registry(Functions):
    """Functions by a name, with an endpoint and a server of their own."""

    def __init__(
        self,
        name: str,
        api_key: str | None = None,
        api_url: str | None = None,
        endpoint: str | None = None,
        verification_key: str | None = None,
    ) -> None:
        super().__init__(endpoint, server=api_url, api_key=api_key, verification_key=verification_key)
        self.name = name

    def batch(self) -> Batch:
        """A new batch of calls to its server."""
        return Batch(self.connected())


def batch() -> Batch:
    """A new batch of calls to the server of dispatch.function."""
    return Batch(default.connected())


def default_registry() -> Functions:
    """That of dispatch.function."""
    return default


def run(main: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]], addr: str | None = None) -> T:
    """Serves the functions while a coroutine, or what makes one, runs; returns what it returns. addr: default
    DISPATCH_ENDPOINT_ADDR, then 127.0.0.1:8000."""
    listener = Listener(default.wsgi(), addr or os.environ.get("DISPATCH_ENDPOINT_ADDR") or "127.0.0.1:8000")
    threading.Thread(target=listener.serve, daemon=True).start()
    try:
        return asyncio.run(main if isinstance(main, Coroutine) else main())
    finally:
        listener.stop()
        default.close()


def run_forever() -> None:
    """Serves the functions until the process is told to end."""
    default.serve()
