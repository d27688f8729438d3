"""Answers of the server: failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """What failed alike: tasks of one queue, target and code, whose errors differ in ids, numbers,
    quoted text and addresses alone."""

    id: str  # Filter takes it as failure
    queue: str
    count: int  # So many tasks ended like this, retried and deleted ones too
    first_at: datetime
    last_at: datetime
    sample: str  # Id of the task that failed last, which may be gone
    target: str = ""  # Host of the url, or name of the function, process or handler
    code: str = ""  # A status, or a word such as timeout
    text: str = ""  # The first line of the error, without what differs
    muted_until: datetime | None = None  # Somebody knows of it until then
    redacted: bool = False  # The text was left out: the key has no scope payloads
