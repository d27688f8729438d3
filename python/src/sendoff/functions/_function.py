"""Functions that survive their process."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from sendoff._client import Client
from sendoff.functions._combine import all_of, each_of
from sendoff.functions._core.branch import Branch, Misuse, current, in_step, outside, owner
from sendoff.functions._core.future import Future, Kind
from sendoff.functions._determinism import warn
from sendoff.functions._failure import Status, recorded_with_status, status_of, wait_of
from sendoff.functions._format import messages as m
from sendoff.functions._format.fnv import START, fnv
from sendoff.functions._format.journal import Entry, Op, Value
from sendoff.functions._format.payload import to_any
from sendoff.functions._inputs import Inputs
from sendoff.functions._loop import open_envelope
from sendoff.functions._options import CallOptions
from sendoff.models import NewTask, StartSignal, Task

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run
    from sendoff.functions._endpoint import Functions

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_<>.]*")


class TailCall(BaseException):
    """Raised by a function, has the call go on with another function or input, under the same id, with an empty
    journal. Made by tail_call of a function."""

    def __init__(self, call: Any) -> None:
        super().__init__(f"tail call of {call.function}: raise this from the durable function")
        self.call = call


class Function(Generic[P, R]):
    """A durable function. Called in another one, it is a call of its own, whose result is awaited.

    What is on the way between await and await is run again in each replay, with the recorded results, and must
    ask for the same then: whatever touches the world belongs into a step. Made by sendoff.function.
    """

    def __init__(
        self,
        functions: Functions,
        code: Callable[..., Any] | None,
        signature: Callable[..., Any],
        name: str,
        options: CallOptions,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"function name {name!r}: want a letter or _, then letters, digits, _ or .")
        functools.update_wrapper(self, signature)
        self.name = name
        self._functions, self._code, self._options = functions, code, options
        self._shape = signature
        self._inputs = Inputs(signature, name)
        self._plain = code is not None and not inspect.iscoroutinefunction(code)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Calls it, in a durable function, and goes on: await the result. The call is on record before it is made.

        Outside of one, awaiting what is returned hands the call over to the server, and waits for its result.
        """
        if current() is None and in_step.get() is None:
            self._inputs.encode(args, kwargs)
            outside: Any = _Outside(functools.partial(self.submit, *args, **kwargs))
            return outside  # type: ignore[no-any-return]
        return self._ask([self._inputs.encode(args, kwargs)])[0]

    def options(self, **options: Any) -> Function[P, R]:
        """The same function with other options, fields of CallOptions: await price.options(queue="slow")(item)."""
        return Function(self._functions, self._code, self._shape, self.name, self._options.also(options))

    def map(self, inputs: Iterable[Any]) -> Coroutine[Any, Any, list[R]]:
        """Calls it once for each input, of a function with one parameter, side by side: one result, all in order. The
        first failure ends the wait and cancels the other calls."""
        return all_of(self._ask([self._inputs.encode((v,), {}) for v in inputs]))

    def each(self, inputs: Sequence[Any], limit: int = 0) -> AsyncIterator[tuple[int, Future[R]]]:
        """Calls it once for each input, with at most limit calls open at a time (0 = all), and gives the index of each
        with its result, to be awaited, in the order in which they come. Leaving the loop cancels what is open."""
        return each_of(lambda part: self._ask([self._inputs.encode((v,), {}) for v in part]), inputs, limit)

    def tail_call(self, *args: P.args, **kwargs: P.kwargs) -> TailCall:
        """To be raised: the call goes on as a call of this function. raise pages.tail_call(after)."""
        return TailCall(self._message(self._inputs.encode(args, kwargs), 0))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Hands a call over, from outside: it is on the server's disk when this returns."""
        return self.submit_as(None, *args, **kwargs)

    def submit_as(self, id: str | None, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """As submit, with an id for the call: when there is one with it, that is it."""
        outside(f"{self.name} is submitted")
        client = self._functions.connected()
        return Handle(self, client, client.submit(replace(self.new(*args, **kwargs), id=id)))

    def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> Dispatched[R]:
        """Dispatch's name of submit. What is returned may be awaited there, which gives its id."""
        call = self.submit(*args, **kwargs)
        return Dispatched(self, call._client, call.task)

    def signal_with_start(self, id: str, signal: str, value: Any, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Gives a signal to the call with that id, and starts it when there is none: both at once, or none of it. A
        call that has ended takes none: Conflict."""
        outside(f"{self.name} is signaled and started")
        client = self._functions.connected()
        new = replace(self.new(*args, **kwargs), id=id, signal=StartSignal(signal, value))
        return Handle(self, client, client.submit(new))

    def handle(self, id: str) -> Handle[R]:
        """The handle of a call whose id you have from elsewhere."""
        outside(f"a call of {self.name} is looked up")
        client = self._functions.connected()
        return Handle(self, client, client.get(id))

    def new(self, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """What submit hands over: for batch, a schedule, or an AsyncClient."""
        input = to_any(self._inputs.encode(args, kwargs))
        endpoint = self._options.endpoint or self._functions.url
        task = NewTask(
            function=self.name,
            endpoint=endpoint,
            body=input.SerializeToString() if input is not None else b"",
            content_type="application/octet-stream",
        )
        return self._options.task(task, datetime.now().astimezone())

    # As its host sees it.

    def start(self, run: Run, input: Value) -> Coroutine[Any, Any, Any]:
        """The coroutine of a call."""
        return self._called(run, input)

    async def _called(self, run: Run, input: Value) -> Value:
        if self._code is None:
            raise Misuse(f"function {self.name} is declared as remote here")
        arguments = self._inputs.decode(open_envelope(run, input))
        if self._plain:
            run.root.plain = True
            result = self._code(**arguments)
            if inspect.isawaitable(result):
                run.root.plain = False
                result = await result
        else:
            warn(self._code, self.name)
            result = await self._code(**arguments)
        return self._inputs.encode_result(result)

    def respond(self, value: Any, error: BaseException | None) -> Any:
        """The RunResponse for what it returned or raised."""
        response = m.RunResponse(status=Status.OK)
        if isinstance(error, TailCall):
            response.exit.tail_call.CopyFrom(error.call)
        elif error is None:
            response.exit.result.output.CopyFrom(to_any(value))
        else:
            response.status = status_of(error)
            response.exit.result.error.CopyFrom(recorded_with_status(error))
            if pause := wait_of(error):
                response.report.retry_after.CopyFrom(m.duration(int(pause * 1_000_000)))
        return response

    def _message(self, input: Value, now: int) -> Any:
        call = m.Call(function=self.name, input=to_any(input))
        self._options.apply(call, now)
        return call

    def _ask(self, inputs: list[Value]) -> list[Future[R]]:
        branch = owner(f"a call of {self.name}")
        if branch.plain:
            raise Misuse(f"a call of {self.name} in a plain function, which cannot wait: make it async")
        if not inputs:
            return []
        run, digest = branch.run, START
        calls = [self._message(v, run.clock) for v in inputs]
        for v in inputs:
            digest = fnv(b"\0", fnv(v.data, fnv(v.url.encode(), digest)))
        e = run.command(branch, Entry(op=Op.CALL, name=self.name, digest=digest, count=len(inputs)))
        return [self._future(branch, e.ordinal + i, call) for i, call in enumerate(calls)]

    def _future(self, branch: Branch, ordinal: int, call: Any) -> Future[R]:
        run = branch.run
        f = Future(run, Kind.CALL, self.name, self._inputs.result, ordinal, branch.path(branch.count))
        f.call, f.detached = call, bool(self._options.detached)
        f.done = f.detached
        call.correlation_id = run.correlation(ordinal)
        run.outbox.ask(f)
        return f

    def result_of(self, value: Any) -> R:
        """Its result, of the JSON that the server shows."""
        return self._inputs.result_of_json(value)  # type: ignore[no-any-return]


class _Outside(Generic[R]):
    """A call in a program that is no durable function."""

    def __init__(self, submit: Callable[[], Handle[R]]) -> None:
        self._submit = submit

    def __await__(self) -> Generator[Any, None, R]:
        return asyncio.to_thread(lambda: self._submit().result()).__await__()


class Handle(Generic[R]):
    """A call from outside. task: as the server accepted it."""

    def __init__(self, function: Function[Any, R], client: Client, task: Task) -> None:
        self.task: Task = task
        self._function = function
        self._client = client

    @property
    def id(self) -> str:
        """Of the call."""
        return self.task.id

    def __str__(self) -> str:
        return self.id

    def result(self, timeout: float | timedelta | None = None) -> R:
        """Waits, and returns what the function returned. Raises TaskFailed, and WaitTimeout when timeout (seconds) is
        over."""
        outside(f"call {self.id} is waited for by its handle")
        return self._function.result_of(self._client.result(self.task.id, timeout))

    def cancel(self) -> None:
        """Ends it with all its calls; sagas undo first."""
        outside(f"call {self.id} is canceled")
        self._client.tasks.cancel(self.task.id)

    def signal(self, name: str, value: Any = None) -> None:
        """Gives it a signal."""
        outside(f"call {self.id} is signaled")
        self._client.tasks.signal(self.task.id, name, value)


class Dispatched(Handle[R]):
    """What dispatch returns: a handle. To await it, as programs of Dispatch do, gives the id at once."""

    def __await__(self) -> Generator[Any, None, str]:
        yield from ()
        return self.id
