"""What is sent again, and what is not, beside a server that fails as told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import sendoff
from sendoff import Client, NewTask, errors

TASK = {
    "id": "t",
    "job": 1,
    "state": "ready",
    "kind": "http",
    "queue": "default",
    "priority": 5,
    "run": 1,
    "attempts": 0,
    "max_attempts": 25,
    "timeout": "1m0s",
    "retry": {"min_backoff": "1.5s"},
    "created_at": "2026-11-22T17:58:30.521774123Z",
    "of_a_newer_server": {"x": 1},
}


class Failing(ThreadingHTTPServer):
    """Answers as its script says, one word for each request: "lost" or a status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.script: list[tuple[str, str]] = []
        self.keys: list[str | None] = []
        self.connections: set[int] = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Failing)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.keys.append(self.headers.get("Idempotency-Key"))
        server.connections.add(self.client_address[1])
        what, after = server.script.pop(0) if server.script else ("201", "")
        if what == "lost":
            self.close_connection = True
            return
        body = json.dumps(TASK if what == "201" else {"code": "busy", "detail": "not now"}).encode()
        if what == "html":
            what, body = "404", b"<html>"
        self.send_response(int(what))
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def failing() -> Iterator[Failing]:
    server = Failing()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_submission_whose_answer_was_lost_is_sent_again_with_its_key(failing: Failing) -> None:
    failing.script = [("lost", ""), ("502", ""), ("503", "0"), ("429", "0")]
    with Client(failing.url) as client:
        task = client.submit(NewTask(url="http://h/"))
        assert task.retry.min_backoff is not None and task.retry.min_backoff.total_seconds() == 1.5
        assert task.created_at.microsecond == 521774
        assert len(failing.keys) == 5 and len(set(failing.keys)) == 1 and failing.keys[0]
        client.submit(NewTask(url="http://h/"))
        assert failing.keys[-1] != failing.keys[0]


def test_the_async_client_sends_again_too(failing: Failing) -> None:
    failing.script = [("lost", ""), ("503", "0")]

    async def program() -> None:
        async with sendoff.AsyncClient(failing.url) as client:
            assert (await client.submit(NewTask(url="http://h/"))).id == "t"

    asyncio.run(program())
    assert len(failing.keys) == 3 and len(set(failing.keys)) == 1


def test_there_is_an_end_to_it(failing: Failing) -> None:
    failing.script = [("503", "0")] * 9
    with Client(failing.url, resends=2) as client, pytest.raises(errors.Unavailable):
        client.submit(NewTask(url="http://h/"))
    assert len(failing.keys) == 3


@pytest.mark.parametrize("what", [("503", ""), ("503", "31"), ("500", "0"), ("422", "0")])
def test_what_will_not_pass_is_not_sent_again(failing: Failing, what: tuple[str, str]) -> None:
    failing.script = [what]
    with Client(failing.url) as client, pytest.raises(errors.Problem) as problem:
        client.submit(NewTask(url="http://h/"))
    assert len(failing.keys) == 1
    assert (problem.value.retry_after is None) == (what[1] == "")


def test_what_may_have_been_done_is_not_done_twice(failing: Failing) -> None:
    failing.script = [("lost", "")]
    with Client(failing.url) as client, pytest.raises(errors.Unreachable):
        client.tasks.retry("t")
    assert failing.keys == [None]


def test_what_is_no_sendoff_server_is_told_apart(failing: Failing) -> None:
    failing.script = [("html", "")]
    with Client(failing.url) as client:
        with pytest.raises(errors.Problem, match="not that of a Sendoff server") as problem:
            client.get("t")
        assert not isinstance(problem.value, errors.NotFound)
        with pytest.raises(errors.NotSendoff):
            client.queues.get("t")


def test_connections_are_used_again(failing: Failing) -> None:
    with Client(failing.url) as client:
        for _ in range(5):
            client.submit(NewTask(url="http://h/"))
    assert len(failing.connections) == 1


def test_nobody_there_is_unreachable() -> None:
    with Client("http://127.0.0.1:9", resends=1) as client, pytest.raises(errors.Unreachable) as nobody:
        client.submit(NewTask(url="http://h/"))
    assert nobody.value.never_sent
