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


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a task: its type is task.created, task.started, task.retrying,
    task. with the state that it has come to, or reset, which stands for events that are missing."""

    type: str
    at: datetime | None = None  # None of a reset
    task: EventTask | None = None  # None of a reset
