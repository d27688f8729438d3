"""How long the waits of a branch may go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sendoff.functions._failure import Ended

if TYPE_CHECKING:
    from sendoff.functions._core.branch import Branch
    from sendoff.functions._core.future import Future


class Scope:
    """A part of a branch, all of it or the body of a timeout, whose waits can be ended together."""

    __slots__ = ("branch", "children", "deadline", "ended", "number", "parent", "steps")

    def __init__(self, branch: Branch, parent: Scope | None, deadline: int = 0) -> None:
        self.branch: Branch = branch
        self.parent: Scope | None = parent
        self.number: int = branch.run.next_scope()  # rises in the order of creation
        self.children: dict[int, Scope] = {}
        self.steps: set[Future[object]] = set()  # that are under way for it
        self.deadline: int = deadline or (parent.deadline if parent else 0)  # microseconds; 0 = none
        self.ended: type[Ended] | None = parent.ended if parent else None
        if parent is not None:
            parent.children[self.number] = self

    def cancel(self, cause: type[Ended]) -> None:
        """Ends the waits in it, and wakes who waits."""
        self._end(cause)
        self._detach()
        self._wake()

    def leave(self, cause: type[Ended]) -> None:
        """Ends it because its code has ended."""
        self._detach()
        self._end(cause)

    def _end(self, cause: type[Ended]) -> None:
        for scope in self._all():
            if scope.ended is None:
                scope.ended = cause
                for step in list(scope.steps):
                    step.stop()

    def _all(self) -> Iterator[Scope]:
        yield self
        for child in self.children.values():
            yield from child._all()

    def _wake(self) -> None:
        w = self.branch.wait
        if w is not None and w.scope is self:
            w.wake()
        for number in sorted(self.children):
            if child := self.children.get(number):
                child._wake()

    def _detach(self) -> None:
        if self.parent is not None:
            self.parent.children.pop(self.number, None)
