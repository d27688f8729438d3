"""A small HTTP server for functions: threads, and connections that are kept. Others serve the WSGI app as well."""

from __future__ import annotations

import io
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from sendoff.functions._http import size_of
from sendoff.push import WsgiApp

_GRACE, _MOMENT = 10.0, 1.0  # seconds


_log = logging.getLogger("sendoff.functions")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    app: WsgiApp
    stopping = False

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Requests)
        self._under_way = 0
        self._changed = threading.Condition()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts a request as under way."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def finish(self, seconds: float) -> None:
        """Waits for what is under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break off are no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 120.0  # seconds that a connection may say nothing
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        with self.server.answering():
            self._answer()
        self.close_connection = self.close_connection or self.server.stopping

    def _answer(self) -> None:
        length = size_of(self.headers.get("Content-Length"))
        read = io.BytesIO(self.rfile.read(length)) if length <= 1 << 14 else self.rfile
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(urlsplit(self.path).path, "latin-1"),
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "wsgi.url_scheme": "http",
            "wsgi.input": read,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        try:
            answer = self.server.app(environ, self._start)
        except Exception:
            _log.exception("a request failed")
            self.send_error(500)
            return
        try:
            for part in answer:
                self.wfile.write(part)
            self.wfile.flush()
        finally:
            if close := getattr(answer, "close", None):
                close()

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.send_response(int(status[:3]))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the server has a log of attempts."""


class Listener:
    """A server that listens. ValueError for an address that is none, OSError for one that is taken."""

    def __init__(self, app: WsgiApp, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not port.isdigit():
            raise ValueError(f"address {address!r}: want HOST:PORT")
        self._server = _Server((host.strip("[]") or "127.0.0.1", int(port)))
        self._server.app = app

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self._server.server_address[0]!s}:{self._server.server_address[1]}"

    def serve(self) -> None:
        """Serves until it is stopped, and then until what is under way is answered, for a while."""
        with self._server:
            self._server.serve_forever(poll_interval=0.1)
        self._server.stopping = True
        self._server.finish(_GRACE)

    def stop(self) -> None:
        """Ends it, from another thread."""
        self._server.shutdown()

    def finish(self) -> None:
        """Waits a moment for the answers of what was interrupted."""
        self._server.finish(_MOMENT)


def listen(app: WsgiApp, address: str, close: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT."""
    listener = Listener(app, address)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=listener.stop).start())
    listener.serve()
    close()
    listener.finish()
