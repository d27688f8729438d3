"""What durable functions of the package sendoff cost: the processor time of a step and of a replay.

    PYTHONPATH=../../python/src SENDOFF_BIN=sendoff python functions.py [step|replay] [profile]

step: of the app, for each step of a warm function with its checkpoint over HTTP, beside a server of its own. replay:
of a journal of 1,000 steps, and of reading it alone. Medians of several rounds, and the range.
"""

from __future__ import annotations

import cProfile
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sendoff.functions import Functions, step
from sendoff.functions._core.host import Host
from sendoff.functions._format.journal import decode
from sendoff.functions._listen import Listener
from sendoff.functions.testing import Env
from sendoff.testing import Server

STEPS = 1000
app = Functions("http://127.0.0.1:1")


def add(n: int) -> int:
    return n + 1


@app.function
async def steps(count: int) -> int:
    total = 0
    for _ in range(count):
        total = await step("add", add, total)
    return total


def show(what: str, unit: str, samples: list[float]) -> None:
    middle, low, high = statistics.median(samples), min(samples), max(samples)
    print(f"{what}: {middle:.3f} {unit} [{low:.3f}-{high:.3f}], {len(samples)} rounds", flush=True)


def rounds(n: int, do: Callable[[], object]) -> list[float]:
    """The processor time of each, in seconds."""
    took = []
    for _ in range(n):
        began = time.process_time()
        do()
        took.append(time.process_time() - began)
    return took


def replays() -> None:
    with Env(steps) as env:
        call = env.start(steps, STEPS)
        assert call.result() == STEPS
        journal = call.journal
    host = Host()
    host.replay(steps, "steps", journal)
    print(f"journal of {STEPS} steps: {len(journal)} bytes")
    show("read it", "ms", [s * 1000 for s in rounds(15, lambda: decode(journal))])
    show("replay it", "ms", [s * 1000 for s in rounds(15, lambda: host.replay(steps, "steps", journal))])
    host.close()


def warm() -> None:
    with tempfile.TemporaryDirectory() as directory, Server(Path(directory)) as server:
        functions = Functions(server=server.url, api_key="none", development=True)
        listener = Listener(functions.wsgi(), "127.0.0.1:0")
        functions._url = f"http://{listener.address}"
        threading.Thread(target=listener.serve, daemon=True).start()
        served = functions.function(name="steps")(steps.__wrapped__)
        assert served.submit(10).result(60) == 10

        def once() -> None:
            assert served.submit(STEPS).result(120) == STEPS

        show("a warm step", "ms", [s * 1000 / STEPS for s in rounds(5, once)])
        functions.close()
        listener.stop()


if __name__ == "__main__":
    what = sys.argv[1:2]
    measured = [do for name, do in (("replay", replays), ("step", warm)) if what in ([], [name])]
    for do in measured:
        if sys.argv[2:] == ["profile"]:
            cProfile.run("do()", sort="cumulative")
        else:
            do()
