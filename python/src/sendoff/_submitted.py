"""A call that was handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sendoff._client import Client
from sendoff.models import Task

if TYPE_CHECKING:
    from sendoff.tasks import TaskFunction


class Submitted:
    """A call that was handed over. task: as the server accepted it; None when it was called at once."""

    def __init__(self, of: TaskFunction[..., Any], client: Client | None, task: Task | None, value: Any) -> None:
        self.task, self._of, self._client, self._value = task, of, client, value

    @property
    def id(self) -> str:
        """The task's; "" when it was called at once."""
        return self.task.id if self.task else ""

    def result(self, timeout: float | timedelta | None = None) -> Any:
        """Waits, and returns what the function returned, made of JSON by its annotation. Raises TaskFailed, and
        WaitTimeout when timeout (seconds) is over."""
        if self.task is None or self._client is None:
            return self._of.result(self._value)
        return self._of.result(self._client.result(self.task.id, timeout))

    get = result  # Celery's name

    def state(self) -> str:
        """How it is now: scheduled, ready, running, suspended, blocked, succeeded, failed, canceled."""
        if self.task is None or self._client is None:
            return "succeeded"
        self.task = self._client.get(self.task.id)
        return self.task.state

    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state() in ("succeeded", "failed", "canceled")

    def successful(self) -> bool:
        """Whether it has succeeded."""
        return self.state() == "succeeded"

    def cancel(self) -> None:
        """Ends it, whether it waits or runs. Conflict when it has ended."""
        if self.task is not None and self._client is not None:
            self.task = self._client.tasks.cancel(self.task.id)
