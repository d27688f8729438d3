"""For apps that are pushed to: what becomes of a task, the task of a push, and middleware.

Raise Permanent, RetryAfter or Snooze below Asgi or Wsgi, the middleware that verifies; in worker
processes they mean the same.
"""

from __future__ import annotations

import asyncio
import io
import math
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from sendoff._waits import seconds
from sendoff.verify import KeysUnavailable, Refused, Verifier

MAX_BODY = 1 << 20  # bytes: the largest payload of a task


class Outcome(Exception):
    """What becomes of the task, raised by the app in place of an answer."""

    status = 500

    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        return {}


class Permanent(Outcome):
    """It fails, and is never tried again."""

    status = 422
    permanent = True  # as worker processes read it

    def headers(self) -> dict[str, str]:
        return {"Sendoff-Retry": "no"}


class RetryAfter(Outcome):
    """It failed, and is tried again after so long (seconds, 24 h at most)."""

    def __init__(self, after: float | timedelta, text: str = "") -> None:
        super().__init__(text)
        self.after: int = max(math.ceil(seconds(after)), 1)
        self.retry_after: int = max(math.ceil(seconds(after)), 1)

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.after)}


class Snooze(RetryAfter):
    """Not now: it is tried again after so long. No attempt is spent, and no other task is held back."""

    status = 503
    snooze = True

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "Sendoff-Retry": "yes"}


class Manual(Outcome):
    """The app has taken it, and tells later how it ends: see Held. timeout: by when, or a heartbeat
    (seconds, 1 s to 24 h); default the task's. Of pushes only."""

    status = 202

    def __init__(self, timeout: float | timedelta | None = None) -> None:
        super().__init__()
        self.timeout: int | None = None if timeout is None else max(math.ceil(seconds(timeout)), 1)

    def headers(self) -> dict[str, str]:
        limit = {} if self.timeout is None else {"Sendoff-Ack-Timeout": str(self.timeout)}
        return {"Sendoff-Ack": "manual", **limit}


@dataclass(frozen=True)
class PushedTask:
    """The task of a push, from its headers."""

    id: str
    queue: str
    name: str
    attempt: int  # in this run, from 1
    max_attempts: int
    final: bool  # it is the last attempt
    token: int  # the fence: larger with each attempt, over all runs


def task_of(headers: Mapping[str, str]) -> PushedTask:
    """Reads the headers of a push, by their names or by those in a WSGI environ; a ValueError when they are
    not those of one."""
    found = {k.lower().removeprefix("http_").replace("_", "-"): v for k, v in headers.items() if isinstance(v, str)}
    try:
        return PushedTask(
            id=unquote(found["sendoff-task-id"]),
            queue=unquote(found["sendoff-queue"]),
            name=unquote(found.get("sendoff-task-name", "")),
            attempt=int(found["sendoff-attempt"]),
            max_attempts=int(found["sendoff-max-attempts"]),
            final=found.get("sendoff-final-attempt") == "?1",
            token=int(found["sendoff-token"]),
        )
    except KeyError as e:
        raise ValueError(f"this is no push: there is no header {e}") from e


Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Asgi:
    """Lets only verified pushes through to an ASGI app, and answers for outcomes that it raises.

    Others get 401, which the server tries again, before their body is read; a larger body than
    max_body bytes 413; 503 when the keys cannot be had. verifier = None: nothing is verified.
    """

    def __init__(self, app: AsgiApp, verifier: Verifier | None = None, max_body: int = MAX_BODY) -> None:
        self._app, self._verifier, self._max = app, verifier, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = heard = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            again = await self._verified(scope, receive)
            heard = True
            await self._app(scope, again, watched)
        except (Outcome, Refused, KeysUnavailable, TooLarge) as e:
            if began:
                raise
            # Without it the server would go on reading the body of a stranger, to keep the connection.
            await _answer(e, send, close=not heard and scope.get("http_version", "1.1").startswith("1"))

    async def _verified(self, scope: Scope, receive: Receive) -> Receive:
        check: Callable[[bytes], None] | None = None
        if self._verifier is not None:
            check = await asyncio.to_thread(self._verifier.head, *asgi_head(scope))
        body = await _read(scope, receive, self._max)
        if check is not None:
            await asyncio.to_thread(check, body)
        told = False

        async def again() -> MutableMapping[str, Any]:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        return again


