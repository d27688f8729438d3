"""For tests of durable functions: virtual time, stubs, signals, crashes at every await, results in any order.

env = Env(order, price)
env.stub(ship, lambda id: f"parcel of {id}")
assert env.run(order, "o-1") == "parcel of o-1"
"""

from __future__ import annotations

import inspect
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast

from sendoff._waits import seconds
from sendoff.functions._core.host import Host
from sendoff.functions._core.rehearse import Answer, Blocked, Idle, Rehearsal, Unkind
from sendoff.functions._core.rehearsed import Task
from sendoff.functions._failure import note, raised, recorded_with_status
from sendoff.functions._format.journal import Kind, decode
from sendoff.functions._format.messages import CallResult, message, time_of
from sendoff.functions._format.payload import encode, of_any, to_any
from sendoff.functions._function import Function

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["Blocked", "Env", "Idle", "Started", "crash_everywhere", "golden", "replay", "shuffle"]

_Call = message("dispatch.sdk.v1.Call")


class Env:
    """A server in memory, with a clock that jumps to the next timer when there is nothing to do.

    Functions that are stubbed need not be given; remote ones can only be stubbed. Steps are run for real: have them
    use what a test can replace.
    """

    def __init__(
        self,
        *functions: Function[..., Any],
        cold: bool = False,
        journal: bool = True,
        plain: bool = False,
        seed: int | None = None,
        unkind: Unkind | None = None,
        instances: int = 1,
    ) -> None:
        self._functions = {f.name: f for f in functions}
        self._stubs: dict[str, tuple[Function[..., Any], Callable[..., Any]]] = {}
        self._calls: dict[str, int] = {}
        self._shuffle = None if seed is None else random.Random(seed)
        self._server = Rehearsal(
            self._serve, plain=plain, journal=journal, shuffle=self._shuffle, unkind=unkind, stub=self._stubbed
        )
        size = 0 if cold else 10_000
        self._hosts = [Host(None if plain else self._server, size=size) for _ in range(instances)]
        self._lock = threading.Lock()

    def _serve(self, request: Any, now: int) -> Answer:
        host = self._hosts[0] if self._shuffle is None else self._shuffle.choice(self._hosts)
        function = self._functions.get(request.function)
        if function is None:
            raise LookupError(f"there is no function {request.function!r} in this environment: give it, or stub it")
        return host.run(request, function, virtual=now)

    def _stubbed(self, call: Any) -> Any:
        with self._lock:
            self._calls[call.function] = self._calls.get(call.function, 0) + 1
        stub = self._stubs.get(call.function)
        if stub is None:
            return None
        function, answer = stub
        try:
            value = _answered(function, answer, function._inputs.decode(of_any(call.input)))
            return CallResult(output=to_any(encode(value, f"stub of {call.function}")))
        except Exception as e:
            return CallResult(error=recorded_with_status(e))

    def stub(self, function: Function[P, R], answer: Callable[P, R]) -> None:
        """Answers calls of a function; an exception reaches the caller as that of the function."""
        self._stubs[function.name] = (function, answer)

    def run(self, function: Function[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls and waits. Raises what the function did, Idle, Blocked."""
        return self.start(function, *args, **kwargs).result()

    def start(self, function: Function[P, R], *args: P.args, **kwargs: P.kwargs) -> Started[R]:
        """Calls."""
        self._functions.setdefault(function.name, function)
        call = function._message(function._inputs.encode(args, kwargs), self._server.now)
        return Started(self._server, function, self._server.start(call))

    def at(self, after: float | timedelta, then: Callable[[], None]) -> None:
        """Calls something when that much virtual time (seconds) has passed."""
        self._server.after(int(seconds(after) * 1_000_000), then)

    def signal(self, id: str, name: str, value: Any = None) -> None:
        """Gives a signal to a run."""
        self._server.signal(id, name, to_any(encode(value, f"signal {name}")))

    def calls(self, function: Function[..., Any]) -> int:
        """How often it was called."""
        return self._calls.get(function.name, 0)

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return time_of(self._server.now)

    def open(self) -> list[str]:
        """The ids of the calls that have not ended."""
        return self._server.open()

    def close(self) -> None:
        """Takes what is suspended off memory."""
        for host in self._hosts:
            host.close()

    def __enter__(self) -> Env:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Started(Generic[R]):
    """A call."""

    def __init__(self, server: Rehearsal, function: Function[..., R], task: Task) -> None:
        self._server, self._function, self._task = server, function, task
        self.id: str = task.id

    def result(self) -> R:
        """Runs everything until it has ended. Raises what the function did, Idle, Blocked."""
        result = self._server.wait(self._task)
        if result.HasField("error"):
            raise raised(self._function.name, result.error, True)
        return cast("R", self._function._inputs.result(of_any(result.output)))

    def cancel(self) -> None:
        """Cancels it."""
        self._server.cancel(self.id)

    def signal(self, name: str, value: Any = None) -> None:
        """Gives it a signal."""
        self._server.signal(self.id, name, to_any(encode(value, f"signal {name}")))

    @property
    def journal(self) -> bytes:
        """What is on record of it."""
        return b"".join(self._task.journal)


def _answered(function: Function[..., Any], answer: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """What a stub answers, whose parameters may have names of their own."""
    wanted = list(inspect.signature(function).parameters)
    if list(inspect.signature(answer).parameters) == wanted:
        return answer(**arguments)
    return answer(*[arguments[n] for n in wanted if n in arguments])


def replay(function: Function[..., Any], journal: bytes) -> None:
    """Runs the code of today over a journal; nothing that it did is done again. Raises Mismatch with SENDOFF1001 and
    what differs."""
    host = Host(size=0)
    try:
        host.replay(function, function.name, journal)
    finally:
        host.close()


def golden(directory: str | Path, *functions: Function[..., Any]) -> None:
    """Replays every file *.journal of a directory by the function that wrote it."""
    known = {f.name: f for f in functions}
    files = sorted(Path(directory).glob("*.journal"))
    if not files:
        raise FileNotFoundError(f"there is no *.journal in {directory}")
    for file in files:
        journal = file.read_bytes()
        header = decode(journal)[0][0]
        assert header.kind == Kind.HEADER
        if header.name not in known:
            raise LookupError(f"{file.name} is the journal of function {header.name!r}, which is not given")
        try:
            replay(known[header.name], journal)
        except Exception as e:
            note(e, f"in {file.name}")
            raise


Prepare = Callable[[Env, Started[Any]], None]


def crash_everywhere(
    function: Function[..., Any],
    *args: Any,
    others: tuple[Function[..., Any], ...] = (),
    prepare: Prepare | None = None,
) -> Any:
    """Runs it once kept in memory, and once evicted at every wait, so that each wait is followed by a replay: the
    results must be the same. prepare gets each environment, to make stubs, signals and so on. Returns the result."""
    warm = _outcome(Env(function, *others), function, args, prepare)
    cold = _outcome(Env(function, *others, cold=True), function, args, prepare)
    if warm != cold:
        raise AssertionError(f"kept in memory: {warm[1]!r}; evicted at every wait: {cold[1]!r}")
    return warm[1]


def shuffle(
    times: int,
    function: Function[..., Any],
    *args: Any,
    others: tuple[Function[..., Any], ...] = (),
    prepare: Prepare | None = None,
) -> Any:
    """Runs it once undisturbed, then with results in other orders, some twice, answers lost, half of the runs evicted
    at every wait: the results must be the same. Returns the result."""
    want = _outcome(Env(function, *others), function, args, prepare)
    for seed in range(times):
        env = Env(function, *others, cold=seed % 2 == 1, seed=seed, unkind=Unkind(lose=0.1, twice=0.2, forget=0.1))
        got = _outcome(env, function, args, prepare)
        if got != want:
            raise AssertionError(f"undisturbed: {want[1]!r}; seed {seed}: {got[1]!r}")
    return want[1]


def _outcome(
    env: Env, function: Function[..., Any], args: tuple[Any, ...], prepare: Prepare | None
) -> tuple[bool, Any]:
    with _closing(env):
        started = env.start(function, *args)
        if prepare is not None:
            prepare(env, started)
        try:
            return True, started.result()
        except (Blocked, Idle):
            raise
        except Exception as e:
            return False, f"{type(e).__name__}: {e}"


@contextmanager
def _closing(env: Env) -> Iterator[None]:
    try:
        yield
    finally:
        env.close()
