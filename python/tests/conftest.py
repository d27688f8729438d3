from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import uvicorn

from sample_tasks import tasks
from sendoff import Client
from sendoff.push import AsgiApp
from sendoff.testing import Server
from sendoff.verify import Verifier


class Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class App(ThreadingHTTPServer):
    """An app that answers each path in its own way, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        app = self.server
        assert isinstance(app, App)
        app.seen.append((self.path, dict(self.headers), body))
        status = 422 if self.path == "/reject" else 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def app() -> Iterator[App]:
    server = App()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@contextlib.contextmanager
def serving(app: AsgiApp) -> Iterator[str]:
    """An app served by uvicorn; its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def through(sendoff_client: Client) -> Iterator[None]:
    tasks.client = sendoff_client
    yield
    tasks.url = tasks.client = None


@pytest.fixture(params=["asgi", "wsgi"])
def carried(request: pytest.FixtureRequest, sendoff_server: Server, through: None) -> Iterator[None]:
    verifier = Verifier(sendoff_server.url)
    if request.param == "asgi":
        with serving(tasks.asgi(verifier)) as url:
            tasks.url = f"{url}/tasks"
            yield
        return
    with make_server("127.0.0.1", 0, tasks.wsgi(verifier), Threading, Silent) as plain:
        thread = threading.Thread(target=plain.serve_forever, args=(0.01,))
        thread.start()
        tasks.url = f"http://127.0.0.1:{plain.server_port}/tasks/"
        yield
        plain.shutdown()
        thread.join()
