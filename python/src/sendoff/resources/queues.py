"""Queues and limits."""

from __future__ import annotations

from datetime import datetime, timedelta

from sendoff._codec import encode, encode_with_nulls
from sendoff._flow import Items, Page, Reply, Request, act, items, nothing, one, page, path, read, write
from sendoff._group import D, Group, listing, operation
from sendoff.errors import NotSendoff
from sendoff.models.limits import LimitState
from sendoff.models.policy import QueueSettings
from sendoff.models.queues import Queue, QueueStats
from sendoff.models.requests import LimitSettings
from sendoff.models.stats import Stats


def _purged(reply: Reply) -> int:
    body = reply.json()
    if not isinstance(body, dict) or not isinstance(body.get("purged"), int):
        raise NotSendoff("the answer is not that of a Sendoff server: it has no number")
    return int(body["purged"])


class Queues(Group[D]):
    """Looks at queues, pauses them and sets what their tasks have."""

    @operation
    def list(self) -> Request[Items[Queue]]:
        """All queues by name."""
        return read(path("queues"), items(Queue))

    @operation
    def get(self, name: str) -> Request[Queue]:
        """A queue."""
        return read(path("queues", name), one(Queue))

    @operation
    def stats(self, name: str) -> Request[QueueStats]:
        """How many of its tasks are in which state."""
        return read(path("queues", name, "stats"), one(QueueStats))

    @operation
    def series(
        self,
        *queues: str,
        start: datetime | None = None,
        end: datetime | None = None,
        step: timedelta | None = None,
    ) -> Request[Stats]:
        """What happened in queues, default all, over a time, default the last three hours; step: ten seconds, a
        minute, ten minutes or an hour, default the shortest that is kept so long."""
        return read(path("stats"), one(Stats), by="queue", key=queues, **{"from": start, "to": end}, step=step)

    @operation
    def targets(self, *targets: str, start: datetime | None = None, end: datetime | None = None) -> Request[Stats]:
        """What happened with targets of all queues by the hour, default the last 24: with the host of a URL, or with
        the function, process or handler of a name."""
        return read(path("stats"), one(Stats), by="target", key=targets, **{"from": start, "to": end})

    @operation
    def pause(self, name: str) -> Request[Queue]:
        """Nothing more is started from it; attempts under way go on."""
        return act(path("queues", name, "pause"), one(Queue), True)

    @operation
    def resume(self, name: str) -> Request[Queue]:
        """Ends a pause."""
        return act(path("queues", name, "resume"), one(Queue), True)

    @operation
    def purge(self, name: str) -> Request[int]:
        """Cancels what is ready or scheduled, and returns how many these were."""
        return act(path("queues", name, "purge"), _purged, False)

    @operation
    def set(self, name: str, settings: QueueSettings) -> Request[Queue]:
        """Replaces the settings of a queue, which is made when it is new."""
        return write("PUT", path("queues", name), one(Queue), encode(settings))

    @operation
    def update(self, name: str, settings: QueueSettings | None = None, *defaults: str) -> Request[Queue]:
        """Changes what is set in settings, and puts those named in defaults, such as
        "retry.max_attempts", back to their defaults."""
        body = encode_with_nulls(settings or QueueSettings(), defaults)
        return write("PATCH", path("queues", name), one(Queue), body)

    @operation
    def delete(self, name: str) -> Request[None]:
        """Forgets a queue in which everything has ended; a Conflict otherwise."""
        return Request("DELETE", path("queues", name), nothing)


class Limits(Group[D]):
    """Configures what tasks share."""

    @listing
    def list(self, *, limit: int | None = None) -> Request[Page[LimitState]]:
        """Goes through the limits that are configured, by their keys."""
        return read(path("limits"), page(LimitState), limit=limit)

    @operation
    def get(self, key: str) -> Request[LimitState]:
        """A limit that is configured, or that tasks are under."""
        return read(path("limits", key), one(LimitState))

    @operation
    def set(self, key: str, settings: LimitSettings) -> Request[LimitState]:
        """Configures a limit, whatever tasks say of it."""
        return write("PUT", path("limits", key), one(LimitState), encode(settings))

    @operation
    def delete(self, key: str) -> Request[None]:
        """Forgets what was configured: what the next task says of it counts."""
        return Request("DELETE", path("limits", key), nothing)
