"""Graphs of jobs, and their runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sendoff._codec import encode, plain
from sendoff._flow import (
    Flow,
    Items,
    Page,
    Pause,
    Reply,
    Request,
    act,
    items,
    keyed,
    nothing,
    one,
    page,
    path,
    read,
    write,
)
from sendoff._group import D, Group, listing, operation, procedure
from sendoff._waits import MAX_WAIT, seconds
from sendoff.models.graphs import GraphCall, GraphRevision, GraphRun
from sendoff.models.requests import NewGraphRun


def _text(reply: Reply) -> str:
    return reply.body.decode()


class Graphs(Group[D]):
    """Keeps definitions of graphs."""

    @operation
    def save(self, definition: Mapping[str, Any]) -> Request[GraphRevision]:
        """Keeps a definition, with its name, as the next revision of that; one that is the latest already is not kept
        again."""
        return write("POST", path("graphs"), one(GraphRevision), plain(definition))

    @operation
    def get(self, name: str, *, rev: int | None = None) -> Request[GraphRevision]:
        """A revision with its definition; default the latest."""
        return read(path("graphs", name), one(GraphRevision), rev=rev)

    @listing
    def list(self, *, limit: int | None = None) -> Request[Page[GraphRevision]]:
        """Goes through all graphs by name, each with its latest revision."""
        return read(path("graphs"), page(GraphRevision), limit=limit)

    @operation
    def delete(self, name: str) -> Request[None]:
        """Forgets a graph with all its revisions."""
        return Request("DELETE", path("graphs", name), nothing)


class GraphRuns(Group[D]):
    """Begins, watches and steers runs of graphs."""

    @operation
    def start(self, run: NewGraphRun, *, idempotency_key: str | None = None) -> Request[GraphRun]:
        """Runs a graph."""
        return keyed(write("POST", path("graph-runs"), one(GraphRun), encode(run)), idempotency_key)

    @operation
    def get(self, id: str, *, wait: float | timedelta | None = None) -> Request[GraphRun]:
        """A run, and how its jobs stand; with wait, of 60 s at most, when it has ended."""
        span = None if wait is None else timedelta(seconds=seconds(wait))
        return read(path("graph-runs", id), one(GraphRun), seconds(wait or 0), wait=span)

    @procedure
    def wait(self, id: str, timeout: float | timedelta | None = None) -> Flow[GraphRun]:
        """The run when it has ended, or, when timeout is over first, as it is then."""
        until = None if timeout is None else time.monotonic() + seconds(timeout)
        while True:
            left = MAX_WAIT if until is None else max(until - time.monotonic(), 0.001)
            wait = timedelta(seconds=min(left, MAX_WAIT))
            request = read(path("graph-runs", id), one(GraphRun), wait.total_seconds(), wait=wait)
            run = yield from self._send(request)
            if run.ended or (until is not None and time.monotonic() >= until):
                return run
            yield Pause(0.02)

    @listing
    def list(self, *, graph: str | None = None, limit: int | None = None) -> Request[Page[GraphRun]]:
        """Goes through runs, the newest first."""
        return read(path("graph-runs"), page(GraphRun), graph=graph, limit=limit)

    @operation
    def pause(self, id: str) -> Request[GraphRun]:
        """What is under way goes on, and nothing more begins."""
        return act(path("graph-runs", id, "pause"), one(GraphRun), True)

    @operation
    def resume(self, id: str) -> Request[GraphRun]:
        """Ends a pause."""
        return act(path("graph-runs", id, "resume"), one(GraphRun), True)

    @operation
    def cancel(self, id: str) -> Request[GraphRun]:
        """What is under way ends, and the cleanups are called."""
        return act(path("graph-runs", id, "cancel"), one(GraphRun), True)

    @operation
    def retry(self, id: str) -> Request[GraphRun]:
        """Runs the graph again, without the jobs that this run has done. Not repeated when its answer is lost."""
        return act(path("graph-runs", id, "retry"), one(GraphRun), False)

    @operation
    def calls(self, id: str, job: str) -> Request[Items[GraphCall]]:
        """The calls of a job that have ended, in their order, with what they printed."""
        return read(path("graph-runs", id, "calls"), items(GraphCall), job=job)

    @operation
    def draw(self, id: str) -> Request[str]:
        """A picture of the run, as SVG."""
        return read(path("graph-runs", id, "graph.svg"), _text)
