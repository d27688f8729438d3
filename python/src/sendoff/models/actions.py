"""Answers of the server: actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sendoff.models.access import Actor
from sendoff.models.tasks import Task


@dataclass(frozen=True, kw_only=True)
class ActionBound:
    """Up to where an action goes."""

    at: datetime  # Of tasks that have ended: those that did before it
    id: str  # Tasks made before it


@dataclass(frozen=True, kw_only=True)
class ActionTo:
    """What tasks are to become."""

    queue: str = ""
    run_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that is done to many tasks."""

    action: str  # cancel, retry, run, delete, reschedule, move
    bound: ActionBound
    by: Actor
    created_at: datetime
    done: int
    exact: bool  # false: there were that many at least
    failed: int
    id: str
    matched: int  # Tasks that there were something to do for when it was made
    passed: int  # Tasks to which nothing was done, because of how they stood
    rate: str
    state: str  # counting, running, paused, done, aborted
    undoable: bool
    filter: dict[str, list[str]] = field(default_factory=dict)
    finished_at: datetime | None = None
    ids: int | None = None  # How many tasks it was given by their ids
    reason: str = ""
    to: ActionTo | None = None  # Of reschedule and move
    undo_of: str = ""  # The action that it undoes

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ("done", "aborted")


@dataclass(frozen=True, kw_only=True)
class ActionItem:
    """A task that an action was done to."""

    seq: int
    task_id: str
    run: int | None = None  # In which it is since then


@dataclass(frozen=True, kw_only=True)
class ActionPreview:
    """What an action would do."""

    bound: ActionBound
    matched: int
    exact: bool  # False: there are that many at least
    passed_over: dict[str, int] = field(default_factory=dict)  # to which nothing would be done, by their states
    sample: list[Task] = field(default_factory=list)  # the first 10
