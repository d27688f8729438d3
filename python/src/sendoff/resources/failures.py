"""Tasks that failed alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sendoff._codec import encode
from sendoff._flow import Page, Request, one, page, path, read, write
from sendoff._group import D, Group, listing, operation
from sendoff.models.failures import FailureGroup


class Failures(Group[D]):
    """Lists and mutes groups of failures."""

    @listing
    def list(self, *, limit: int | None = None) -> Request[Page[FailureGroup]]:
        """Goes through the groups, those that failed last first; the last 5 seconds may be missing."""
        return read(path("failures"), page(FailureGroup), limit=limit)

    @operation
    def get(self, id: str) -> Request[FailureGroup]:
        """A group."""
        return read(path("failures", id), one(FailureGroup))

    @operation
    def mute(self, id: str, until: datetime | timedelta) -> Request[FailureGroup]:
        """Marks a group as known until a time, or for so long."""
        body: dict[str, Any] = {"for" if isinstance(until, timedelta) else "until": encode(until)}
        return write("POST", path("failures", id, "mute"), one(FailureGroup), body)

    @operation
    def unmute(self, id: str) -> Request[FailureGroup]:
        """Ends a mute."""
        return write("POST", path("failures", id, "mute"), one(FailureGroup), {})
