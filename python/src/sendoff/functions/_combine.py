"""Waiting for several futures."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from sendoff.functions._core.branch import Branch, Misuse, owner
from sendoff.functions._core.future import Future, Mode, Wait, cancel_all, wait
from sendoff.functions._failure import Ended, note
from sendoff.functions._format.journal import Entry, Op

T = TypeVar("T")


@dataclass(frozen=True)
class Result(Generic[T]):
    """A value or an error."""

    value: T | None = None
    error: BaseException | None = None


class _Until:
    def __init__(self, mode: Mode, futures: Sequence[Future[Any]]) -> None:
        self._mode, self._futures = mode, futures

    def __await__(self) -> Generator[Wait, None, None]:
        return wait(self._mode, self._futures)


def branch(code: Coroutine[Any, Any, T]) -> Future[T]:
    """Runs a coroutine side by side with its caller, as a branch of the durable function. Only one branch runs at a
    time, from await to await, so they may share variables."""
    parent = owner("a branch")
    run = parent.run
    e = run.command(parent, Entry(op=Op.GO))
    return Branch(run, e.child, parent, parent.count, code).result


def _futures(given: Iterable[Future[T] | Coroutine[Any, Any, T]]) -> list[Future[T]]:
    made = [branch(g) if isinstance(g, Coroutine) else g for g in given]
    for f in made:
        if not isinstance(f, Future):
            raise TypeError(f"want futures and coroutines, got a {type(f).__name__}")
        if f.detached:
            raise Misuse(f"nobody can wait for a detached call of {f.name}; leave detached away")
    return made


@overload
async def gather(*futures: Future[T] | Coroutine[Any, Any, T]) -> list[T]: ...


@overload
async def gather(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> list[Any]: ...


async def gather(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> list[Any]:
    """Waits for all, and returns their values in order. The first failure ends the wait and gives the others up.
    Coroutines become branches."""
    return await all_of(_futures(futures))


async def all_of(futures: Sequence[Future[T]]) -> list[T]:
    """As gather."""
    try:
        await _Until(Mode.ALL, futures)
        for f in futures:
            if f.failed:
                f.result()
    except BaseException as e:
        if not isinstance(e, GeneratorExit):
            cancel_all(futures)
        raise
    return [f.result() for f in futures]


@overload
async def settled(*futures: Future[T] | Coroutine[Any, Any, T]) -> list[Result[T]]: ...


@overload
async def settled(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> list[Result[Any]]: ...


async def settled(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> list[Result[Any]]:
    """Waits until all have ended, failures too. When the wait is ended before, the others have that as their error."""
    made = _futures(futures)
    ended: Ended | None = None
    try:
        await _Until(Mode.EVERY, made)
    except Ended as e:
        ended = e
    return [_result(f) if f.done else Result(error=ended) for f in made]


def _result(f: Future[T]) -> Result[T]:
    try:
        return Result(f.result())
    except Exception as e:
        return Result(error=e)


@overload
async def any(*futures: Future[T] | Coroutine[Any, Any, T]) -> T: ...


@overload
async def any(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> Any: ...


async def any(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> Any:
    """Waits for the first success and gives the others up. When all fail, the first of the errors is raised; what
    the others said is in its notes."""
    made = _some(futures, "any")
    try:
        await _Until(Mode.SUCCESS, made)
        results = [_result(f) for f in made if f.done]
    finally:
        _give_up(made)
    for r in results:
        if r.error is None:
            return r.value
    first = results[0].error
    assert first is not None
    for r in results[1:]:
        note(first, f"also: {r.error}")
    raise first


@overload
async def race(*futures: Future[T] | Coroutine[Any, Any, T]) -> T: ...


@overload
async def race(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> Any: ...


async def race(*futures: Future[Any] | Coroutine[Any, Any, Any]) -> Any:
    """Waits for the first to end, gives the others up, and returns its value, or raises its error."""
    made = _some(futures, "race")
    try:
        await _Until(Mode.FIRST, made)
        first = next(f for f in made if f.done)
    finally:
        _give_up(made)
    return first.result()


def _give_up(futures: Sequence[Future[Any]]) -> None:
    if not futures[0].run.leaving:
        cancel_all(futures)


async def select(*futures: Future[Any]) -> int:
    """Waits until one has ended, and returns its position; await on it returns at once then. The others stay as they
    are. Of several that have ended it is the first in the list."""
    made = _some(futures, "select")
    await _Until(Mode.FIRST, made)
    return next(i for i, f in enumerate(made) if f.done)


def _some(given: Sequence[Any], what: str) -> list[Future[Any]]:
    if not given:
        raise ValueError(f"{what} of no futures")
    return _futures(given)


async def each_of(
    ask: Callable[[Sequence[Any]], list[Future[T]]], inputs: Sequence[Any], limit: int
) -> AsyncIterator[tuple[int, Future[T]]]:
    """Results in the order in which they come, with at most limit asked for at a time."""
    ready: deque[Future[T]] = deque()
    index: dict[Future[T], int] = {}
    begun = 0
    waiting: list[Wait] = []

    def ended(f: Future[T]) -> None:
        ready.append(f)
        for w in waiting:
            w.wake()

    def start(n: int) -> None:
        nonlocal begun
        part = inputs[begun : begun + n]
        for f in ask(part) if part else ():
            index[f] = begun
            begun += 1
            f.sink = ended

    try:
        start(limit if limit > 0 else len(inputs))
        for _ in range(len(inputs)):
            await _First(ready, waiting)
            f = ready.popleft()
            start(1)
            yield index.pop(f), f
    finally:
        left = list(index)
        if left and not left[0].run.leaving:
            cancel_all(left)


class _First:
    """Until something is ready."""

    def __init__(self, ready: deque[Any], waiting: list[Wait]) -> None:
        self._ready, self._waiting = ready, waiting

    def __await__(self) -> Generator[Wait, None, None]:
        b = owner("waiting")
        while not self._ready:
            b.check()
            w = Wait(b, Mode.FIRST)
            w.pending = w.calls = 1
            self._waiting.append(w)
            b.wait = w
            try:
                yield w
            finally:
                b.wait = None
                self._waiting.clear()
