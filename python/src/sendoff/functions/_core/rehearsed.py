"""What a rehearsal knows of its calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sendoff.functions._format.messages import Any_, CallResult, Error, PollResult, ReceiveResponse

_RESULT = "type.googleapis.com/dispatch.sdk.v1.PollResult"


@dataclass(eq=False)
class Task:
    """A call."""

    id: str
    call: Any
    created: int
    parent: Task | None = None
    root: str = ""
    expires: int = 0
    state: Any = None
    journal: list[bytes] = field(default_factory=list)
    length: int = 0
    writer: int = 0
    token: int = 0
    epoch: int = 0
    attempt: int = 0
    resumed: bool = False  # has polled
    inbox: list[Any] = field(default_factory=list)
    old: list[Any] = field(default_factory=list)
    open: dict[int, Task] = field(default_factory=dict)
    signals: list[Any] = field(default_factory=list)
    need_full: bool = False
    undo: bool = False  # there is something to undo
    canceled: bool = False  # it was canceled, and undoes it
    waiting: bool = False
    prompt: bool = False
    least: int = 1
    most: int = 1000
    serial: int = 0  # of the suspension, for its timer
    running: bool = False
    done: bool = False
    result: Any = None
    status: int = 0
    request: Any = None  # of the last attempt
    told: tuple[list[Any], list[Any]] = ((), ())  # type: ignore[assignment]
    given: list[tuple[Any, Any]] = field(default_factory=list)  # by receive, to that attempt: result or signal

    @property
    def correlation(self) -> int:
        """Of the call, for its caller."""
        return int(self.call.correlation_id)

    @property
    def detached(self) -> bool:
        """Nobody waits for it."""
        return bool(self.call.options.detached)

    def met(self) -> bool:
        """What a suspended call waits for is there: by the rules of docs/protocol.md."""
        waited = len(self.open) + len(self.inbox)
        need = min(max(self.least, 1), self.most or 1000, 1000, max(waited, 1))
        if not waited:
            need = 1
        if len(self.inbox) + len(self.signals) >= need:
            return True
        return self.prompt and (bool(self.signals) or any(r.HasField("error") for r in self.inbox))


def holds(items: Any, one: Any) -> bool:
    """One of the items is this object."""
    return any(i is one for i in items)


def given_after(given: list[tuple[Any, Any]], after: int) -> Any:
    """What receive gave behind a message."""
    poll = PollResult(results=[r for r, _ in given[after:] if r is not None])
    packed = Any_(type_url=_RESULT, value=poll.SerializeToString())
    return ReceiveResponse(
        sequence=len(given), poll_result=packed, signals=[s for _, s in given[after:] if s is not None]
    )


def failure(kind: str, message: str) -> Any:
    """The result of a call that the server ends."""
    return CallResult(error=Error(type=kind, message=message))


def canceled(fail: Any) -> Any:
    """The result of a call that was canceled; fail: what it said itself."""
    result = failure("canceled", "the call was canceled")
    if fail is not None and fail.type and fail.type != "canceled":
        result.error.message += f"; {fail.type}: {fail.message}"
    return result
