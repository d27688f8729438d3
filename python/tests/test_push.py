"""The real server pushes to real apps."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import make_server

import pytest

from conftest import Silent, Threading, serving
from sendoff import Client, NewTask
from sendoff.push import Asgi, Permanent, RetryAfter, Snooze, Wsgi, task_of
from sendoff.testing import Server
from sendoff.verify import KeysUnavailable, PublishedKeys, Refused, Verifier

Push = tuple[str, str, dict[str, str], bytes]


def outcome_of(path: str) -> None:
    if path == "/permanent":
        raise Permanent("never")
    if path == "/later":
        raise RetryAfter(3600, "later")
    if path == "/snooze":
        raise Snooze(3600)


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    headers = {k.decode(): v.decode() for k, v in scope["headers"]}
    outcome_of(scope["path"])
    body = task_of(headers).id.encode() + b" " + message["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    outcome_of(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["HTTP_SENDOFF_TASK_ID"].encode() + b" " + environ["wsgi.input"].read()]


def serve_asgi(verifier: Verifier | None) -> Iterator[str]:
    with serving(Asgi(asgi_app, verifier)) as url:
        yield url


def serve_wsgi(verifier: Verifier | None) -> Iterator[str]:
    with make_server("127.0.0.1", 0, Wsgi(wsgi_app, verifier), Threading, Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=[(serve, by) for serve in (serve_asgi, serve_wsgi) for by in ("keys", "webhook")])
def pushed(request: pytest.FixtureRequest, sendoff_server: Server) -> Iterator[str]:
    serve, by = request.param
    secret = sendoff_server.webhook_secret
    yield from serve(Verifier(sendoff_server.url) if by == "keys" else Verifier(webhook_secrets=[secret]))


def test_genuine_pushes_get_through(pushed: str, sendoff_client: Client) -> None:
    task = sendoff_client.submit(NewTask(url=f"{pushed}/a%20b/%C3%BC?x=1&y=%2F", payload={"a": 1}))
    assert sendoff_client.result(task.id, timeout=10) == f'{task.id} {{"a":1}}'


def test_outcomes_are_what_the_app_raises(pushed: str, sendoff_client: Client) -> None:
    permanent = sendoff_client.submit(NewTask(url=f"{pushed}/permanent"))
    assert sendoff_client.wait(permanent.id, 10).reason == "rejected"
    for path, outcome, status in (("/later", "failure", 500), ("/snooze", "throttle", 503)):
        task = sendoff_client.submit(NewTask(url=pushed + path))
        attempts = list(sendoff_client.tasks.attempts(task.id))
        while not attempts or attempts[0].outcome == "running" or attempts[0].finished_at is None:
            attempts = list(sendoff_client.tasks.attempts(task.id))
        assert (attempts[0].outcome, attempts[0].status) == (outcome, status)
        sendoff_client.tasks.cancel(task.id)


def first_line(url: str, request: str) -> str:
    """What is answered to the beginning of a request whose body never comes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        return connection.makefile().readline()


HEAD = "POST /hook HTTP/1.1\nHost: app\nContent-Length: 1000000\n"


def test_a_stranger_is_refused_before_its_body_comes(pushed: str) -> None:
    forged = 'Signature: sendoff=:AAAA:\nSignature-Input: sendoff=("@method");created=1\nWebhook-Signature: v1,AAAA\n'
    assert " 401 " in first_line(pushed, f"{HEAD}\n")
    assert " 401 " in first_line(pushed, f"{HEAD}{forged}\n")