def asgi_head(scope: Scope) -> tuple[str, str, dict[str, str]]:
    """Method, URL and headers of an ASGI request, as Verifier.head wants them."""
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
    target = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").partition("?")[0]
    if query := scope.get("query_string", b"").decode("latin-1"):
        target += "?" + query
    host = {k.lower(): v for k, v in headers.items()}.get("host", "")
    return scope["method"], f"{scope.get('scheme', 'http')}://{host}{target}", headers


async def _read(scope: Scope, receive: Receive, most: int) -> bytes:
    length = next((v.decode("latin-1") for k, v in scope["headers"] if k.lower() == b"content-length"), "")
    content_length(length, most)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("the body broke off")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise TooLarge
    return bytes(body)


def content_length(length: str, most: int) -> int:
    """Reads a Content-Length; 0 without one. Raises Refused, and TooLarge when it is more than most."""
    if length and not (length.isascii() and length.isdigit()):
        raise Refused("the Content-Length is no number")
    found = int(length or 0)
    if found > most:
        raise TooLarge
    return found


class TooLarge(Exception):
    """The body is larger than the app accepts: 413."""

    def __init__(self) -> None:
        super().__init__("the body is larger than this app accepts")


def answer_of(error: Exception) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer to an Outcome, Refused, KeysUnavailable or TooLarge."""
    if isinstance(error, Outcome):
        return error.status, error.headers()
    if isinstance(error, TooLarge):
        return 413, {}
    return (503 if isinstance(error, KeysUnavailable) else 401), {}


async def _answer(error: Exception, send: Send, close: bool) -> None:
    status, extra = answer_of(error)
    text = str(error).encode()
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text)), **extra}
    if close:
        headers["Connection"] = "close"
    told = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": text})


Environ: TypeAlias = dict[str, Any]
WsgiApp: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Wsgi:
    """As Asgi, for a WSGI app. What the app raises while its answer is read breaks that off."""

    def __init__(self, app: WsgiApp, verifier: Verifier | None = None, max_body: int = MAX_BODY) -> None:
        self._app, self._verifier, self._max = app, verifier, max_body

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            self._verify(environ)
            return self._app(environ, start_response)
        except (Outcome, Refused, KeysUnavailable, TooLarge) as e:
            status, extra = answer_of(e)
            text = str(e).encode()
            headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text)), **extra}
            start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items()], sys.exc_info())
            return [text]

    def _verify(self, environ: Environ) -> None:
        check = self._verifier.head(*wsgi_head(environ)) if self._verifier is not None else None
        length = content_length(environ.get("CONTENT_LENGTH") or "", self._max)
        if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):  # it came in chunks
            length = self._max + 1
        body = environ["wsgi.input"].read(length)
        if len(body) > self._max:
            raise TooLarge
        if check is not None:
            check(body)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


def wsgi_head(environ: Environ) -> tuple[str, str, dict[str, str]]:
    """Method, URL and headers of a WSGI request, as Verifier.head wants them."""
    headers = {k[5:].replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
    # Some servers make up a type where none was sent.
    sent = environ.get("CONTENT_LENGTH") not in (None, "", "0") or "TRANSFER-ENCODING" in headers
    if (kind := environ.get("CONTENT_TYPE")) and (sent or '"content-type"' in headers.get("SIGNATURE-INPUT", "")):
        headers["Content-Type"] = kind
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or _rebuilt(environ)
    return environ["REQUEST_METHOD"], f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}{target}", headers


def _rebuilt(environ: Environ) -> str:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1"), safe="/~!$&'()*+,;=:@") + (f"?{query}" if query else "")
