"""What a call can raise. All are SendoffError."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sendoff.models.tasks import Task


class SendoffError(Exception):
    """Base of all errors of this package."""


class Unreachable(SendoffError):
    """There was no answer: no connection, or it broke off. What was asked may have been done,
    unless never_sent is set."""

    def __init__(self, text: str, never_sent: bool = False) -> None:
        super().__init__(text)
        self.never_sent = never_sent


class NotSendoff(SendoffError):
    """The answer is not that of a Sendoff server."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with a field, which is named as the request wrote it: "retry.max_attempts"."""

    field: str
    message: str


@dataclass(eq=False)
class Problem(SendoffError):
    """What the server answered instead of doing what was asked. Nothing of it was stored."""

    status: int
    code: str = ""  # for programs: already_exists, state_conflict, ...
    detail: str = ""  # for people: what was wrong, and what would be right
    title: str = ""
    fields: list[FieldError] = field(default_factory=list)
    scope: str = ""  # of a Forbidden: what the key lacks
    retry_after: timedelta | None = None  # when to come back

    def __post_init__(self) -> None:
        super().__init__(str(self))

    def __str__(self) -> str:
        told = "; ".join(f"{f.field}: {f.message}" for f in self.fields)
        return f"{self.detail or told or self.title or self.code} ({self.status})"


class Invalid(Problem):
    """A field is wrong, or the request cannot be read (400, 413, 415, 422): see fields."""


class Unauthorized(Problem):
    """There was no API key, or a wrong one (401)."""


class Forbidden(Problem):
    """The key may not do that (403): see scope."""


class NotFound(Problem):
    """There is no such task, queue or other thing (404)."""


class Conflict(Problem):
    """It does not fit what is there (409): an id is taken, a task has ended or is running."""


class QuotaExceeded(Problem):
    """The namespace has used up what it may (429): see retry_after."""


class Unavailable(Problem):
    """The server cannot do it now (502, 503, 504): see retry_after."""


class InvalidValue(SendoffError, ValueError):
    """A value has no JSON, or JSON is not what an annotation says; where names it."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where


class WaitTimeout(SendoffError, TimeoutError):
    """The task has not ended in the time that was given; task is how it was last seen."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"task {task.id} has not ended: it is {task.state}")
        self.task = task


class TaskFailed(SendoffError):
    """The task whose result was asked for has failed, or was canceled."""

    def __init__(self, task: Task) -> None:
        why = task.error.message if task.error else task.last_error or task.reason
        super().__init__(f"task {task.id} {task.state}: {why}" if why else f"task {task.id} {task.state}")
        self.task = task


_BY_STATUS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: QuotaExceeded,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(status: int, body: Any, retry_after: timedelta | None = None) -> Problem:
    """Makes the error of a refusal; body is its JSON, or the text of something in between."""
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    code = str(told.get("code") or "")
    detail = str(told.get("detail") or "")
    title = str(told.get("title") or _phrase(status))
    if isinstance(body, str) and not told:
        detail = body.strip().split("\n")[0][:200]
    if not code and status < 500:
        detail = f"the answer is not that of a Sendoff server: {detail or title}"
    faults = [FieldError(str(f.get("field", "")), str(f.get("message", ""))) for f in told.get("errors") or []]
    kind = _BY_STATUS.get(status, Problem) if code or status >= 500 else Problem
    return kind(status, code, detail, title, faults, str(told.get("scope") or ""), retry_after)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
