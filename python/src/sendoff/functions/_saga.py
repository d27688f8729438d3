"""Undoing what a function did when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sendoff.functions._core.branch import FAULTS, Leave, current, owner
from sendoff.functions._failure import note
from sendoff.functions._function import TailCall
from sendoff.functions._operations import step

# What ends a block without a failure: a tail call, and faults that have the function tried again.
_NO_FAILURE = (Leave, GeneratorExit, TailCall, *FAULTS)


class Saga:
    """Undoes what was done when the block fails, also because its time is over, or because it was canceled:

        async with sendoff.saga() as undo:
            undo.add("refund", refund, order.id)
            payment = await step("charge", charge, order.id)

    The last is undone first, each as a step. While there is something to undo, the time of the function is over
    before the call expires: by a tenth of its life, at most 5 minutes. A call that is canceled meanwhile is run once
    more, to undo: its waits raise Canceled. Other servers than Sendoff's undo nothing for a cancel.
    """

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = []

    def add(self, name: str, function: Callable[..., Any], /, *args: Any) -> None:
        """Says how to undo what is done next: it will be a step of that name."""
        if not self._undo:
            owner("a saga").run.undoing += 1
        self._undo.append((name, function, args))

    async def rollback(self) -> list[Exception]:
        """Undoes all, the last first, and forgets it. Goes on when one fails; returns what failed."""
        branch = owner("a saga")
        faults: list[Exception] = []
        branch.shielded += 1
        try:
            for name, function, args in reversed(self._undo):
                try:
                    await step(name, function, *args)
                except Exception as e:
                    faults.append(e)
        finally:
            branch.shielded -= 1
        self._forget()
        return faults

    def _forget(self) -> None:
        if self._undo:
            owner("a saga").run.undoing -= 1
        self._undo = []

    async def __aenter__(self) -> Saga:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        branch = current()
        if branch is None or branch.run.leaving or isinstance(error, _NO_FAILURE):
            return
        if error is None:
            self._forget()
            return
        for fault in await self.rollback():
            note(error, f"while undoing: {fault}")


def saga() -> Saga:
    """A new saga."""
    return Saga()
