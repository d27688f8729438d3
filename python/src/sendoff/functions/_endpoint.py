"""Serves functions: to a server of the protocol, over ASGI, WSGI, or a small server of its own."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, overload
from urllib.parse import urlsplit

from sendoff._client import Client
from sendoff._named import register
from sendoff.functions._core.host import Host, Server
from sendoff.functions._failure import Status
from sendoff.functions._format.messages import RunResponse
from sendoff.functions._function import Function
from sendoff.functions._http import Asgi, Door, Wsgi, loopback
from sendoff.functions._options import CallOptions
from sendoff.functions._server import HTTPServer, parse_keys
from sendoff.functions._signature import RunVerifier
from sendoff.push import AsgiApp, WsgiApp

P = ParamSpec("P")
R = TypeVar("R")

_ADDRESS = "127.0.0.1:8000"
_log = logging.getLogger("sendoff.functions")


def _environment(*names: str) -> str:
    return next((found for name in names if (found := os.environ.get(name))), "")


class Functions:
    """The durable functions of an app, and where they are served.

    url: where the server finds them; default DISPATCH_ENDPOINT_URL, then http:// and the address that serve listens
    on. server: default DISPATCH_API_URL, SENDOFF_URL, then http://127.0.0.1:4450; api_key: DISPATCH_API_KEY,
    SENDOFF_API_KEY. verification_key: the server's public key, as PEM or as 32 bytes in base64, several separated by
    commas; default DISPATCH_VERIFICATION_KEY. Without one, functions are served only where their URL and the caller
    are on this machine, or with development=True. warm_runs: suspended runs in memory; warm_ttl: seconds there.
    build: of the app, for people.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        server: str | None = None,
        api_key: str | None = None,
        verification_key: str | None = None,
        development: bool = False,
        warm_runs: int = 1000,
        warm_ttl: float = 900.0,
        build: str = "",
        client: Client | None = None,
    ) -> None:
        self._url, self._server, self._api_key = url, server, api_key
        self.verification_key: str | None = verification_key
        self._development = development
        self._warm, self._build, self._client = (warm_runs, warm_ttl), build, client
        self._known: dict[str, Function[..., Any]] = {}
        self._opened: Door | None = None
        self._lock = threading.Lock()

    @overload
    def function(self, code: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...

    @overload
    def function(self, code: Callable[P, R], /) -> Function[P, R]: ...

    @overload
    def function(self, **options: Any) -> _Decorator: ...

    def function(self, *code: Any, **options: Any) -> Any:
        """Makes a durable function of an async one; a plain one can wait for nothing durable, and is done again as a
        whole. name: on the wire, which must not change while calls are under way; default its own. options: of its
        calls, fields of CallOptions."""
        return self._define(code[0], options) if code else _Decorator(self, options)

    def _define(self, code: Callable[..., Any], options: dict[str, Any]) -> Function[..., Any]:
        made = self._named(code, code, options)
        register("a function", made.name, self._known, made, code)
        return made

    def _named(
        self, signature: Callable[..., Any], code: Callable[..., Any] | None, options: dict[str, Any]
    ) -> Function[..., Any]:
        named = dict(options)
        name = named.pop("name", None) or signature.__qualname__.rpartition("<locals>.")[2]
        return Function(self, code, signature, name, CallOptions().also(named))

    @overload
    def remote(self, code: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...

    @overload
    def remote(self, code: Callable[P, R], /) -> Function[P, R]: ...

    @overload
    def remote(self, **options: Any) -> _Decorator: ...

    def remote(self, *code: Any, **options: Any) -> Any:
        """Names a function that another app has, maybe in another language, by its signature:

        @sendoff.remote(endpoint="http://127.0.0.1:8001")
        async def convert(text: str) -> bytes: ...
        """
        return self._declare(code[0], options) if code else _Decorator(self, options, remote=True)

    def _declare(self, code: Callable[..., Any], options: dict[str, Any]) -> Function[..., Any]:
        return self._named(code, None, options)

    @property
    def url(self) -> str:
        """Where the server finds the functions."""
        return self._url or _environment("DISPATCH_ENDPOINT_URL") or f"http://{self._address()}"

    def _address(self) -> str:
        return _environment("DISPATCH_ENDPOINT_ADDR") or _ADDRESS

    def connected(self) -> Client:
        """A client of the server; made on first use."""
        with self._lock:
            if self._client is None:
                self._client = Client(self._server_url() or None, api_key=self._key() or None)
            return self._client

    def _server_url(self) -> str:
        return self._server or _environment("DISPATCH_API_URL", "SENDOFF_URL")

    def _key(self) -> str:
        return self._api_key or _environment("DISPATCH_API_KEY", "SENDOFF_API_KEY")

    # Serving.

    def asgi(self) -> AsgiApp:
        """An ASGI app that serves the functions: mount it anywhere. Async steps run on the app's event loop."""
        return Asgi(self._door())

    def wsgi(self) -> WsgiApp:
        """A WSGI app that serves the functions: mount it anywhere. A run keeps a thread while it is under way."""
        return Wsgi(self._door())

    def serve(self, address: str | None = None) -> None:
        """Serves the functions, and nothing else, until the process is told to end. address: default
        DISPATCH_ENDPOINT_ADDR, then 127.0.0.1:8000."""
        from sendoff.functions._listen import listen

        listen(self.wsgi(), address or self._address(), self.close)

    def close(self) -> None:
        """Takes suspended runs off memory, and interrupts those under way; the server runs them elsewhere."""
        if self._opened is not None:
            self._opened.host.close()
            self._opened.threads.shutdown(wait=False, cancel_futures=True)

    def _door(self) -> Door:
        with self._lock:
            if self._opened is None:
                verifier, (size, ttl) = self._verifier(), self._warm
                host = Host(self._served_by(), size=size, ttl=ttl, build=self._build, trace=_trace())
                self._opened = Door(host, verifier, not self._development, self._run)
            return self._opened

    def _verifier(self) -> RunVerifier | None:
        parts = urlsplit(self.url)
        here = parts.scheme == "bridge" or loopback(parts.hostname or "")
        key = self.verification_key or _environment("DISPATCH_VERIFICATION_KEY")
        if key and _can_verify(here):
            return RunVerifier(parse_keys(key), parts.netloc)
        if not self._development and not here:
            raise ValueError(
                f"no verification key, so anybody who reaches {self.url} could run its functions: set "
                "DISPATCH_VERIFICATION_KEY to the server's public key, or development=True to accept that"
            )
        return None

    def _served_by(self) -> Server | None:
        if url := self._server_url():
            return HTTPServer(url, self._key())
        _log.info(
            "no server is configured (DISPATCH_API_URL, SENDOFF_URL): steps are put on record only when a function "
            "waits or ends"
        )
        return None

    def _run(self, request: Any) -> tuple[Any, Callable[[bool], None]]:
        function = self._known.get(request.function)
        if function is None:
            response = RunResponse(status=Status.NOT_FOUND)
            error = response.exit.result.error
            error.type, error.message = "NOT_FOUND", f"this endpoint has no function {request.function!r}"
            return response, lambda written: None
        return self._door().host.run(request, function)


class Defining(Protocol):
    """A decorator of functions, bare or with options: what function and remote are."""

    @overload
    def __call__(self, code: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...

    @overload
    def __call__(self, code: Callable[P, R], /) -> Function[P, R]: ...

    @overload
    def __call__(self, **options: Any) -> _Decorator: ...


class _Decorator:
    """@functions.function(queue="slow"), with its types."""

    def __init__(self, functions: Functions, options: dict[str, Any], remote: bool = False) -> None:
        self._functions, self._options, self._remote = functions, options, remote

    @overload
    def __call__(self, code: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...

    @overload
    def __call__(self, code: Callable[P, R], /) -> Function[P, R]: ...

    def __call__(self, code: Any, /) -> Any:
        make = self._functions._declare if self._remote else self._functions._define
        return make(code, self._options)


def _can_verify(here: bool) -> bool:
    """Without cryptography nobody else than this host is served, as without a key. ImportError where others are."""
    if importlib.util.find_spec("cryptography") is not None:
        return True
    missing = (
        "there is a verification key, and no package cryptography to verify runs with: pip install 'sendoff[verify]'"
    )
    if not here:
        raise ImportError(missing)
    _log.warning("%s. Until then only this host is served, unverified", missing)
    return False


def _trace() -> Callable[[str], None] | None:
    if _environment("SENDOFF_TRACE", "DISPATCH_TRACE") in ("", "0", "false"):
        return None
    return lambda line: print(line, file=sys.stderr)


default: Functions = Functions()
function: Defining = default.function
remote: Defining = default.remote
