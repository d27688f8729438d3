"""A connection for small questions of HTTP/1.1. A server is asked for each step of each run, and the standard library's
client takes longer for one than everything else that a step costs."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping

_MAX_LINE, _MAX_LINES, _MAX_BODY = 1 << 16, 100, 1 << 28


class Garbled(Exception):
    """What came is no answer of HTTP, or only a part of one."""


def written(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST request. ValueError for what cannot be in a head."""
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if head.count("\n") != len(headers) + 1:
        raise ValueError("a line break in the head of a request")
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


class Connection:
    """A connection that is kept. One request at a time; after an exception it is to be closed.

    timeout: seconds, of connecting; OSError when that fails.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except BaseException:
            self._socket.close()
            raise
        self._answers = self._socket.makefile("rb")
        self.stays = True  # it can be used again

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(OSError):
            self._answers.close()
            self._socket.close()

    def ask(self, request: bytes, timeout: float) -> tuple[int, bytes]:
        """Sends a request, and returns status and body of its answer. timeout: seconds without a byte. Raises OSError,
        TimeoutError among them, and Garbled."""
        self._socket.settimeout(timeout)
        self._socket.sendall(request)
        status, headers = self._head()
        while 100 <= status < 200:  # that it goes on is no answer
            status, headers = self._head()
        if "close" in headers.get(b"connection", b"").lower().decode("latin-1"):
            self.stays = False
        return status, self._body(status, headers)

    def _line(self) -> bytes:
        line = self._answers.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise Garbled("the answer breaks off" if len(line) < _MAX_LINE else "a line of the answer is too long")
        return line.rstrip(b"\r\n")

    def _head(self) -> tuple[int, dict[bytes, bytes]]:
        words = self._line().split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
            raise Garbled("the answer is not one of HTTP/1.1")
        self.stays = self.stays and words[0] != b"HTTP/1.0"
        headers: dict[bytes, bytes] = {}
        for _ in range(_MAX_LINES):
            line = self._line()
            if not line:
                return int(words[1]), headers
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        raise Garbled("the head of the answer is too long")

    def _body(self, status: int, headers: Mapping[bytes, bytes]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return self._chunks()
        length = headers.get(b"content-length")
        if length is None:
            self.stays = False
            return self._answers.read(_MAX_BODY)
        return self._exactly(_number(length, 10))

    def _exactly(self, size: int) -> bytes:
        if size > _MAX_BODY:
            raise Garbled(f"the answer has more than {_MAX_BODY} bytes")
        body = self._answers.read(size)
        if len(body) != size:
            raise Garbled("the answer breaks off")
        return body

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := _number(self._line().partition(b";")[0].strip(), 16):
            body += self._exactly(size)
            if self._line() or len(body) > _MAX_BODY:
                raise Garbled("a part of the answer is not as long as it says")
        while self._line():  # trailers
            pass
        return bytes(body)


def _number(text: bytes, base: int) -> int:
    try:
        if not text.isalnum() or len(text) > 16:
            raise ValueError
        return int(text, base)
    except ValueError:
        raise Garbled(f"the answer has a length of {text[:20]!r}") from None
