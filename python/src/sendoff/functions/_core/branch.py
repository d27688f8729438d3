"""The strands of a run: its function, and what it starts side by side."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Coroutine
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from sendoff.errors import SendoffError
from sendoff.functions._core.pcg import PCG, Random
from sendoff.functions._core.scope import Scope
from sendoff.functions._failure import Canceled

if TYPE_CHECKING:
    from sendoff.functions._core.future import Future, Wait
    from sendoff.functions._core.run import Run
    from sendoff.functions._format.journal import Entry


class Misuse(SendoffError):
    """The code of a function does what it must not. The call is tried again from where it was, as after a fault
    of the program that is mended by a new one."""


class Leave(BaseException):
    """Takes the code of a run off the stack that leaves memory. Nothing catches it, and finally is run."""


class _Current(threading.local):
    branch: Branch | None = None


FAULTS = (KeyboardInterrupt, SystemExit, Misuse)  # are no failure of a function: it is tried again

_MAX_TOLD = 10_000
_current = _Current()
in_step: ContextVar[Any] = ContextVar("sendoff step", default=None)


def current() -> Branch | None:
    """The branch whose code runs in this thread; None outside of a durable function."""
    return _current.branch


def owner(what: str) -> Branch:
    """The branch that asks for something. Misuse outside of a durable function."""
    branch = _current.branch
    if branch is None:
        if in_step.get() is not None:
            raise Misuse(f"{what} within a step: a step does one thing, and only the function asks for others")
        raise Misuse(
            f"{what} outside of a durable function: threads and event loops of your own have none; "
            "use sendoff.branch to do things side by side"
        )
    if branch.run.leaving:
        branch.run.leave()
    return branch


def outside(what: str) -> None:
    """Misuse in a durable function: each replay would do it again."""
    branch = _current.branch
    if branch is not None and not branch.plain:
        raise Misuse(f"{what} in a durable function, where each replay does it again: do it in a step")


class Branch:
    """A coroutine of the user's, driven by its run. Only one of a run is under way at a time."""

    def __init__(self, run: Run, id: int, parent: Branch | None, number: int, code: Coroutine[Any, Any, Any]) -> None:
        from sendoff.functions._core.future import Future, Kind

        self.run: Run = run
        self.id: int = id
        self.parent: Branch | None = parent
        self.number = number  # of the command that made it, in its parent
        self.count = 0  # commands so far
        self.recorded: list[Entry] = run.replay.commands_of(id)
        self.wait: Wait | None = None
        self.queued: bool = False
        self.done: bool = False
        self.shielded = 0  # undoing: its waits go on when their scope has ended
        self.plain = False  # its function cannot wait
        self.scope: Scope = Scope(self, parent.scope if parent else None)
        self.result: Future[Any] = Future(run, Kind.BRANCH, "branch")
        self.result.branch = self
        self.whole: Scope = self.scope  # not that of a timeout
        self._code = code
        # Its own, so that it is the same in each thread, and no other run meets what it sets.
        self._context = contextvars.copy_context() if parent else contextvars.Context()
        self._told = 0  # waits that were ended since it went on last
        self._random: Random | None = None
        self._ids: PCG | None = None
        run.live[self] = None
        run.enqueue(self)

    def resume(self) -> None:
        """Runs its code until it waits, or has ended."""
        _current.branch = self
        self.goes_on()
        try:
            waits = self._context.run(self._code.send, None)
        except StopIteration as end:
            self._finish(end.value, None)
        except (Leave, GeneratorExit):
            self.done = True  # the run has failed
        except FAULTS as e:
            self.done = True
            self.run.crash(e)
        except BaseException as e:
            self._finish(None, e)
        else:
            if waits is not self.wait:
                self.run.crash(self._foreign(waits))
        finally:
            _current.branch = None

    def goes_on(self) -> None:
        """Notes that its wait is over."""
        self.queued, self._told = False, 0

    def check(self) -> None:
        """Raises Ended when its scope has ended. Code that goes on and on after that is taken off the stack."""
        if self.scope.ended is None or self.shielded:
            return
        self._told += 1
        if self._told > _MAX_TOLD:
            self.run.stuck("the function does not end, though its waits do: it catches Canceled or TimedOut in a loop")
        raise self.scope.ended()

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self.done = True
        self.whole.leave(Canceled)
        self.result.local, self.result.error = value, error
        self.run.complete(self.result)

    def _foreign(self, waits: Any) -> Misuse:
        kind = type(waits).__name__ if waits is not None else "asyncio.sleep(0)"
        return Misuse(
            f"at {_line(self._code)} something is awaited that is no operation of sendoff ({kind}): "
            "a durable function waits for nothing else; do it in a step"
        )

    def evict(self) -> None:
        """Takes its code off the stack: what it does in finally is run, and nothing else."""
        before, _current.branch = _current.branch, self
        try:
            self._context.run(self._code.close)
        except (Leave, KeyboardInterrupt):
            pass
        except BaseException as e:  # whatever it is: other branches, and other runs, come after it
            self.run.host.report(f"function {self.run.info.function} left memory: {type(e).__name__}: {e}")
        finally:
            _current.branch = before

    def path(self, command: int) -> str:
        """Names a command, as in "3/1"."""
        text, branch = str(command), self
        while branch.parent is not None:
            text, branch = f"{branch.number}/{text}", branch.parent
        return text

    @property
    def random(self) -> Random:
        """Its random numbers."""
        if self._random is None:
            self._random = Random(PCG(self.run.info.seed, self.id))
        return self._random

    @property
    def ids(self) -> PCG:
        """What its identifiers are made of."""
        if self._ids is None:
            self._ids = PCG(self.run.info.seed, ~self.id)
        return self._ids


def _line(code: Any) -> str:
    """Where a coroutine waits: the innermost line of the user's."""
    found = "?"
    while isinstance(code, CoroutineType):
        frame = cast("Any", code).cr_frame
        if frame is not None:
            found = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        code = code.cr_await
    return found
