"""Runs that go on in another language: an app in Go and one in Python take turns behind one address."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from sendoff import NewTask
from sendoff import functions as f
from sendoff.testing import Server
from test_functions_served import ORDERS, free_port, until


class Turns(ThreadingHTTPServer):
    """Hands each request to the next of the apps."""

    daemon_threads = True

    def __init__(self, apps: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Turn)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.next, self.taken = itertools.cycle(apps), Counter[str]()
        self.lock = threading.Lock()


class _Turn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Turns)
        with server.lock:
            app = next(server.next)
            server.taken[app] += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = httpx.post(
            app + self.path, content=body, headers={"Content-Type": self.headers["Content-Type"]}, timeout=60
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running(command: list[str], address: str, turns: str, server: Server) -> Iterator[None]:
    env = {
        **os.environ,
        "SENDOFF_URL": server.url,
        "SENDOFF_API_KEY": "none",
        "DISPATCH_ENDPOINT_ADDR": address,
        "DISPATCH_ENDPOINT_URL": turns,
    }
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(address))
        yield
    finally:
        process.kill()
        process.wait()


def _answers(address: str) -> bool:
    try:
        httpx.get(f"http://{address}/")
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def in_go() -> str:
    found = os.environ.get("SENDOFF_GO_ORDERS")
    if not found:
        pytest.skip("SENDOFF_GO_ORDERS names no program: scripts/python builds it")
    return found


def test_a_run_goes_on_in_the_other_language(in_go: str, sendoff_server: Server) -> None:
    go, python = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    turns = Turns([f"http://{go}", f"http://{python}"])
    threading.Thread(target=turns.serve_forever, daemon=True).start()
    own = [sys.executable, str(ORDERS), "serve"]
    both = running([in_go], go, turns.url, sendoff_server), running(own, python, turns.url, sendoff_server)
    with both[0], both[1], sendoff_server.client() as client:
        for n in range(12):
            client.submit(NewTask(id=f"both-{n}", function="order", endpoint=turns.url, payload=order(n)))
        for n in range(0, 12, 3):  # the large ones
            until(lambda n=n: client.get(f"both-{n}").state == "suspended")  # type: ignore[misc]
            client.tasks.signal(f"both-{n}", "verdict", {"ok": n != 3, "by": "eve"})
        ended = [client.wait(f"both-{n}", timeout=60) for n in range(12)]
    for n, task in enumerate(ended):
        if n == 3:
            assert (task.state, task.error and task.error.message) == ("failed", "eve said no")
        else:
            assert task.result == {"cents": cents(n), "payment": f"payment-both-{n}", "parcel": f"parcel-both-{n}"}
    assert all(turns.taken[app] > 20 for app in (f"http://{go}", f"http://{python}"))
    turns.shutdown()


def order(n: int) -> dict[str, Any]:
    items = [{"sku": "pen", "count": 50 if n % 3 == 0 else 1}, {"sku": "ink", "count": n + 1}]
    return {"id": f"both-{n}", "email": "ada@example.com", "items": items}


def cents(n: int) -> int:
    return 750 * (50 if n % 3 == 0 else 1) + 750 * (n + 1)


def test_python_calls_go(in_go: str, sendoff_server: Server) -> None:
    address = f"127.0.0.1:{free_port()}"
    app = f.Functions(f"http://127.0.0.1:{free_port()}", server=sendoff_server.url, api_key="none")

    @app.remote(endpoint=f"http://{address}")
    async def price(item: dict[str, Any]) -> int:
        return 0

    @app.function
    async def total(skus: list[str]) -> str:
        try:
            await price({"sku": "unicorn", "count": 1})
        except f.CallError as e:
            return f"{sum(await price.map([{'sku': s, 'count': 2} for s in skus]))} {e.type} {e.message}"
        return "?"

    from test_functions_served import over_wsgi

    with running([in_go], address, f"http://{address}", sendoff_server), over_wsgi(app):
        assert total.submit(["pen", "ink"]).result(60) == "3000 shop.SoldOut unicorn is sold out"
