"""Durable functions with the real server: over WSGI and ASGI, signed, killed, and with the names of Dispatch's SDK."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sendoff import Client, dispatch
from sendoff import functions as f
from sendoff.dispatch.fastapi import Dispatch
from sendoff.errors import Conflict, InvalidValue, NotFound, TaskFailed
from sendoff.functions._format import messages as m
from sendoff.functions._http import PATH
from sendoff.functions._listen import Listener
from sendoff.push import AsgiApp
from sendoff.testing import Server

ORDERS = Path(__file__).parents[2] / "examples" / "python" / "orders.py"


@f.error("served.Refusal")
@dataclass
class Refusal(Exception):
    why: str


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def over_wsgi(app: f.Functions) -> Iterator[None]:
    listener = Listener(app.wsgi(), app.url.rpartition("/")[2])
    thread = threading.Thread(target=listener.serve)
    thread.start()
    try:
        yield
    finally:
        listener.stop()
        thread.join()
        app.close()


@contextmanager
def over_asgi(served: AsgiApp, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(served, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def served_by(server: Server, **options: Any) -> f.Functions:
    return f.Functions(f"http://127.0.0.1:{free_port()}", server=server.url, api_key="none", **options)


async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


def flow(app: f.Functions) -> f.Function[[int], str]:
    @app.function
    def double(n: int) -> int:
        return 2 * n

    @app.function
    async def flow(n: int) -> str:
        doubled = await double.map(range(n))
        slept = await f.step("slept", nap, 0.001)
        await f.sleep(0.01)
        said = await f.Signal("word", str).receive()
        return f"{sum(doubled)} {slept} {said}"

    return flow


@pytest.mark.parametrize("how", ["wsgi", "asgi"])
def test_a_function_is_served(sendoff_server: Server, how: str) -> None:
    app = served_by(sendoff_server)
    fn = flow(app)
    served = over_wsgi(app) if how == "wsgi" else over_asgi(app.asgi(), int(app.url.rpartition(":")[2]))
    with served, sendoff_server.client() as client:
        call = fn.submit(3)
        call.signal("word", "hello")
        assert call.result(60) == "6 slept hello"
        assert [s.name for s in client.tasks.steps(call.id).items] == ["slept"]
        assert sorted(t.function for t in client.tasks.tree(call.id).items) == ["double"] * 3 + ["flow"]


def test_outside_of_a_function_a_call_is_handed_over_and_waited_for(sendoff_server: Server) -> None:
    app = served_by(sendoff_server)

    @app.function
    async def greet(name: str) -> str:
        if not name:
            raise ValueError("there is no name")
        return f"hello {name}"

    async def main() -> str:
        return await greet("ada")

    with over_wsgi(app):
        assert asyncio.run(main()) == "hello ada"
        with pytest.raises(TaskFailed, match="there is no name") as e:
            greet.submit("").result(60)
        assert e.value.task.error is not None
        assert e.value.task.error.type == "ValueError"


def test_only_the_server_may_run_functions(sendoff_server: Server) -> None:
    published = httpx.get(sendoff_server.url + "/.well-known/sendoff-keys").json()["keys"][0]["x"]
    key = base64.b64encode(base64.urlsafe_b64decode(published + "=")).decode()
    app = served_by(sendoff_server, verification_key=key)

    @app.function
    async def one() -> int:
        return 1

    other = f.Functions(app.url, verification_key=base64.b64encode(bytes(32)).decode())
    request = m.RunRequest(function="one", dispatch_id="x", input=m.Any_())
    with over_wsgi(app):
        assert one.submit().result(60) == 1
        headers = {"Content-Type": "application/proto"}
        answer = httpx.post(app.url + PATH, content=request.SerializeToString(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert httpx.get(app.url + PATH).status_code == 405
        assert httpx.post(app.url + "/other", content=b"").status_code == 404
    other.function(name="one")(one.__wrapped__)  # type: ignore[attr-defined]
    with over_wsgi(other), sendoff_server.client() as client:
        call = one.submit()
        until(lambda: any("403" in str(e) for e in client.endpoints.list()))
        call.cancel()


@pytest.mark.parametrize(
    ("body", "kind", "status", "text"),
    [
        (b"{", "application/json", 400, "no RunRequest"),
        (b"\xff", "application/proto", 400, "no RunRequest"),
        (b"", "application/proto", 400, "a run needs a dispatch_id"),
        (b"", "text/plain", 415, "want application/proto"),
    ],
)
def test_what_is_no_run_is_refused(body: bytes, kind: str, status: int, text: str) -> None:
    app = f.Functions(f"http://127.0.0.1:{free_port()}")
    with over_wsgi(app):
        answer = httpx.post(app.url + PATH, content=body, headers={"Content-Type": kind})
        assert answer.status_code == status
        assert text in answer.json()["message"]


def test_without_cryptography_only_this_host_is_served(
    sendoff_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = base64.b64encode(bytes(32)).decode()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ImportError, match=r"pip install 'sendoff\[verify\]'"):
        f.Functions("https://shop.example/functions", verification_key=key).wsgi()
    app = served_by(sendoff_server, verification_key=key)

    @app.function
    async def one() -> int:
        return 1

    with over_wsgi(app):
        assert one.submit().result(60) == 1
    assert "only this host is served" in caplog.text


def test_a_fault_of_the_app_is_an_answer() -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError("broken")

    listener = Listener(broken, f"127.0.0.1:{free_port()}")
    thread = threading.Thread(target=listener.serve)
    thread.start()
    assert httpx.post(f"http://{listener.address}/").status_code == 500
    listener.stop()
    thread.join()


def test_without_a_key_only_this_host_is_served() -> None:
    with pytest.raises(ValueError, match="set DISPATCH_VERIFICATION_KEY to the server's public key"):
        f.Functions("http://shop.example/functions").wsgi()


class App:
    """The program of the examples, in a process that can be killed."""

    def __init__(self, server: Server) -> None:
        self.port = free_port()
        self._server = server
        self.start()

    def start(self) -> None:
        env = {
            **os.environ,
            "SENDOFF_URL": self._server.url,
            "SENDOFF_API_KEY": "none",
            "DISPATCH_ENDPOINT_ADDR": f"127.0.0.1:{self.port}",
        }
        command = [sys.executable, str(ORDERS), "serve"]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    def kill(self) -> list[str]:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        lines = self.process.stdout.read().splitlines()
        self.process.wait()
        return lines


def test_an_order_survives_the_death_of_its_app_and_of_the_server(tmp_path: Path) -> None:
    if not ORDERS.exists():
        pytest.skip("without the repository there are no examples")
    with Server(tmp_path) as server:
        app = App(server)
        with server.client() as client:
            submit(client, app, "o-2", 200)
            until(lambda: client.get("o-2").state == "suspended" and len(client.tasks.tree("o-2").items) == 2)
            until(lambda: client.tasks.tree("o-2").items[1].state == "succeeded")
        lines = app.kill()
        server.kill()
        server.start()
        app.start()
        with server.client() as client:
            client.tasks.signal("o-2", "verdict", {"ok": True, "by": "eve"})
            receipt = client.result("o-2", timeout=60)
            assert receipt == {"cents": 150000, "payment": "payment-o-2", "parcel": "parcel-o-2"}
            assert client.get("o-2").run == 1
            assert len(client.tasks.tree("o-2").items) == 3, "the price was asked for once"
        lines += app.kill()
        assert [line.partition(",")[0] for line in lines if "charge" in line] == ["order o-2: charge 150000 cents"]


def submit(client: Client, app: App, id: str, count: int) -> None:
    from sendoff import NewTask

    order = {"id": id, "email": "ada@example.com", "items": [{"sku": "pen", "count": count}]}
    client.submit(NewTask(id=id, function="order", endpoint=f"http://127.0.0.1:{app.port}", payload=order))


def test_programs_of_dispatch_run_with_another_import(sendoff_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("DISPATCH_API_URL", sendoff_server.url)
    monkeypatch.setenv("DISPATCH_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    app = FastAPI()
    registry = dispatch.Registry("shop", endpoint=f"http://127.0.0.1:{port}")
    served = Dispatch(app, registry=registry)
    published: list[tuple[str, dict[str, str]]] = []

    @served.function
    def publish(url: str, payload: dict[str, str]) -> None:
        published.append((url, payload))

    @served.function
    async def transform(msg: str) -> str:
        return msg.upper()

    @served.function
    async def process(msgs: list[str]) -> list[str]:
        return await dispatch.gather(*[transform(msg) for msg in msgs])

    @app.get("/")
    def root() -> dict[str, int]:
        publish.dispatch("https://example.com/200", {"hello": "world"})
        return {"answer": 42}

    with over_asgi(app, port):
        assert httpx.get(f"http://127.0.0.1:{port}/").json() == {"answer": 42}
        until(lambda: published == [("https://example.com/200", {"hello": "world"})])
        assert process.dispatch(["a", "b"]).result(60) == ["A", "B"]
    registry.close()


def test_programs_of_dispatch_make_many_calls_and_begin_anew(
    sendoff_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("DISPATCH_API_URL", sendoff_server.url)
    registry = dispatch.Registry("many", endpoint=f"http://127.0.0.1:{port}")
    app = FastAPI()
    app.mount("/dispatch.sdk.v1.FunctionService", registry.asgi())
    seen: list[str] = []

    # Without annotations, as such programs are.
    @registry.function
    def transform1(msg):  # type: ignore[no-untyped-def]
        return msg.upper()

    @registry.function
    async def publish(msg):  # type: ignore[no-untyped-def]
        r = httpx.get(f"http://127.0.0.1:{port}/docs")  # blocks, and nothing else meanwhile
        r.raise_for_status()
        seen.append(msg)

    @registry.function
    async def pipeline(msg):  # type: ignore[no-untyped-def]
        msg = await transform1(msg)
        await publish(msg)

    @registry.function
    async def countdown(n: int, total: int = 0) -> int:
        if n > 0:
            raise dispatch.Reset(countdown, n - 1, total=total + n)
        return total

    @registry.function
    def halved(n: int) -> int:
        if n % 2 == 0:
            raise dispatch.Reset(halved, n // 2)
        return n

    async def of_one() -> tuple[str, list[str]]:
        many = registry.batch().add(countdown, 2).add(countdown, n=3, total=10)
        return await pipeline.dispatch("hello"), await many.dispatch()

    with over_asgi(app, port), sendoff_server.client() as client:
        id, ids = asyncio.run(of_one())
        assert client.result(id, timeout=60) is None
        assert seen == ["HELLO"]
        assert [client.result(i, timeout=60) for i in ids] == [3, 16]
        assert client.get(ids[0]).function == "countdown"
        assert halved.submit(40).result(60) == 5
        large = registry.batch()
        for n in range(1001):
            large.add(transform1, f"m{n}")
        made = large.dispatch()
        assert (len(made), len(set(made)), large.calls) == (1001, 1001, [])
        assert client.result(made[1000], timeout=60) == "M1000"
        with pytest.raises(InvalidValue):
            large.add(countdown, "no", "numbers", "at all")  # type: ignore[call-arg,arg-type]
    registry.close()


def test_a_promise_is_rejected_from_outside(sendoff_server: Server) -> None:
    app = served_by(sendoff_server)
    ids: list[str] = []

    @app.function
    async def asks() -> str:
        answer = f.promise(int)
        await f.step("hand out", ids.append, answer.id)
        try:
            return str(await answer)
        except Refusal as e:
            return f"no: {e.why}"

    with over_wsgi(app), sendoff_server.client() as client:
        call = asks.submit()
        until(lambda: bool(ids))
        f.reject(ids[0], Refusal("too dear"), client=client)
        with suppress(Conflict):  # it may have ended by now
            f.resolve(ids[0], 7, client=client)  # too late
        assert call.result(60) == "no: too dear"
        with pytest.raises(NotFound):
            f.reject("019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00:1", ValueError(), client=client)
        with pytest.raises(ValueError, match="want that of a promise"):
            f.reject("1", ValueError(), client=client)


def test_run_serves_while_a_program_goes_on(sendoff_server: Server, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from sendoff import dispatch\n"
        "@dispatch.function\n"
        "def double(n: int) -> int: return 2 * n\n"
        "@dispatch.function\n"
        "async def total(n: int) -> int: return sum(await dispatch.gather(*[double(i) for i in range(n)]))\n"
        "async def main() -> None: print('the total is', await total(4))\n"
        "dispatch.run(main())\n"
    )
    env = {
        **os.environ,
        "DISPATCH_API_URL": sendoff_server.url,
        "DISPATCH_API_KEY": "none",
        "DISPATCH_ENDPOINT_ADDR": f"127.0.0.1:{free_port()}",
    }
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("the total is 12\n", 0), done.stderr
