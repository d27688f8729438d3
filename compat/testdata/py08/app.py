"""Functions as users of dispatch-py 0.8.0 write them, for the tests to call."""

import asyncio
import os
import time
import traceback
import urllib.request

import dispatch
from dispatch.error import PermanentError, TemporaryError, ThrottleError
from dispatch.function import default_registry
from dispatch.status import Status, register_output_type

MARKS = os.environ["MARKS"]


def mark(name: str) -> int:
    """Leaves a mark and returns how many there are of that name."""
    with open(os.path.join(MARKS, name), "a+") as f:
        f.write("x\n")
        f.flush()
        f.seek(0)
        return len(f.readlines())


@dispatch.function
def publish(url: str, payload: str) -> int:
    with urllib.request.urlopen(url, data=payload.encode()) as answer:
        return answer.status


# Steps.


@dispatch.function
def add(a: int, b: int) -> int:
    return a + b


@dispatch.function
def square(n: int) -> int:
    return n * n


@dispatch.function
def greet(name: str, greeting: str = "Hello") -> str:
    return f"{greeting} {name}"


@dispatch.function
async def pipeline(n: int) -> int:
    first = await add(n, 1)
    second = await square(first)
    third = await add(second, first)
    return third


@dispatch.function
async def squares(n: int) -> int:
    """Calls that are under way at a time: the SDK is told of ten at most."""
    results = await dispatch.gather(*[square(i) for i in range(n)])
    assert results == [i * i for i in range(n)], results
    return sum(results)


@dispatch.function
async def call_in_call(n: int) -> int:
    return await add(await add(n, n), n)


@dispatch.function
async def nested(depth: int) -> int:
    if depth == 0:
        return 1
    left, right = await dispatch.gather(nested(depth - 1), nested(depth - 1))
    return left + right


@dispatch.function
def nothing() -> None:
    mark("nothing")


@dispatch.function
async def values() -> bool:
    """Values arrive in a parent as they left the child."""
    for value in VALUES:
        got = await echo(value)
        assert got == value and type(got) is type(value), (got, value)
    return await nothing() is None


VALUES = [True, -7, 2**63 - 1, 2**80, 1.5, "grüße", b"\x00\xff", ("a", 1), {1, 2}, ["a", None], {"a": [True]}]


@dispatch.function
def echo(value):
    return value


@dispatch.function
async def list_of_int() -> str:
    return type((await echo([1]))[0]).__name__


# Of several the first.


@dispatch.function
def fail_as(kind: str, message: str):
    raise {
        "ValueError": ValueError,
        "RuntimeError": RuntimeError,
        "PermanentError": PermanentError,
        "OutOfStock": OutOfStock,
    }[kind](message)


@dispatch.function
async def any_of() -> str:
    return await dispatch.any(fail_as("RuntimeError", "one"), greet("any"), fail_as("ValueError", "two"))


@dispatch.function
async def any_of_none() -> list:
    try:
        await dispatch.any(fail_as("RuntimeError", "one"), fail_as("ValueError", "two"))
    except dispatch.coroutine.AnyException as e:
        return [f"{type(x).__name__}: {x}" for x in e.exceptions]


@dispatch.function
async def race_of(slow: str) -> str:
    return await dispatch.race(wait_for(slow), greet("race"))


@dispatch.function
async def race_lost(slow: str) -> str:
    try:
        return await dispatch.race(wait_for(slow), fail_as("ValueError", "first"))
    except ValueError as e:
        return f"ValueError: {e}"


# Errors.


class OutOfStock(Exception):
    """An error of the app, which travels by its pickled value."""


@dispatch.function
async def middle() -> None:
    await fail_as("OutOfStock", "no more apples")


@dispatch.function
async def caught() -> dict:
    try:
        await middle()
    except OutOfStock as e:
        trace = "".join(traceback.format_exception(e))
        return {"type": type(e).__name__, "text": str(e), "trace": "fail_as" in trace}


@dispatch.function
async def gather_fails() -> str:
    try:
        await dispatch.gather(add(1, 2), fail_as("ValueError", "one of many"), add(3, 4))
    except ValueError as e:
        return str(e)


@dispatch.function
async def calls_unknown() -> str:
    try:
        return await dispatch.call(dispatch.Call(function="no_such_function"))
    except Exception as e:
        return f"{type(e).__name__}: {e}"


@dispatch.function
async def calls_badly() -> str:
    try:
        return await dispatch.call(dispatch.Call(function="no such function"))
    except Exception as e:
        return f"{type(e).__name__}: {e}"


