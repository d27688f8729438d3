"""Messages to running functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from sendoff._client import Client
from sendoff._flow import Request
from sendoff.functions._core.branch import current, outside, owner
from sendoff.functions._core.future import ERROR, Future, Kind
from sendoff.functions._core.mail import PROMISE
from sendoff.functions._failure import recorded_with_status
from sendoff.functions._format.journal import Entry, Op, Value, place
from sendoff.functions._format.messages import Any_, SendSignalRequest
from sendoff.functions._format.payload import decode
from sendoff.functions._operations import step

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run

T = TypeVar("T")
_SEND = "/sendoff.v1.FunctionExtension/SendSignal"


class Signal(Generic[T]):
    """A kind of message to running functions, by its name. They wait until the function takes them, each once, in
    their order. They need a Sendoff server. kind: the annotation of its values."""

    @overload
    def __init__(self, name: str, kind: type[T]) -> None: ...

    @overload
    def __init__(self: Signal[Any], name: str, kind: Any = ...) -> None: ...

    def __init__(self, name: str, kind: Any = Any) -> None:
        self.name: str = name
        self._kind = kind

    def next(self) -> Future[T]:
        """The next one. It takes one only while the function waits for it, so one that lost in a select takes none."""
        run = owner(f"signal {self.name}").run
        f: Future[T] = Future(run, Kind.SIGNAL, f"signal {self.name}", self._read)
        f.signal = self.name
        return f

    def _read(self, value: Any) -> T:
        return cast("T", decode(self._kind, value, f"signal {self.name}"))

    async def receive(self) -> T:
        """Waits for the next one."""
        return await self.next()

    def send(self, id: str, value: T, *, client: Client | None = None) -> None:
        """Gives it to the run with that id, from outside of durable functions. Default client: one made for it from
        the environment."""
        outside(f"signal {self.name} is sent")
        _send(id, self.name, value, client)


def _send(id: str, name: str, value: Any, client: Client | None) -> None:
    if client is not None:
        client.tasks.signal(id, name, value)
        return
    with Client() as own:
        own.tasks.signal(id, name, value)


class Promise(Future[T]):
    """One result that somebody outside gives: hand its id out, and await it. Made by promise."""

    __slots__ = ("id",)

    def __init__(self, run: Run, path: str, read: Callable[[Value], T]) -> None:
        super().__init__(run, Kind.SIGNAL, "promise", read)
        self.id: str = f"{run.info.id}:{path}"
        self.signal: str = PROMISE + path


@overload
def promise(kind: type[T]) -> Promise[T]: ...


@overload
def promise(kind: Any = ...) -> Promise[Any]: ...


def promise(kind: Any = Any) -> Promise[Any]:
    """A promise of this run, of values with an annotation. It ends with its journal. Its id names the run and a place
    in it; it is no secret."""
    branch = owner("a promise")
    run = branch.run
    run.command(branch, Entry(op=Op.PROMISE))
    path = place(run.info.generation, branch.path(branch.count))
    return Promise(run, path, lambda v: decode(kind, v, "promise"))


def resolve(id: str, value: Any = None, *, client: Client | None = None) -> None:
    """Gives a promise its value, from outside of durable functions. The first end of a promise counts."""
    outside("a promise is resolved")
    run, name = _promised(id)
    _send(run, name, value, client)


def reject(id: str, error: BaseException, *, client: Client | None = None) -> None:
    """Has the wait for a promise fail with an error, from outside of durable functions: it is raised there as that of
    a call would be. The first end of a promise counts."""
    outside("a promise is rejected")
    run, name = _promised(id)
    value = Any_(type_url=ERROR, value=recorded_with_status(error).SerializeToString())
    body = SendSignalRequest(dispatch_id=run, name=name, value=value).SerializeToString()
    headers = {"Content-Type": "application/proto"}
    request = Request("POST", _SEND, lambda reply: None, content=body, headers=headers, again=True)
    if client is not None:
        client._driver.run(client._send(request))
        return
    with Client() as own:
        own._driver.run(own._send(request))


def _promised(id: str) -> tuple[str, str]:
    """The run of a promise, and the name of the signal that ends it."""
    run, colon, path = id.partition(":")
    if not run or not colon or not path:
        raise ValueError(f"promise id {id!r}: want that of a promise")
    return run, PROMISE + path


def send(id: str, name: str, value: Any = None, *, client: Client | None = None) -> Future[None]:
    """Gives a signal to another run, from a durable function: a step."""
    assert current() is not None or owner("sending a signal")
    return step(f"signal {name}", lambda: _send(id, name, value, client))
