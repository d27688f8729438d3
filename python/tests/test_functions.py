"""Durable functions, with the test kit's server in memory."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import sendoff
from sendoff import functions as f
from sendoff.errors import InvalidValue
from sendoff.functions._determinism import findings
from sendoff.functions.testing import Blocked, Env, Idle, crash_everywhere, golden, replay, shuffle
from sendoff.push import Permanent, RetryAfter

app = f.Functions(development=True)


@f.error("test.SoldOut")
@dataclass
class SoldOut(Exception):
    sku: str


@app.function
def price(sku: str) -> int:
    if sku == "unicorn":
        raise SoldOut(sku)
    return 250 * len(sku)


@app.function
async def wait(seconds: float) -> float:
    await f.sleep(seconds)
    return seconds


@app.function
async def fail(text: str) -> None:
    raise ValueError(text)


@pytest.fixture
def env() -> Iterator[Env]:
    with Env(price, wait, fail) as made:
        yield made


_serial = iter(range(1_000_000))


def made(code: Any, **options: Any) -> f.Function[..., Any]:
    """A function of its own."""
    return app.function(name=f"{code.__name__}_{next(_serial)}", **options)(code)


# Calls.


def test_calls_return_what_their_functions_do(env: Env) -> None:
    async def total(skus: list[str]) -> int:
        first = price(skus[0])
        rest = await price.map(skus[1:])
        return await first + sum(rest)

    assert env.run(made(total), ["pen", "ink", "gum"]) == 2250
    assert env.calls(price) == 3


def test_arguments_and_results_are_made_by_annotation(env: Env) -> None:
    @dataclass
    class Order:
        id: str
        day: date
        items: list[str]

    async def several(order: Order, at: datetime, *, count: int = 2) -> tuple[str, timedelta, bytes]:
        assert isinstance(order, Order)
        assert order.day.year == 2030
        return f"{order.id} {at.isoformat()} {count}", timedelta(seconds=1.5), b"\x00\xff"

    several.__annotations__ = {
        "order": Order, "at": datetime, "count": int, "return": tuple[str, timedelta, bytes],
    }  # fmt: skip
    at = datetime(2030, 1, 31, tzinfo=timezone.utc)
    got = env.run(made(several), Order("o-1", date(2030, 1, 31), ["pen"]), at, count=3)
    assert got == ("o-1 2030-01-31T00:00:00+00:00 3", timedelta(seconds=1.5), b"\x00\xff")


def test_a_wrong_argument_is_named_before_anything_is_sent(env: Env) -> None:
    with pytest.raises(InvalidValue, match="price: arguments: missing a required argument: 'sku'"):
        price()  # type: ignore[call-arg]

    def anything(*args: int) -> None:
        pass

    with pytest.raises(TypeError, match="want parameters that have a name each"):
        made(anything)
    with pytest.raises(ValueError, match="there is a function 'price' already"):
        app.function(name="price")(lambda: None)
    with pytest.raises(TypeError, match="speed is no option of a call"):
        price.options(speed=3)


def test_an_input_that_does_not_fit_fails_the_call(env: Env) -> None:
    async def number(n: int) -> int:
        return n

    @app.remote(name=(fn := made(number)).name)
    async def wrong(n: str) -> int:
        return 0

    async def caller() -> str:
        try:
            await wrong("three")
        except f.CallError as e:
            return f"{e.type} {e.status.name}: {e.message}"
        return "?"

    with Env(fn) as own:
        assert own.run(made(caller)).startswith("INVALID_ARGUMENT INVALID_ARGUMENT: ")


def test_results_come_as_they_are_ready_with_so_many_calls_open(env: Env) -> None:
    async def slow_first() -> list[tuple[int, float]]:
        return [(i, await r) async for i, r in wait.each([30, 10, 5, 1], 2)]

    assert env.run(made(slow_first)) == [(1, 10.0), (2, 5.0), (3, 1.0), (0, 30.0)]


def test_the_first_failure_ends_the_wait_and_cancels_the_others(env: Env) -> None:
    async def group() -> str:
        begun = f.now()
        try:
            await f.gather(wait(3600), fail("no"), wait(3600))
        except ValueError as e:
            return f"{type(e).__name__} {isinstance(e, f.CallError)} {e} {f.now() - begun < timedelta(seconds=1)}"
        return "?"

    assert env.run(made(group)) == "ValueError True fail: ValueError: no True"
    assert not env.open()


def test_errors_that_were_registered_are_raised_as_themselves(env: Env) -> None:
    async def buy(sku: str) -> str:
        try:
            await price(sku)
        except SoldOut as e:
            return f"{e.sku} is sold out"
        return "bought"

    assert env.run(made(buy), "unicorn") == "unicorn is sold out"


def test_the_failure_of_a_call_is_passed_on_as_it_was(env: Env) -> None:
    async def through() -> None:
        await fail("deep")

    async def further() -> None:
        await made_through()

    made_through = made(through)
    with pytest.raises(ValueError, match="ValueError: deep") as e, Env(fail, made_through) as own:
        own.run(made(further))
    assert isinstance(e.value, f.CallError)
    assert "raise ValueError(text)" in e.value.traceback


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), f.Status.PERMANENT_ERROR),
        (TimeoutError("x"), f.Status.TIMEOUT),
        (ConnectionResetError("x"), f.Status.TCP_ERROR),
        (PermissionError("x"), f.Status.PERMISSION_DENIED),
        (Permanent("x"), f.Status.PERMANENT_ERROR),
        (RetryAfter(3), f.Status.TEMPORARY_ERROR),
        (InvalidValue("x", "y"), f.Status.INVALID_ARGUMENT),
        (sendoff.errors.Unreachable("x"), f.Status.TCP_ERROR),
    ],
)
def test_an_error_is_final_unless_it_says_that_it_is_temporary(error: Exception, status: f.Status) -> None:
    from sendoff.functions._failure import status_of

    assert status_of(error) is status
    try:
        raise RuntimeError("about it") from error
    except RuntimeError as e:
        assert status_of(e) is status


def test_a_function_that_failed_for_a_while_is_tried_again(env: Env) -> None:
    tries: list[int] = []

    def busy() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return len(tries)

    async def caller() -> int:
        return int(await made_busy())

    made_busy = made(busy)
    with Env(made_busy) as own:
        assert own.run(made(caller)) == 3


def test_futures_are_waited_for_in_many_ways(env: Env) -> None:
    async def ways() -> list[Any]:
        raced = await f.race(wait(3600), wait(1))
        anyone = await f.any(fail("x"), wait(2))
        both = await f.settled(fail("y"), wait(1))
        first, second = wait(20), wait(10)
        chosen = await f.select(first, second)
        return [raced, anyone, str(both[0].error), both[1].value, chosen, await first]

    assert env.run(made(ways)) == [1.0, 2.0, "fail: ValueError: y", 1.0, 1, 20.0]


def test_any_tells_what_all_said(env: Env) -> None:
    async def none() -> str:
        try:
            await f.any(fail("a"), fail("b"))
        except ValueError as e:
            return f"{e}; {'; '.join(e.__notes__)}"  # type: ignore[attr-defined]
        return "?"

    assert env.run(made(none)) == "fail: ValueError: a; also: fail: ValueError: b"


# Steps.


def test_a_step_is_done_once_and_its_result_recorded(env: Env) -> None:
    done: list[str] = []

    async def charge() -> str:
        def noted() -> str:
            done.append(f.step_key())
            return f.step_key()

        key = await f.step("charge", noted)
        await f.sleep(3600)
        return str(key)

    fn = made(charge)
    with Env(fn, cold=True) as own:
        call = own.start(fn)
        assert call.result() == f"{call.id}:1"
    assert done == ["call-1:1"]


def test_steps_may_be_async_and_run_side_by_side(env: Env) -> None:
    together = threading.Barrier(2, timeout=20)

    async def slow(n: int) -> int:
        await asyncio.sleep(0)
        await asyncio.to_thread(together.wait)
        return n

    async def both() -> list[int]:
        return await f.gather(f.step("one", slow, 1), f.step("two", slow, 2))

    assert env.run(made(both)) == [1, 2]


def test_a_step_is_tried_again_as_its_policy_says(env: Env) -> None:
    tries: list[int] = []

    def shaky() -> int:
        tries.append(1)
        raise ConnectionError("no")

    async def steps() -> str:
        quick = sendoff.RetryPolicy(max_attempts=3, min_backoff=timedelta(milliseconds=1))
        try:
            await f.step("shaky", shaky, retry=quick)
        except ConnectionError as e:
            return f"{e} after {len(tries)}"
        return "?"

    assert env.run(made(steps)) == "shaky: TCP_ERROR: no after 3"


def test_a_step_takes_no_longer_than_its_timeout(env: Env) -> None:
    async def forever() -> None:
        await asyncio.sleep(3600)

    async def steps() -> str:
        try:
            await f.step("forever", forever, timeout=0.01, retry=sendoff.RetryPolicy(max_attempts=1))
        except TimeoutError as e:
            return str(e)
        return "?"

    assert env.run(made(steps)) == "forever: TIMEOUT: the step took longer than 0.01 s"

    async def plain() -> None:
        await f.step("plain", time.sleep, 1, timeout=1)

    with pytest.raises(TypeError, match="a timeout needs an async function"):
        env.run(made(plain))


def test_a_step_that_nobody_waits_for_is_stopped(env: Env) -> None:
    stopped = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    async def gives_up() -> str:
        body = f.step("forever", forever)
        with contextlib.suppress(f.TimedOut):
            async with f.timeout(timedelta(milliseconds=1)):
                await f.select(body, f.Signal("never").next())
        body.cancel()
        return "gone on"

    with Env(made_fn := made(gives_up)) as own:
        call = own.start(made_fn)
        own._hosts[0].close = lambda: None  # type: ignore[method-assign]
        threading.Timer(0.05, lambda: call.signal("never")).start()
        assert call.result() == "gone on"
    assert stopped.wait(20)


# Time, signals, promises.


def test_virtual_time_passes_by_itself(env: Env) -> None:
    async def nap() -> str:
        begun = f.now()
        await f.sleep(timedelta(days=30))
        await f.sleep_until(datetime(2027, 1, 1, tzinfo=timezone.utc))
        return str(f.now() - begun > timedelta(days=360))

    assert env.run(made(nap)) == "True"
    assert env.now == datetime(2027, 1, 1, tzinfo=timezone.utc)


def test_a_timeout_gives_up_what_is_waited_for(env: Env) -> None:
    async def impatient() -> str:
        try:
            async with f.timeout(60):
                await wait(3600)
        except f.TimedOut as e:
            assert isinstance(e, TimeoutError)
            return f"{e}"
        return "?"

    assert env.run(made(impatient)) == "the time is over"
    assert not env.open()


verdicts: f.Signal[bool] = f.Signal("verdict", bool)


def test_signals_wait_until_they_are_taken_each_once_in_order(env: Env) -> None:
    async def twice() -> list[bool]:
        await f.sleep(10)
        return [await verdicts.receive(), await verdicts.receive()]

    call = env.start(made(twice))
    call.signal("verdict", True)
    env.at(60, lambda: call.signal("verdict", False))
    assert call.result() == [True, False]


def test_what_waits_for_nothing_that_comes_is_told(env: Env) -> None:
    with pytest.raises(Idle, match="such as a signal"):
        env.run(made(verdicts.receive))


def test_a_promise_is_resolved_by_its_id(env: Env) -> None:
    ids: list[str] = []

    async def asks() -> int:
        answer = f.promise(int)
        ids.append(answer.id)
        return await answer

    call = env.start(made(asks))
    env.at(1, lambda: env.signal(call.id, "promise:1", 42))
    assert call.result() == 42
    assert ids[0] == f"{call.id}:1"


# Branches, determinism.


def test_branches_take_turns_and_share_variables(env: Env) -> None:
    async def branches() -> list[str]:
        log: list[str] = []

        async def one(name: str, seconds: float) -> None:
            for i in range(2):
                await f.sleep(seconds)
                log.append(f"{name}{i}")

        await f.gather(one("a", 2), one("b", 3))
        return log

    assert crash_everywhere(made(branches)) == ["a0", "b0", "a1", "b1"]


def test_random_numbers_and_ids_are_the_same_in_each_replay(env: Env) -> None:
    async def chance() -> list[Any]:
        seen: list[Any] = []
        for _ in range(3):
            seen += [str(f.uuid()), f.random().randrange(1000), f.random().choice("abc")]
            await f.sleep(1)
        return seen

    got = crash_everywhere(made(chance))
    assert len(set(got)) > 5


def test_code_that_changed_is_blocked_with_what_differs() -> None:
    async def before(n: int) -> None:
        await wait(1)
        await f.step("charge", lambda: None)

    async def after(n: int) -> None:
        await wait(1)
        await f.step("check stock", lambda: None)

    fn = made(before)
    with Env(fn, wait) as own:
        call = own.start(fn, 1)
        call.result()
    changed = f.Functions(development=True).function(name=fn.name)(after)
    with pytest.raises(f.Mismatch) as e:
        replay(changed, call.journal)
    text = str(e.value)
    assert text.startswith(
        f"SENDOFF1001: the code of function {fn.name} does not fit the journal of run call-1, at command 2.\n"
        "  recorded: step charge at tests/test_functions.py:"
    )
    assert "\n  code now: step check stock\n  before it:\n    1: call wait at tests/test_functions.py:" in text
    assert text.endswith("or restart the run from its input.")


def test_a_version_keeps_the_old_path_of_runs_that_are_under_way() -> None:
    old = f.Functions(development=True)

    async def first() -> str:
        await f.sleep(1)
        return "old"

    async def second() -> str:
        await f.sleep(1)
        if f.version("greeting", 1) >= 1:
            return "new"
        return "old"

    fn = old.function(name="greet")(first)
    with Env(fn) as own:
        call = own.start(fn)
        assert call.result() == "old"
    newer = f.Functions(development=True).function(name="greet")(second)
    replay(newer, call.journal)
    with Env(newer) as own:
        assert own.run(newer) == "new"


def test_golden_journals_are_replayed(tmp_path: Path) -> None:
    with Env(price) as own:
        call = own.start(price, "pen")
        call.result()
    (tmp_path / "price-1.journal").write_bytes(call.journal)
    golden(tmp_path, price)
    with pytest.raises(LookupError, match="journal of function 'price', which is not given"):
        golden(tmp_path, wait)


def test_what_a_replay_would_not_repeat_is_told() -> None:
    async def wrong() -> None:
        await f.sleep(1)
        print(time.time(), datetime.now(), random.random())
        await f.step("fine", lambda: time.time())
        threading.Thread(target=print).start()
        asyncio.get_running_loop()

    told = [(used, instead) for _, used, instead in findings(wrong)]
    assert [used for used, _ in told] == [
        "time.time", "datetime.datetime.now", "random.random", "threading.Thread", "asyncio.get_running_loop",
    ]  # fmt: skip
    assert told[0][1] == "use sendoff.now, sendoff.sleep and sendoff.timeout"

    async def leaf() -> float:
        return time.time()

    assert not list(findings(leaf)), "without a wait it is done again as a whole"


def test_it_is_told_with_the_first_run(env: Env) -> None:
    async def wrong() -> float:
        await f.sleep(0)
        return time.time()

    with pytest.warns(f.DeterminismWarning, match=r"time.time is not the same in a replay: use sendoff.now"):
        env.run(made(wrong))


def test_a_wait_for_something_else_is_a_fault_of_the_program(env: Env) -> None:
    async def foreign() -> None:
        await asyncio.sleep(0.01)

    refused = pytest.raises(
        f.CallError, match=r"Misuse: at .*test_functions.py:\d+ something is awaited|no running event"
    )
    with refused, pytest.warns(f.DeterminismWarning, match="asyncio.sleep"):
        env.run(made(foreign, retry=sendoff.RetryPolicy(max_attempts=1)))


def test_durable_operations_have_their_place(env: Env) -> None:
    with pytest.raises(f.Misuse, match="sleeping outside of a durable function"):
        f.sleep(1)

    def within() -> None:
        f.sleep(1)

    async def in_a_step() -> None:
        await f.step("within", within)

    with pytest.raises(f.CallError, match="Misuse: sleeping within a step"):
        env.run(made(in_a_step))


# Undoing, long runs.


def test_a_saga_undoes_the_last_first() -> None:
    undone: list[str] = []

    async def order(good: bool) -> str:
        async with f.saga() as undo:
            undo.add("cancel parcel", undone.append, "parcel")
            undo.add("refund", undone.append, "money")
            await f.step("charge", lambda: None)
            if not good:
                raise ValueError("no address")
        return "done"

    fn = made(order)
    with Env(fn) as own:
        assert own.run(fn, True) == "done"
        assert undone == []
        with pytest.raises(ValueError, match="no address"):
            own.run(fn, False)
    assert undone == ["money", "parcel"]


def test_a_saga_undoes_when_the_call_is_canceled() -> None:
    undone: list[str] = []

    async def order() -> None:
        async with f.saga() as undo:
            undo.add("refund", undone.append, "money")
            await f.step("charge", lambda: None)
            await f.sleep(timedelta(days=1))

    fn = made(order)
    with Env(fn) as own:
        call = own.start(fn)
        own.at(60, call.cancel)
        with pytest.raises(f.CallError, match="the call was canceled"):
            call.result()
    assert undone == ["money"]


def test_a_function_that_leaves_memory_undoes_nothing() -> None:
    undone: list[str] = []
    left: list[str] = []

    async def order() -> str:
        async with f.saga() as undo:
            undo.add("refund", undone.append, "money")
            try:
                await f.sleep(timedelta(days=1))
            finally:
                left.append("memory")
        return "done"

    fn = made(order)
    with Env(fn, cold=True) as own:
        assert own.run(fn) == "done"
    assert undone == []
    assert left == ["memory", "memory"], "finally is run when a run leaves memory, too"


def test_a_loop_goes_on_with_a_new_journal() -> None:
    @dataclass
    class State:
        count: int
        seen: list[str]

    async def body(s: State) -> State | f.Done[int]:
        key = await f.step("key", f.step_key)
        if len(s.seen) < 3 and (not s.seen or s.seen[-1].split(":")[1] != key.split(":")[1]):
            s.seen.append(key)
        return f.done(s.count) if s.count == 4200 else State(s.count + 1, s.seen)

    body.__annotations__ = {"s": State}

    async def watch() -> int:
        return await f.loop(State(0, []), body)

    fn = made(watch)
    with Env(fn) as own:
        call = own.start(fn)
        assert call.result() == 4200
        assert call._task.epoch == 2
        assert len(call.journal) < 1 << 20


def test_a_tail_call_goes_on_with_another_input() -> None:
    async def pages(page: int, total: int = 0) -> int:
        total += await f.step("fetch", lambda: page)
        if page == 3:
            return total
        raise fn.tail_call(page + 1, total)

    fn = made(pages)
    with Env(fn, cold=True) as own:
        call = own.start(fn, 1)
        assert call.result() == 6
        assert call._task.epoch == 2


def test_shuffle_and_crash_everywhere_find_what_is_not_deterministic() -> None:
    counter = iter(range(100))

    async def wrong() -> int:
        n = next(counter)
        await f.sleep(1)
        return n

    with pytest.raises(AssertionError, match="kept in memory: 0; evicted at every wait: 2"):
        crash_everywhere(made(wrong))

    async def right(skus: list[str]) -> int:
        return sum(await price.map(skus))

    assert shuffle(10, made(right), ["a", "bb", "ccc"], others=(price,)) == 1500


def test_code_that_does_something_else_in_a_replay_is_blocked() -> None:
    flip = iter([True, False])

    async def wrong() -> None:
        await (wait(1) if next(flip) else price("x"))

    with pytest.raises(Blocked, match="SENDOFF1001"), Env(fn := made(wrong), wait, price, cold=True) as own:
        own.run(fn)


def test_a_stub_answers_for_a_function_of_another_app(env: Env) -> None:
    @app.remote(endpoint="http://127.0.0.1:1", queue="slow")
    async def convert(text: str, width: int = 80) -> bytes:
        return b""

    async def letter(text: str) -> int:
        return len(await convert(text, width=3))

    def stub(text: str, width: int = 80) -> bytes:
        return text.encode() * width

    env.stub(convert, stub)
    assert env.run(made(letter), "ab") == 6
    assert env.calls(convert) == 1


def test_logs_are_not_repeated_in_a_replay(caplog: pytest.LogCaptureFixture) -> None:
    async def talks() -> None:
        f.logger().warning("begun")
        await f.sleep(1)
        f.logger().warning("ended %s", f.info().function)

    fn = made(talks)
    with Env(fn, cold=True) as own:
        own.run(fn)
    lines = [r.getMessage() for r in caplog.records]
    assert lines == [f"begun [{fn.name} call-1]", f"ended {fn.name} [{fn.name} call-1]"]