@pytest.fixture(params=[serve_asgi, serve_wsgi])
def open_app(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from request.param(None)


def test_a_large_body_is_refused_before_it_comes(open_app: str) -> None:
    assert " 413 " in first_line(open_app, f"{HEAD.replace('1000000', '1048577')}\n")


@pytest.mark.parametrize(("chunks", "status"), [(2, 200), (3, 413)])
def test_chunks_are_counted(chunks: int, status: int) -> None:
    sent: list[Any] = []
    rest = [{"type": "http.request", "body": b"x" * 4, "more_body": i < chunks - 1} for i in range(chunks)]

    async def receive() -> Any:
        return rest.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"x" * 8
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(Asgi(app, max_body=8)(scope, receive, send))
    assert sent[0]["status"] == status

    def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert environ["wsgi.input"].read() == b"x" * 8
        start_response("200 OK", [])
        return []

    told: list[str] = []
    environ = {"wsgi.input": io.BytesIO(b"x" * 4 * chunks), "wsgi.input_terminated": True}
    Wsgi(plain, max_body=8)(environ, lambda line, *more: told.append(line))
    assert told[0].startswith(str(status))


@pytest.mark.parametrize("length", ["-1", "1.5", "x", "²"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    told: list[str] = []
    environ = {"CONTENT_LENGTH": length, "wsgi.input": None}
    Wsgi(wsgi_app)(environ, lambda line, *more: told.append(line))
    assert told == ["401 Unauthorized"]


@pytest.fixture
def push(sendoff_server: Server, sendoff_client: Client) -> Push:
    """A push as it came, to be played with."""
    caught: list[Push] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {k[5:].replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
        headers["CONTENT-TYPE"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        caught.append(("POST", f"http://{headers['HOST']}/hook?x=1", headers, body))
        start_response("200 OK", [])
        return [b""]

    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        task = sendoff_client.submit(NewTask(url=f"http://127.0.0.1:{server.server_port}/hook?x=1", payload=1))
        server.handle_request()
        assert sendoff_client.wait(task.id, 10).state == "succeeded"
    return caught[0]


def test_what_was_changed_is_refused(push: Push, sendoff_server: Server) -> None:
    method, url, headers, body = push
    bad: list[tuple[str, Push]] = [
        ("body", (method, url, headers, b"2")),
        ("method", ("PUT", url, headers, body)),
        ("method", (method, url + "2", headers, body)),
        ("header", (method, url, {**headers, "SENDOFF-ATTEMPT": "2"}, body)),
        (
            "leaves out",
            (method, url, {**headers, "SIGNATURE-INPUT": headers["SIGNATURE-INPUT"].replace('"@method" ', "")}, body),
        ),
        ("no signature", (method, url, {k: v for k, v in headers.items() if k != "SIGNATURE"}, body)),
        (
            "too old",
            (
                method,
                url,
                {**headers, "SIGNATURE-INPUT": headers["SIGNATURE-INPUT"].replace("created=1", "created=")},
                body,
            ),
        ),
    ]
    verifier = Verifier(sendoff_server.url)
    for what, changed in bad:
        with pytest.raises(Refused, match=what):
            verifier.verify(*changed)
    verifier.verify(*push)
    with pytest.raises(Refused, match="before"):
        verifier.verify(*push)
    forgetful = Verifier(sendoff_server.url, replay_cache=0)
    forgetful.verify(*push)
    forgetful.verify(*push)


def test_a_proxy_is_looked_through(push: Push, sendoff_server: Server) -> None:
    method, url, headers, body = push
    verifier = Verifier(sendoff_server.url, public_url=url.removesuffix("/hook?x=1"))
    verifier.verify(method, "http://inside:8000/hook?x=1", headers, body)


def test_clocks_may_differ_by_a_little(push: Push, sendoff_server: Server) -> None:
    import time

    for off, good in ((-4, True), (250, True), (310, False), (-60, False)):
        verifier = Verifier(sendoff_server.url, clock=lambda off=off: time.time() + off)  # type: ignore[misc]
        if good:
            verifier.verify(*push)
            continue
        with pytest.raises(Refused):
            verifier.verify(*push)


def test_strangers_and_missing_keys(push: Push) -> None:
    with pytest.raises(Refused, match="not published"):
        Verifier(keys={"other": b"x" * 32}).verify(*push)
    with pytest.raises(KeysUnavailable):
        Verifier("http://127.0.0.1:9").verify(*push)
    with pytest.raises(Refused, match="webhook"):
        Verifier(webhook_secrets=["whsec_" + "QUFB" * 8]).verify(*push)
    with pytest.raises(ValueError, match="nothing to verify"):
        Verifier()
    with pytest.raises(ValueError, match="whpk_"):
        Verifier(webhook_secrets=["whpk_!"])
    with pytest.raises(ValueError, match="32 bytes"):
        Verifier(webhook_secrets=["whpk_QUFB"])


def test_keys_hold_while_the_server_is_away(sendoff_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    keys = PublishedKeys(sendoff_server.url, lambda: now)
    assert keys.get("nobody") is None
    (kid,) = keys._keys
    monkeypatch.setattr(keys, "_url", "http://127.0.0.1:9/")
    now += 800
    assert keys.get(kid)
    now += 200
    with pytest.raises(KeysUnavailable):
        keys.get(kid)
