"""Tasks that are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any, overload

from sendoff._codec import encode_with_nulls, plain
from sendoff._drivers import Async, Sync
from sendoff._flow import Items, Page, Request, act, items, nothing, one, page, path, read, write
from sendoff._group import D, Group, listing, operation
from sendoff._tail import Tail
from sendoff.models.attempts import Attempt, Dependency, StepPage
from sendoff.models.events import Event
from sendoff.models.requests import Filter, TaskChange
from sendoff.models.tasks import Task, TaskPage, Tree


def filter_query(filter: Filter | None) -> dict[str, Any]:
    """The parameters that select tasks."""
    if filter is None:
        return {}
    plain_fields = {f.name: getattr(filter, f.name) for f in fields(filter) if f.name not in ("labels", "where")}
    labels = {f"label.{k}": v for k, v in (filter.labels or {}).items()}
    return {k: v for k, v in {**plain_fields, **labels, **(filter.where or {})}.items() if v is not None}


class _Tail:
    """Makes a method that hears events, of the kind of its group."""

    @overload
    def __get__(self, group: Group[Sync], owner: Any) -> Callable[..., Iterator[Event]]: ...
    @overload
    def __get__(self, group: Group[Async], owner: Any) -> Callable[..., AsyncIterator[Event]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        return lambda *topics: group._driver.tail(Tail(topics))


class Tasks(Group[D]):
    """Lists, looks at and steers tasks. A task is named by its id, the id that its client
    chose, or its job number."""

    @listing
    def list(
        self, filter: Filter | None = None, *, sort: str | None = None, limit: int | None = None
    ) -> Request[Page[Task]]:
        """Goes through the tasks that fit, on all pages.

        sort: -created_at (the default), -finished_at with state failed, next_at with scheduled,
        position with ready, started_at with running. limit: tasks a page, 1 to 500.
        """
        return read(path("tasks"), page(Task), **filter_query(filter), sort=sort, limit=limit)

    @operation
    def page(
        self,
        filter: Filter | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool | None = None,
    ) -> Request[TaskPage]:
        """One page, with how many there are if count is set. It can be short, or empty, although more follow."""
        query = {**filter_query(filter), "sort": sort, "limit": limit, "cursor": cursor, "count": count}
        return read(path("tasks"), one(TaskPage), **query)

    @listing
    def attempts(self, id: str, *, limit: int | None = None) -> Request[Page[Attempt]]:
        """Goes through the attempts that are kept, oldest first."""
        return read(path("tasks", id, "attempts"), page(Attempt), limit=limit)

    @listing
    def dependencies(self, id: str, *, limit: int | None = None) -> Request[Page[Dependency]]:
        """Goes through the tasks that it depends on, with what came of them."""
        return read(path("tasks", id, "dependencies"), page(Dependency), limit=limit)

    @operation
    def steps(
        self, id: str, *, order: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Request[StepPage]:
        """A page of the steps of a function; order: oldest (the default), newest."""
        return read(path("tasks", id, "steps"), one(StepPage), order=order, limit=limit, cursor=cursor)

    @operation
    def tree(self, id: str) -> Request[Tree]:
        """A function with all calls made for it."""
        return read(path("tasks", id, "tree"), one(Tree))

    @operation
    def suggest(self, field: str, prefix: str | None = None) -> Request[Items[str]]:
        """Values by which tasks can be selected, at most 20: of a field such as "queue", "target_host"
        or "label.tenant", or names of labels for "label". Names that are kept, or of the newest tasks."""
        return read(path("suggest"), items(str), field=field, prefix=prefix)

    @operation
    def change(self, id: str, change: TaskChange | None = None, *defaults: str) -> Request[Task]:
        """Changes a task that has not started, and puts fields named in defaults, such as "run_at",
        "retry.max_attempts" or "labels.team", back to their defaults. A Conflict once it has started."""
        body = encode_with_nulls(change or TaskChange(), defaults)
        return write("PATCH", path("tasks", id), one(Task), body)

    @operation
    def cancel(self, id: str, *, now: bool | None = None) -> Request[Task]:
        """Ends a task and stops its attempt. A function that has something to undo does that
        first, unless now is set. A task that has ended otherwise is a Conflict."""
        return act(path("tasks", id, "cancel"), one(Task), True, now=now)

    @operation
    def retry(self, id: str, *, followers: bool | None = None) -> Request[Task]:
        """Starts a new run of a task that has ended; followers: frees those that depend on it.
        Not repeated when its answer is lost: that would be a Conflict."""
        return act(path("tasks", id, "retry"), one(Task), False, followers=followers)

    @operation
    def run(self, id: str, *, ignore_limits: bool | None = None) -> Request[Task]:
        """Runs a scheduled task now; ignore_limits: beyond limits, order and duplicates."""
        return act(path("tasks", id, "run"), one(Task), False, ignore_limits=ignore_limits)

    @operation
    def restart(self, id: str) -> Request[Task]:
        """Begins a function again from its input, whatever its state; its calls are canceled."""
        return act(path("tasks", id, "restart"), one(Task), False)

    @operation
    def signal(self, id: str, name: str, value: Any = None) -> Request[None]:
        """Sends a value, as JSON, to a function that has not ended. Not repeated when its answer is lost."""
        return write("POST", path("tasks", id, "signals", name), nothing, plain(value), False)

    @operation
    def complete(self, id: str, token: int, result: Any = None) -> Request[None]:
        """Tells that a task is done whose push was answered 202 with "Sendoff-Ack: manual"; token
        is its Sendoff-Token. Conflict (code lease_lost) when that attempt is over."""
        return write("POST", path("tasks", id, "attempts", str(token), "complete"), nothing, {"result": plain(result)})

    @operation
    def fail(
        self, id: str, token: int, error: str = "", *, retry: bool = True, delay: timedelta | None = None
    ) -> Request[None]:
        """Tells that such a task has failed: tried again after delay, or the backoff, unless retry is false."""
        body = plain({"error": error, "retry": retry, "delay": delay or 0})
        return write("POST", path("tasks", id, "attempts", str(token), "fail"), nothing, body)

    @operation
    def heartbeat(self, id: str, token: int, extend: timedelta) -> Request[None]:
        """Has such a task go on for a time from now."""
        return write("POST", path("tasks", id, "attempts", str(token), "heartbeat"), nothing, plain({"extend": extend}))

    @operation
    def progress(
        self, id: str, token: int, done: int | None = None, total: int | None = None, text: str = ""
    ) -> Request[None]:
        """Tells how far an attempt is that is under way, of any kind; see Task.progress."""
        body = {k: v for k, v in {"done": done, "total": total, "text": text or None}.items() if v is not None}
        return write("POST", path("tasks", id, "attempts", str(token), "progress"), nothing, body)

    @operation
    def delete(self, id: str) -> Request[None]:
        """Erases a task that is not running, with its attempts."""
        return Request("DELETE", path("tasks", id), nothing)

    tail: _Tail = _Tail()
    """Hears what happens to tasks from now on, of the topics "tasks" (the default), "queue:NAME",
    "task:ID", "schedule:NAME" with the tasks that it makes, "action:ID" and "nodes". It comes back
    by itself when the connection is lost, and goes on behind the last event; an event of the type
    reset says that others are missing. For watching: who has to act on the end of a task gives it
    on_complete."""
