"""Functions and submissions of the package sendoff beside DBOS for Python, dispatch-py and Celery, durable everywhere.

    PYTHONPATH=../../python/src SENDOFF_BIN=sendoff python peers.py functions STEPS N POSTGRES
    PYTHONPATH=../../python/src SENDOFF_BIN=sendoff DISPATCH_PY=python python peers.py calls CALLS N
    PYTHONPATH=../../python/src SENDOFF_BIN=sendoff python peers.py submits N REDIS

functions: N workflows of so many steps, from the first submission to the last end, over databases of the PostgreSQL
server at that URL, which are made and left there. sendoff is a server and this process, DBOS this process alone.
calls: N functions that await so many others one after the other, over SQLite; both have a server of ours, dispatch-py
in the interpreter DISPATCH_PY, which has it and httpx.
submits: N tasks one after the other from 16 threads, and from 64 tasks of asyncio; ours into SQLite with
synchronous=FULL, Celery's, with acks_late, into the Redis server at HOST:PORT, which is to have appendfsync always.

They take turns, three rounds each; each is a process of its own. Needs httpx, protobuf, dbos, psycopg, celery[redis].
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROUNDS, THREADS, TASKS = 3, 16, 64


def add(a: int, b: int) -> int:
    return a + b


def expected(n: int, steps: int) -> int:
    return sum(number * steps for number in range(n))


@contextmanager
def measured(units: int) -> Iterator[None]:
    """Prints units a second, and the processor time of this process for each, in us."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    print(units / (time.monotonic() - wall), (time.process_time() - cpu) / units * 1e6)


def database(url: str) -> str:
    """A new one, and its URL."""
    import psycopg

    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def many(n: int, do: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, range(n)))


