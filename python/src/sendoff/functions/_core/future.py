"""What will come of what a function asks for, and waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sendoff.functions._core.branch import Branch, Misuse, current, owner
from sendoff.functions._failure import Canceled, Ended, decode_error, raised
from sendoff.functions._format.journal import NONE, Value
from sendoff.functions._format.payload import PREFIX

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run
    from sendoff.functions._core.scope import Scope

T = TypeVar("T")
ERROR = PREFIX + "dispatch.sdk.v1.Error"


class Kind(Enum):
    """What a future stands for."""

    CALL = 1
    STEP = 2
    TIMER = 3
    BRANCH = 4
    SIGNAL = 5


class Future(Generic[T]):
    """A result that will come: of a call, a step, a branch, a timer, a signal. Await it, more than once if you like.

    Only the function that made it, and its branches, may use it.
    """

    __slots__ = (
        "at", "body", "branch", "call", "detached", "done", "error", "fail", "final", "halt", "kind", "local", "name",
         "ordinal", "path", "read", "run", "scope", "seen", "sent", "shielded", "signal", "sink", "value", "waits",
    )  # fmt: skip

    def __init__(
        self,
        run: Run,
        kind: Kind,
        name: str,
        read: Callable[[Value], T] | None = None,
        ordinal: int = 0,
        path: str = "",
    ) -> None:
        self.run: Run = run
        self.kind: Kind = kind
        self.name: str = name
        self.read: Callable[[Value], T] | None = read
        self.ordinal: int = ordinal
        self.path: str = path
        self.done: bool = False  # it is there
        self.sent: bool = False  # a call that a poll carried
        self.detached: bool = False  # a call that nobody waits for
        self.final: bool = False  # its end was read from the journal
        self.value: Value = NONE
        self.fail: Any = None  # as it was recorded
        self.error: BaseException | None = None  # of a branch, or why it was given up
        self.local: Any = None  # what a branch returned
        self.seen: tuple[T] | None = None
        self.waits: list[Wait] = []
        self.call: Any = None  # until it is sent
        self.signal: str = ""  # its name
        self.branch: Branch | None = None
        self.body: Any = None  # of a step, until it starts
        self.scope: Scope | None = None  # of a step
        self.shielded: bool = False  # a step that goes on when its scope has ended
        self.halt: Callable[[], None] | None = None  # ends a step that is under way
        self.sink: Callable[[Future[T]], None] | None = None  # hears of its end
        self.at: int = 0  # of a timer, microseconds

    @property
    def failed(self) -> bool:
        """It ended with an error."""
        return self.fail is not None or self.error is not None

    def __await__(self) -> Generator[Wait, None, T]:
        if self.detached:
            raise Misuse(f"nobody can wait for a detached call of {self.name}; leave detached away")
        try:
            yield from wait(Mode.EVERY, (self,))
        except Ended:
            if self.kind is Kind.CALL:
                self.cancel()
            raise
        return self.result()

    def cancel(self) -> None:
        """Gives it up: a call that is open is canceled, a step stopped, a branch ended at its next wait."""
        if self.done or self.run.leaving:
            return
        if current() is None:
            raise Misuse("a future was canceled outside of the function that made it")
        if self.branch is not None:
            self.branch.whole.cancel(Canceled)
            return
        if self.kind is Kind.CALL and self.sent:
            self.run.outbox.given_up.append(self.run.correlation(self.ordinal))
        self.error = Canceled()
        self.run.complete(self)

    def result(self) -> T:
        """What is there, or its error, raised."""
        if self.fail is not None:
            raise raised(self.name, self.fail, self.final)
        if self.error is not None:
            raise Canceled() if isinstance(self.error, Canceled) else self.error
        if self.branch is not None:
            return self.local  # type: ignore[no-any-return]
        if self.seen is None:
            self.seen = (self.read(self.value) if self.read else self.value,)  # type: ignore[assignment]
        assert self.seen is not None
        return self.seen[0]

    def stop(self) -> None:
        """Ends a step that is under way."""
        if self.halt is not None:
            self.halt()

    def take(self, value: Value, fail: Any = None, final: bool = True) -> None:
        """Takes its end."""
        self.value, self.fail, self.final = value, fail, final

    def take_signal(self, value: Value) -> None:
        """Takes the value of a signal; an Error is the rejection of a promise."""
        if value.url == ERROR:
            self.fail, self.final = decode_error(value.data), True
            return
        self.value = value

    def bind(self) -> None:
        """Takes a signal that came before somebody waited for it."""
        if self.kind is Kind.SIGNAL and not self.done:
            kept = self.run.inbox.kept(self.signal)
            if kept is not None:
                self.take_signal(kept)
                self.run.complete(self)

    def enlist(self, w: Wait) -> None:
        """Has a wait hear of its end."""
        if not self.done:
            self.waits.append(w)
            if self.kind is Kind.SIGNAL:
                self.run.inbox.list(self)

    def unlist(self, w: Wait) -> None:
        """Has a wait hear of it no more."""
        if not self.done:
            self.waits.remove(w)
            if self.kind is Kind.SIGNAL:
                self.run.inbox.unlist(self)


class Mode(Enum):
    """When a wait is over."""

    ALL = 1  # all have ended, or one failed
    EVERY = 2  # all have ended
    FIRST = 3  # one has ended
    SUCCESS = 4  # one has ended well, or all have ended


class Wait:
    """What a parked branch waits for."""

    __slots__ = ("branch", "calls", "mode", "pending", "scope", "woken")

    def __init__(self, branch: Branch, mode: Mode) -> None:
        self.branch: Branch = branch
        self.mode: Mode = mode
        self.scope: Scope = branch.scope
        self.pending: int = 0
        self.calls: int = 0  # calls: of pending
        self.woken: bool = False

    def met(self, futures: Iterable[Future[Any]]) -> bool:
        """Nothing is to be waited for; counts what is."""
        for f in futures:
            if f.run is not self.branch.run:
                raise Misuse("a future was awaited outside of the run that made it")
            f.bind()
            if f.done:
                if self._over(f):
                    return True
            else:
                self.pending += 1
                self.calls += f.kind is Kind.CALL
        return self.pending == 0

    def _over(self, f: Future[Any]) -> bool:
        if self.mode is Mode.FIRST:
            return True
        return self.mode is not Mode.EVERY and f.failed == (self.mode is Mode.ALL)

    def notify(self, f: Future[Any]) -> None:
        """Hears of an end."""
        self.pending -= 1
        self.calls -= f.kind is Kind.CALL
        if self.pending == 0 or self._over(f):
            self.wake()

    def wake(self) -> None:
        """Has its branch go on."""
        if not self.woken:
            self.woken = True
            self.branch.run.enqueue(self.branch)

    def need(self, prompt: bool) -> int:
        """How many results of calls end it at the soonest; 0 = they cannot. Where prompt, a failure is told anyway."""
        if self.mode is Mode.EVERY or (self.mode is Mode.ALL and prompt):
            return self.calls
        return min(self.calls, 1)


def wait(mode: Mode, futures: Sequence[Future[Any]]) -> Generator[Wait, None, None]:
    """Parks the branch until the futures have ended as the mode says. Raises Ended when its scope has ended before."""
    branch = owner("waiting")
    while True:
        w = Wait(branch, mode)
        if w.met(futures):
            return
        branch.check()
        for f in futures:
            f.enlist(w)
        branch.wait = w
        try:
            if not branch.run.repeat_for(branch):
                yield w
        finally:
            branch.wait = None
            for f in futures:
                f.unlist(w)


def cancel_all(futures: Iterable[Future[Any]]) -> None:
    """Gives up all that have not ended, in the order in which they were asked for."""
    for f in sorted(futures, key=lambda f: f.ordinal):
        f.cancel()
