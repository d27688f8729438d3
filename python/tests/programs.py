"""Durable functions as data: the programs that the SDKs of all languages run."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sendoff import functions as f
from sendoff.push import Permanent


@dataclass
class Program:
    op: str
    n: int = 0
    kids: list[Program] | None = None


@dataclass
class Hops:
    Left: int
    Sum: int


@dataclass
class Relayed:
    Names: list[str]
    Got: str


@f.error("teapot")
@dataclass
class Teapot(Exception):
    Size: int


class Told:
    """What the server of a test does, and how a step sends signals."""

    tells = True
    send: Any = None


draws = itertools.count(1)  # what a step returns must be on record to come twice
effects: dict[str, int] = {}  # what steps did to the world, by their keys
app = f.Functions(development=True)


@app.function
async def echo(n: int) -> int:
    return n


@app.function
async def lame(n: int) -> int:
    await f.sleep(n)
    return n


@app.function
async def sick(n: int) -> int:
    raise Teapot(n) from Permanent("it never heals")


@app.function
async def hop(h: Hops) -> int:
    if h.Left == 0:
        return h.Sum
    n = await echo(h.Left)
    raise hop.tail_call(Hops(h.Left - 1, h.Sum + n))


@app.function
async def relay(r: Relayed) -> str:
    got = r.Got + await f.Signal(r.Names[0], str).receive()
    if len(r.Names) == 1:
        return got
    raise relay.tail_call(Relayed(r.Names[1:], got + " "))


@app.function
async def interpret(p: Program) -> str:
    return await run(p)


FUNCTIONS = (echo, lame, sick, hop, relay, interpret)


async def run(p: Program) -> str:
    ok = f"{p.op}{p.n}"
    if p.op in ("branches", "seq", "child", "timeout"):
        return await run_kids(p)
    if p.op == "signal":
        return await f.Signal(ok, str).receive()
    await LEAVES[p.op](p.op, p.n)
    return ok


async def run_kids(p: Program) -> str:
    kids = p.kids or []
    if p.op == "branches":
        out = await f.gather(*[run(k) for k in kids])
    elif p.op == "child":
        out = [await interpret(kids[0])]
    elif p.op == "timeout":
        async with f.timeout(timedelta(hours=1000)):
            out = [await run(kids[0])]
    else:
        out = [await run(k) for k in kids]
    return f"{p.op}({','.join(out)})"


def must(holds: bool, what: str, got: object = None) -> None:
    if not holds:
        raise AssertionError(f"{what}: {got}")


async def call(op: str, n: int) -> None:
    must(await echo(n) == n, op)


async def gather(op: str, n: int) -> None:
    must(await echo.map(range(n)) == list(range(n)), op)


async def each(op: str, n: int) -> None:
    seen = 0
    async for i, result in echo.each(range(n), 2):
        seen += 1
        must(await result == i, op)
    must(seen == n, op)


async def sleep(op: str, n: int) -> None:
    before, span = f.now(), timedelta(milliseconds=300 * n)
    await f.sleep(span)
    must(f.now() - before >= span, op)


async def check_step(name: str) -> None:
    """A step that was run again after something was done with its result would be found by the input of the call."""
    v = await f.step(name, draw)
    must(await echo(v) == v, name)


def draw() -> int:
    return next(draws)


async def step(op: str, n: int) -> None:
    await check_step("draw")


async def steps(op: str, n: int) -> None:
    for i in range(n):
        await check_step(f"draw{i}")


async def chain(op: str, n: int) -> None:
    """By the time that a step starts, what it builds on must be on record, or it would do something else when it is
    repeated."""
    v = 0

    def link(v: int) -> int:
        old = effects.setdefault(f.step_key(), v)
        if old != v and effects["watched"]:
            raise Permanent(f"step {f.step_key()} ran with {old} and then with {v}")
        return draw()

    for _ in range(n + 1):
        v = await f.step("link", link, v)


async def tail(op: str, n: int) -> None:
    must(await hop(Hops(n, 0)) == n * (n + 1) // 2, op)


async def relays(op: str, n: int) -> None:
    names = [f"signal{n - 1}", f"signal{n}"]
    must(await relay(Relayed(names, "")) == " ".join(names), op)


async def held(op: str, n: int) -> None:
    """Waits for the result of a call, or for a signal, beside a step that goes on until the function has got it."""
    name = f"heard{n}"
    sent = echo(n)
    signal = f.Signal(name, str).next()
    limit = 20.0 if Told.tells else 0.001

    def hold() -> int:
        if op == "heard":
            Told.send(f.step_key().partition(":")[0], name, name)
        end = time.monotonic() + limit
        while time.monotonic() < end and not f.step_stopped():
            time.sleep(0.001)
        raise Permanent("held")

    body = f.step("held", hold)
    awaited: f.Future[Any] = signal if op == "heard" else sent
    first = await f.select(body, awaited)
    must(first == 1 or not Told.tells, op, first)
    body.cancel()
    must(await sent == n, op)
    if op == "heard":
        must(await signal == name, op)


async def fail(op: str, n: int) -> None:
    try:
        await sick(n)
    except Teapot as e:
        must(e.Size == n, op)
    else:
        must(False, op)


async def group(op: str, n: int) -> None:
    """Calls of two hours beside one that fails at once, or beside a deadline of a minute: neither is waited for longer
    than that."""
    before = f.now()
    futures = [lame(7200) for _ in range(n)]
    try:
        if op == "group":
            await f.gather(*futures, sick(n))
        else:
            async with f.timeout(60):
                await f.gather(*futures)
        must(False, op)
    except Teapot:
        must(op == "group", op)
    except f.TimedOut:
        must(op == "late", op)
    must(f.now() - before <= timedelta(hours=1), op)
    for future in futures:
        try:
            await future
            must(False, op)
        except f.Canceled:
            pass


async def chance(op: str, n: int) -> None:
    id, r = str(f.uuid()), f.random().getrandbits(64) & (1 << 63) - 1
    must(await echo(r) == r, op)
    must(await echo(len(id) + int(f.now().timestamp())) > 0, op)


async def version(op: str, n: int) -> None:
    must(f.version("change", n) >= 1, op)


async def races(op: str, n: int) -> None:
    futures = [echo(i) for i in range(n)]
    slow = lame(7200)
    futures.append(slow)
    if op == "race":
        must(await f.race(*futures) < n, op)
    elif op == "any":
        must(await f.any(*futures, sick(1)) < n, op)
    elif op == "settled":
        for i, r in enumerate(await f.settled(*futures[:n], sick(3))):
            must((r.error is not None) == (i == n), op)
    elif op == "select":
        signal = f.Signal("never", str).next()
        timer = f.sleep(timedelta(hours=1))
        must(await f.select(signal, slow, futures[0], timer) == 2, op)
        must(await f.select(signal, slow, timer) == 2, op)
    else:
        await cancels(op, slow)


async def cancels(op: str, slow: f.Future[int]) -> None:
    try:
        async with f.timeout(60):
            await slow
        must(False, op)
    except f.TimedOut:
        pass
    try:
        await slow
        must(False, op)
    except f.Canceled:
        pass


LEAVES = {
    "call": call, "gather": gather, "each": each, "sleep": sleep, "step": step, "steps": steps, "chain": chain,
    "tail": tail, "relay": relays, "held": held, "heard": held, "group": group, "late": group, "fail": fail,
    "now": chance, "random": chance, "version": version, "race": races, "any": races, "select": races,
    "settled": races, "cancel": races,
}  # fmt: skip