def functions_of_sendoff(steps: int, n: int, postgres: str) -> None:
    from sendoff.functions import Functions, step
    from sendoff.functions._listen import Listener
    from sendoff.testing import Server

    args = ["--db", database(postgres)]
    subprocess.run([os.environ["SENDOFF_BIN"], "migrate", *args], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as directory, Server(Path(directory), args=args) as server:
        functions = Functions(server=server.url, api_key="none", development=True)
        listener = Listener(functions.wsgi(), "127.0.0.1:0")
        functions._url = f"http://{listener.address}"
        threading.Thread(target=listener.serve, daemon=True).start()

        @functions.function
        async def flow(number: int) -> int:
            total = 0
            for _ in range(steps):
                total = await step("add", add, total, number)
            return total

        with server.client() as client, measured(n):
            made = client.batch([flow.new(number) for number in range(n)], atomic=True)
            ids = [item.task.id for item in made if item.task]
            assert sum(many(n, lambda i: client.result(ids[i], timeout=600))) == expected(n, steps)
        listener.stop()
        functions.close()


def functions_of_dbos(steps: int, n: int, postgres: str) -> None:
    from dbos import DBOS

    url = database(postgres)
    dbos = DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
    step = DBOS.step()(add)

    @DBOS.workflow()
    def flow(number: int) -> int:
        total = 0
        for _ in range(steps):
            total = step(total, number)
        return total

    DBOS.launch()
    with measured(n):
        handles = many(n, lambda i: DBOS.start_workflow(flow, i))
        assert sum(handle.get_result() for handle in handles) == expected(n, steps)
    DBOS.destroy()
    del dbos


def calls_of_sendoff(calls: int, n: int) -> None:
    from sendoff.functions import Functions
    from sendoff.functions._listen import Listener
    from sendoff.testing import Server

    with tempfile.TemporaryDirectory() as directory, Server(Path(directory)) as server:
        functions = Functions(server=server.url, api_key="none", development=True)
        listener = Listener(functions.wsgi(), "127.0.0.1:0")
        functions._url = f"http://{listener.address}"
        threading.Thread(target=listener.serve, daemon=True).start()
        called = functions.function(name="add")(add)

        @functions.function
        async def flow(number: int) -> int:
            total = 0
            for _ in range(calls):
                total = await called(total, number)
            return total

        with server.client() as client, measured(n):
            made = client.batch([flow.new(number) for number in range(n)], atomic=True)
            ended(client, [item.task.id for item in made if item.task])
        listener.stop()
        functions.close()


def calls_of_dispatch(calls: int, n: int) -> None:
    from sendoff.testing import Server

    with tempfile.TemporaryDirectory() as directory, Server(Path(directory)) as server, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        os.environ.update(
            CALLS=str(calls),
            DISPATCH_API_URL=server.url,
            DISPATCH_API_KEY="none",
            DISPATCH_ENDPOINT_URL=f"http://{address}",
            DISPATCH_ENDPOINT_ADDR=address,
        )
        import dispatch
        import dispatchapp

        async def main() -> None:
            with server.client() as client, measured(n):
                batch = dispatch.batch()
                for number in range(n):
                    batch.add(dispatchapp.flow, number)
                await asyncio.to_thread(ended, client, [str(id) for id in await batch.dispatch()])

        dispatch.run(main())


def ended(client: Any, ids: list[str]) -> None:
    """Waits until all tasks have succeeded."""
    states = {(t.state, t.last_error) for t in many(len(ids), lambda i: client.wait(ids[i], timeout=600))}
    assert {state for state, _ in states} == {"succeeded"}, states


def submits_of_sendoff(n: int, asynchronous: bool) -> None:
    from sendoff import NewTask
    from sendoff.testing import Server

    with tempfile.TemporaryDirectory() as directory, Server(Path(directory)) as server:
        with server.client() as client:
            new = NewTask(url="http://127.0.0.1:9/hook", payload="x" * 200)
            client.submit(new)
            client.queues.pause("default")  # what takes tasks off is not measured
            if not asynchronous:
                with measured(n):
                    many(n, lambda i: client.submit(new))
                return

        async def several() -> None:
            async with server.async_client() as client:

                async def some() -> None:
                    for _ in range(n // TASKS):
                        await client.submit(new)

                with measured(n // TASKS * TASKS):
                    await asyncio.gather(*[some() for _ in range(TASKS)])

        asyncio.run(several())


def submits_of_celery(n: int, redis: str) -> None:
    from celery import Celery

    app = Celery("bench", broker=f"redis://{redis}/0")
    app.conf.update(task_acks_late=True, task_ignore_result=True)
    task = app.task(name="tick")(add)
    task.delay("x" * 200, "")
    with measured(n):
        many(n, lambda i: task.delay("x" * 200, ""))


def one(argv: list[str]) -> None:
    """The process of one round."""
    if argv[0].startswith("calls-"):
        {"calls-sendoff": calls_of_sendoff, "calls-dispatch": calls_of_dispatch}[argv[0]](*map(int, argv[1:]))
        return
    who, numbers, server = argv[0], [int(a) for a in argv[1:-1]], argv[-1]
    if who == "submits-sendoff":
        submits_of_sendoff(numbers[0], False)
    elif who == "submits-sendoff-async":
        submits_of_sendoff(numbers[0], True)
    elif who == "submits-celery":
        submits_of_celery(numbers[0], server)
    elif who == "functions-sendoff":
        functions_of_sendoff(numbers[0], numbers[1], server)
    else:
        functions_of_dbos(numbers[0], numbers[1], server)


def main() -> None:
    if sys.argv[1] == "--one":
        one(sys.argv[2:])
        return
    peers = {
        "functions": ("sendoff", "dbos"),
        "calls": ("sendoff", "dispatch"),
        "submits": ("sendoff", "sendoff-async", "celery"),
    }[sys.argv[1]]
    found: dict[str, list[list[float]]] = {who: [] for who in peers}
    for _ in range(ROUNDS):
        for who in peers:
            python = os.environ["DISPATCH_PY"] if who == "dispatch" else sys.executable
            argv = [python, __file__, "--one", f"{sys.argv[1]}-{who}", *sys.argv[2:]]
            out = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[who].append([float(word) for word in out.split()[-2:]])
    for who, rounds in found.items():
        rates, cpu = zip(*rounds, strict=True)
        print(
            f"{who}: {statistics.median(rates):.0f}/s [{min(rates):.0f}-{max(rates):.0f}], "
            f"{statistics.median(cpu):.0f} us of this process each"
        )


if __name__ == "__main__":
    main()
