"""The app of test_proof: each of its instances serves it on the same port, and writes down what it does."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn

from sendoff import functions as f

STEPS, WIDTH = 20, 100
URL = os.environ.get("PROOF_URL", "http://127.0.0.1:1")
NAP = float(os.environ.get("PROOF_NAP", "0"))  # seconds that a step takes

app = f.Functions(URL, server=os.environ.get("SENDOFF_URL"), api_key="none")


def note(line: str) -> None:
    """Puts a line behind what all instances have written: in one piece, and before anything follows from it."""
    log = os.open(os.environ["PROOF_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{line}\n".encode())
    os.close(log)


async def work(number: int, at: int) -> int:
    note(f"step {number} {at} {f.step_key()}")
    await asyncio.sleep(NAP)
    return 100 * number + at


@app.function
async def flow(number: int) -> int:
    total = 0
    for at in range(STEPS):
        total += await f.step(f"work {at}", work, number, at)
        if at % 7 == 6:
            await f.sleep(0.2)
    return await twice(total)


@app.function
def twice(n: int) -> int:
    return 2 * n


@app.function
async def fan(number: int) -> int:
    return sum(await leaf.map((number, i) for i in range(WIDTH)))


@app.function
def leaf(of: tuple[int, int]) -> int:
    note(f"leaf {of[0]} {of[1]} -")
    return of[0] + of[1]


if __name__ == "__main__":
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", int(URL.rpartition(":")[2])))
        uvicorn.Server(uvicorn.Config(app.asgi(), log_level="error")).run(sockets=[listener])
