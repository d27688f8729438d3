"""What is done to many tasks at once."""

from __future__ import annotations

from typing import Any

from sendoff._codec import encode
from sendoff._flow import Page, Request, act, one, page, path, query_values, read, write
from sendoff._group import D, Group, listing, operation
from sendoff.models.actions import Action, ActionItem, ActionPreview
from sendoff.models.requests import Bulk
from sendoff.resources.tasks import filter_query


def _body(bulk: Bulk, dry_run: bool) -> dict[str, Any]:
    body: dict[str, Any] = {k: v for k, v in encode(bulk).items() if k != "filter"}
    if bulk.filter is not None:
        body["filter"] = {k: query_values(v) for k, v in filter_query(bulk.filter).items()}
    return {**body, "dry_run": True} if dry_run else body


class Actions(Group[D]):
    """Cancels, retries, runs, reschedules, moves and deletes many tasks; the server carries
    it out, whatever becomes of the client."""

    @operation
    def preview(self, bulk: Bulk) -> Request[ActionPreview]:
        """Tells what would be done, and does nothing."""
        return write("POST", path("tasks", "bulk"), one(ActionPreview), _body(bulk, True))

    @operation
    def start(self, bulk: Bulk) -> Request[Action]:
        """Begins an action. Not repeated when its answer is lost: see list."""
        return write("POST", path("tasks", "bulk"), one(Action), _body(bulk, False), False)

    @listing
    def list(self, *, limit: int | None = None) -> Request[Page[Action]]:
        """Goes through actions, newest first; they are kept for 30 days after their end."""
        return read(path("actions"), page(Action), limit=limit)

    @operation
    def get(self, id: str) -> Request[Action]:
        """An action."""
        return read(path("actions", id), one(Action))

    @listing
    def items(self, id: str, *, limit: int | None = None) -> Request[Page[ActionItem]]:
        """Goes through the tasks that it was done to, the first 100,000."""
        return read(path("actions", id, "items"), page(ActionItem), limit=limit)

    @operation
    def pause(self, id: str) -> Request[Action]:
        """Has it rest where it is."""
        return act(path("actions", id, "pause"), one(Action), True)

    @operation
    def resume(self, id: str) -> Request[Action]:
        """Has it go on."""
        return act(path("actions", id, "resume"), one(Action), True)

    @operation
    def abort(self, id: str) -> Request[Action]:
        """Ends it where it is; what it did stays."""
        return act(path("actions", id, "abort"), one(Action), True)

    @operation
    def undo(self, id: str) -> Request[Action]:
        """Makes an action that undoes a cancel or a retry, as far as that holds. Not repeated when its answer is
        lost."""
        return act(path("actions", id, "undo"), one(Action), False)
