"""Answers of the server: events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class EventTask:
    """The task that something happened to, without what it carries."""

    id: str
    kind: str
    queue: str
    state: str
    attempt: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    name: str = ""
    node: str = ""  # That saw it
    reason: str = ""
    schedule: str = ""  # That has made it


@dataclass(frozen=True, kw_only=True)
class EventSchedule:
    """The schedule that something happened to."""

    name: str


@dataclass(frozen=True, kw_only=True)
class EventAction:
    """The action that has changed, or came further."""

    id: str


@dataclass(frozen=True, kw_only=True)
class EventNode:
    """The node that came, went or claims nothing more."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a task, or to what a topic names besides: its type is task.created,
    task.started, task.retrying, task. with the state that it has come to; schedule.fired,
    schedule.changed, schedule.deleted; action.changed; node.joined, node.draining, node.left; or
    reset, which stands for events that are missing."""

    type: str
    at: datetime | None = None  # None of a reset
    task: EventTask | None = None  # None when it is about something else
    schedule: EventSchedule | None = None
    action: EventAction | None = None
    node: EventNode | None = None
