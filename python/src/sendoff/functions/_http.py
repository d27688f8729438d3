"""The HTTP of functions: what a request must be, over WSGI and ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from sendoff.functions._core.host import Host
from sendoff.functions._format.messages import RunRequest, pool
from sendoff.functions._signature import RunVerifier, Unsigned, Wrong
from sendoff.push import Environ, Receive, Scope, Send

PATH = "/dispatch.sdk.v1.FunctionService/Run"
MAX_BODY = 16_000_000  # bytes of a request


class _Refused(Exception):
    """A request that no function sees, as Connect writes errors."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code

    def body(self) -> bytes:
        return json.dumps({"code": self.code, "message": str(self)}).encode()


class Door:
    """Lets runs in that the server signed, or that come from this host when there is no key.

    run carries a RunRequest out, and returns the RunResponse, and what is to be called with whether it was written.
    """

    def __init__(
        self,
        host: Host,
        verifier: RunVerifier | None,
        local: bool,
        run: Callable[[Any], tuple[Any, Callable[[bool], None]]],
    ) -> None:
        self.host, self.run, self._verifier, self._local = host, run, verifier, local
        self.threads = ThreadPoolExecutor(512, thread_name_prefix="sendoff-run")

    def check(self, path: str, method: str, headers: dict[str, str], caller: str) -> Callable[[bytes], None] | None:
        """Checks the head of a request; what is returned checks its body."""
        kind = headers.get("content-type", "").partition(";")[0].strip()
        if not path.endswith(PATH):
            raise _Refused(404, "unimplemented", f"only {PATH} is served here")
        if method != "POST":
            raise _Refused(405, "unimplemented", "use POST")
        if headers.get("content-encoding", "identity") not in ("", "identity"):
            raise _Refused(415, "unimplemented", "compressed requests are not accepted")
        if kind not in ("application/proto", "application/json"):
            raise _Refused(415, "unimplemented", "want application/proto or application/json")
        if size_of(headers.get("content-length")) > MAX_BODY:
            raise _Refused(413, "resource_exhausted", f"the request is larger than {MAX_BODY} bytes")
        if self._verifier is None:
            if self._local and not loopback(caller):
                raise _Refused(
                    403,
                    "permission_denied",
                    "this endpoint has no verification key and serves only its own host: set DISPATCH_VERIFICATION_KEY",
                )
            return None
        try:
            return self._verifier.head(method, path, headers)
        except Unsigned as e:
            raise _Refused(401, "unauthenticated", str(e)) from e
        except Wrong as e:
            raise _Refused(403, "permission_denied", str(e)) from e

    def read(self, body: bytes, headers: dict[str, str], check: Callable[[bytes], None] | None) -> Any:
        if check is not None:
            try:
                check(body)
            except Wrong as e:
                raise _Refused(403, "permission_denied", str(e)) from e
        request = RunRequest()
        try:
            if _is_json(headers):
                json_format.Parse(body, request, ignore_unknown_fields=True, descriptor_pool=pool)
            else:
                request.ParseFromString(body)
        except (DecodeError, json_format.ParseError, UnicodeError) as e:
            raise _Refused(400, "invalid_argument", f"the body is no RunRequest: {e}") from e
        if not request.dispatch_id or request.WhichOneof("directive") is None:
            raise _Refused(400, "invalid_argument", "a run needs a dispatch_id, and an input or a poll_result")
        if request.HasField("context"):  # a Sendoff server spells an id anew after a 500
            request.dispatch_id = request.dispatch_id.lower()
        return request


class Wsgi:
    """A WSGI app. A run keeps the thread of its request."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
        headers["content-type"], headers["content-length"] = (
            environ.get("CONTENT_TYPE", ""),
            environ.get("CONTENT_LENGTH", ""),
        )
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        try:
            check = self._door.check(path, environ["REQUEST_METHOD"], headers, environ.get("REMOTE_ADDR", ""))
            body = environ["wsgi.input"].read(size_of(headers["content-length"]))
            request = self._door.read(body, headers, check)
        except _Refused as e:
            start_response(
                f"{e.status} {HTTPStatus(e.status).phrase}",
                [("Content-Type", "application/json"), ("Connection", "close")],
            )
            return [e.body()]
        response, done = self._door.run(request)
        try:
            answer, kind = _answer(response, headers)
            start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(answer)))])
        except BaseException:
            done(False)
            raise
        return _Written(answer, done)


class Asgi:
    """An ASGI app. A run keeps a thread, and its async steps the event loop of the app."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        caller = (scope.get("client") or ("",))[0]
        try:
            check = self._door.check(scope["path"], scope["method"], headers, caller)
            request = self._door.read(await _body(receive), headers, check)
        except _Refused as e:
            await _send(send, e.status, e.body(), "application/json")
            return
        host = self._door.host
        host.use(asyncio.get_running_loop())
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda f: None if f.cancelled() else host.interrupt(request))
        under_way = self._door.threads.submit(self._door.run, request)
        try:
            response, done = await asyncio.wrap_future(under_way)
        except asyncio.CancelledError:  # this request is given up; its attempt ends when its code does
            host.interrupt(request)
            under_way.add_done_callback(lambda f: None if f.cancelled() else f.result()[1](False))
            raise
        finally:
            gone.cancel()
        written = False
        try:
            body, kind = _answer(response, headers)
            await _send(send, 200, body, kind)
            written = not gone.done() or gone.cancelled()
        finally:
            done(written)


class _Written:
    """The body of an answer, which tells whether it was written."""

    def __init__(self, body: bytes, done: Callable[[bool], None]) -> None:
        self._body, self._done, self._written = body, done, False

    def __iter__(self) -> Any:
        yield self._body
        self._written = True

    def close(self) -> None:
        """Called by the server in any case: PEP 3333."""
        done, self._done = self._done, lambda written: None
        done(self._written)


async def _body(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "invalid_argument", "the body broke off")
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > MAX_BODY:
            raise _Refused(413, "resource_exhausted", f"the request is larger than {MAX_BODY} bytes")
    return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _answer(response: Any, headers: dict[str, str]) -> tuple[bytes, str]:
    if _is_json(headers):
        return json_format.MessageToJson(response, descriptor_pool=pool).encode(), "application/json"
    return response.SerializeToString(), "application/proto"


def size_of(header: str | None) -> int:
    """What a request says of its size. One that says what is no number is too large."""
    text = header or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else MAX_BODY + 1


def _is_json(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip() == "application/json"


def loopback(host: str) -> bool:
    """An address of this host; "" = a connection that has none, as of a unix socket."""
    host = host.strip("[]")
    return host in ("", "localhost", "::1") or host.startswith("127.") or host.startswith("::ffff:127.")
