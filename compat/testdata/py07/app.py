"""An app with dispatch-py 0.7.1 in FastAPI: functions, and routes that call them."""

import os

import dispatch
import requests
from dispatch import gather
from dispatch.error import TemporaryError
from dispatch.fastapi import Dispatch
from fastapi import FastAPI, Request

app = FastAPI()
registry = Dispatch(app)

MARKS = os.environ["MARKS"]


def mark(name: str) -> int:
    with open(os.path.join(MARKS, name), "a+") as f:
        f.write("x\n")
        f.flush()
        f.seek(0)
        return len(f.readlines())


@registry.function
def publish(url, payload):
    r = requests.post(url, data=payload)
    r.raise_for_status()


@registry.function
def store(name, value):
    """Results of 0.7.1 are pickled: here is one for all to read."""
    with open(os.path.join(MARKS, name + ".value"), "w") as f:
        f.write(repr(value))


@registry.function
def add(a, b):
    return a + b


@registry.function
def square(n):
    return n * n


@registry.function
def fail(message):
    raise ValueError(message)


@registry.function
def flaky(name):
    n = mark(name)
    if n < 2:
        raise TemporaryError(f"time {n}")
    return n


@registry.function
async def pipeline(name, n):
    first = await add(n, 1)
    second = await square(first)
    third = await add(second, first)
    await store(name, third)


@registry.function
async def squares(name, n):
    results = await gather(*[square(i) for i in range(n)])
    await store(name, sum(results))


@registry.function
async def caught(name):
    try:
        await fail("wrong")
    except ValueError as e:
        await store(name, f"ValueError: {e}")


@registry.function
async def repeated(name):
    n = await flaky(name)
    await store(name, n)


@registry.function
async def countdown(name, n, total):
    if n == 0:
        await store(name, total)
    else:
        raise dispatch.Reset(countdown, name, n - 1, total + n)


@registry.function
async def call_in_call(n):
    return await add(await add(n, n), n)


@registry.function
def gate(name):
    mark(name + ".runs")
    if not os.path.exists(os.path.join(MARKS, name)):
        raise TemporaryError("closed")
    return name


@registry.function
async def long_way(name):
    mark(name + ".begun")
    before = await add(20, 1)
    await gate(name)
    after = await add(before, before)
    await store(name, after)


@app.get("/")
def root(url: str):
    publish.dispatch(url, {"hello": "world"})
    return {"answer": 42}


@app.post("/dispatch/{function}")
async def call(function: str, request: Request):
    return globals()[function].dispatch(*await request.json())


@app.post("/refused")
def refused():
    client = dispatch.Client(api_key="wrong")
    try:
        client.dispatch([add.build_call(1, 2)])
    except PermissionError as e:
        return str(e)