# Repeated runs.


@dispatch.function
def flaky(name: str, kind: str, times: int) -> int:
    n = mark(name)
    if n <= times:
        raise {
            "TemporaryError": TemporaryError,
            "ConnectionError": ConnectionError,
            "ThrottleError": ThrottleError,
        }[kind](f"time {n}")
    return n


@dispatch.function
async def over_flaky(name: str) -> int:
    return await flaky(name, "TemporaryError", 1) * 10


class Busy:
    pass


register_output_type(Busy, Status.TEMPORARY_ERROR)


@dispatch.function
def busy(name: str):
    """An output that says that the function is to run again."""
    return Busy() if mark(name) == 1 else "done"


@dispatch.function
async def countdown(n: int, total: int) -> int:
    mark("countdown")
    if n == 0:
        return total
    raise dispatch.Reset(countdown, n - 1, total + n)


@dispatch.function
def sync_reset(n: int) -> int:
    if n == 0:
        return 0
    raise dispatch.Reset(sync_reset, n - 1)


async def refuse():
    await asyncio.sleep(0)
    raise ConnectionRefusedError("by asyncio")


@dispatch.function
async def catches_asyncio() -> str:
    try:
        await asyncio.ensure_future(refuse())
    except ConnectionRefusedError:
        mark("caught")
        return "caught"


async def caught_refusal() -> str:
    try:
        return await refuse()
    except ConnectionRefusedError:
        return "caught"


@dispatch.function
async def catches_in_a_task() -> str:
    return await asyncio.ensure_future(caught_refusal())


# Functions without a coroutine around them.


@default_registry().primitive_function
async def primitive(input: dispatch.Input) -> dispatch.Output:
    """Sleeps, makes calls, and ends as another function."""
    if input.is_first_call:
        calls = [add.build_call(input.input, i) for i in range(3)]
        for i, call in enumerate(calls):
            call.correlation_id = 2**63 + i
        return dispatch.Output.poll(coroutine_state={"n": input.input}, calls=calls, min_results=3, max_results=3)
    if input.call_results:
        by_id = {r.correlation_id - 2**63: r.output for r in input.call_results}
        return dispatch.Output.poll(coroutine_state=[by_id[i] for i in range(3)], max_wait_seconds=1)
    mark("primitive_slept")
    return dispatch.Output.tail_call(add.build_call(int(sum(input.coroutine_state)), 1000))


@default_registry().primitive_function
async def partial(input: dispatch.Input) -> dispatch.Output:
    """Ends with a result and a status that is not OK."""
    return dispatch.Output.value("half of it", status=Status.PERMANENT_ERROR)


@default_registry().primitive_function
async def crash(input: dispatch.Input) -> dispatch.Output:
    raise RuntimeError("a primitive function must not raise")


@default_registry().primitive_function
async def hangs(input: dispatch.Input) -> dispatch.Output:
    """Waits for nothing, which can never end."""
    if input.is_first_call:
        return dispatch.Output.poll(coroutine_state="waiting")
    return dispatch.Output.value(f"{input.poll_error.type}: {input.poll_error.message}")


# Long ones, to be killed under way.


@dispatch.function
def wait_for(name: str) -> str:
    """Returns when the test has left a mark."""
    mark(name + ".runs")
    while not os.path.exists(os.path.join(MARKS, name)):
        time.sleep(0.02)
    return name


@dispatch.function
async def long_way(name: str) -> int:
    mark(name + ".begun")
    before = await add(20, 1)
    await wait_for(name)
    return await add(before, before)


@dispatch.function
def slow_add(a: int, b: int) -> int:
    time.sleep(0.05)
    return a + b


@dispatch.function
async def chain(n: int) -> int:
    total = n
    for i in range(3):
        total = await slow_add(total, i)
    low, high = await dispatch.gather(slow_add(total, 1), slow_add(total, 2))
    return low * high


class LowStock(Exception):
    """Cannot be unpickled: what it passes on is not what it takes."""

    def __init__(self, sku, left):
        super().__init__(f"{sku}: {left} left")


@dispatch.function
def out_of_stock(sku: str) -> int:
    raise LowStock(sku, 3)


@dispatch.function
def large(n: int) -> str:
    return "x" * n


@dispatch.function
async def told_why(name: str) -> str:
    try:
        await (out_of_stock("pen") if name == "out_of_stock" else large(18_000_000))
    except Exception as e:
        return str(e)
    return "no error"
