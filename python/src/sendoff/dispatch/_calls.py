"""Calls as Dispatch's programs make them: many at once, and in place of the one that makes them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ParamSpec, TypeVar

from sendoff._client import Client
from sendoff.errors import SendoffError
from sendoff.functions import Function
from sendoff.functions._core.branch import outside
from sendoff.functions._function import TailCall
from sendoff.models import NewTask

P = ParamSpec("P")
T = TypeVar("T")
_MOST = 1000  # of one request


class Reset(TailCall):
    """Raised by a function, has the call go on with another function or input, under the same id:
    raise Reset(countdown, n - 1)."""

    def __init__(self, func: Function[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
        super().__init__(func.tail_call(*args, **kwargs).call)


class Ids(list[str]):
    """The ids of calls. Programs of Dispatch may await them, which gives themselves."""

    def __await__(self) -> Generator[Any, None, list[str]]:
        yield from ()
        return self


class Batch:
    """Calls that are made together, by dispatch: 1,000 all or none, more in parts of 1,000."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls: list[NewTask] = []

    def add(self, func: Function[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Batch:
        """Adds a call; InvalidValue names an argument that is wrong."""
        self.calls.append(func.new(*args, **kwargs))
        return self

    def clear(self) -> None:
        """Forgets all."""
        self.calls = []

    def dispatch(self) -> Ids:
        """Makes them, and forgets them: their ids, in their order. Where it raises, what was not made is left."""
        outside("a batch is dispatched")
        made = Ids()
        while self.calls:
            part = self.calls[:_MOST]
            for item in self._client.batch(part, atomic=True):
                if item.task is None:
                    raise SendoffError(f"a call was refused: {item.error}")
                made.append(item.task.id)
            del self.calls[:_MOST]
        return made
