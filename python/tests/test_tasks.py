"""Tasks are pushed to apps, or run by worker processes, of the real server."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from wsgiref.simple_server import make_server

import httpx
import pytest
import uvicorn

import sendoff
from sample_tasks import Parcel, add, forward, refuse, tasks
from sendoff import Client, NewTask, Tasks
from sendoff.errors import InvalidValue, TaskFailed
from sendoff.testing import Server
from sendoff.verify import Verifier
from test_push import Silent, Threading

PARCEL = Parcel("Anna", date(2030, 1, 31))


@pytest.fixture
def through(sendoff_client: Client) -> Iterator[None]:
    tasks.client = sendoff_client
    yield
    tasks.url = tasks.client = None


@pytest.fixture(params=["asgi", "wsgi"])
def pushed(request: pytest.FixtureRequest, sendoff_server: Server, through: None) -> Iterator[None]:
    verifier = Verifier(sendoff_server.url)
    if request.param == "asgi":
        server = uvicorn.Server(uvicorn.Config(tasks.asgi(verifier), port=0, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
        thread.start()
        while not server.started:
            thread.join(0.01)
        tasks.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/tasks"
        yield
        server.should_exit = True
        thread.join()
        return
    with make_server("127.0.0.1", 0, tasks.wsgi(verifier), Threading, Silent) as plain:
        thread = threading.Thread(target=plain.serve_forever, args=(0.01,))
        thread.start()
        tasks.url = f"http://127.0.0.1:{plain.server_port}/tasks/"
        yield
        plain.shutdown()
        thread.join()


def check_calls() -> None:
    assert forward.submit(PARCEL, days=2).result(20) == Parcel("Anna", date(2030, 2, 2))
    assert add.delay(2, 3).get(20) == 5
    with pytest.raises(TaskFailed) as failed:
        refuse.submit().result(20)
    assert (failed.value.task.reason, failed.value.task.attempts) == ("rejected", 1)


def test_an_app_carries_them_out(pushed: None) -> None:
    check_calls()


def test_worker_processes_carry_them_out(tmp_path: Path, through: None, monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{Path(__file__).parent}:{Path(sendoff.__file__).resolve().parents[1]}"
    monkeypatch.setenv("PYTHONPATH", here)
    args = ["--process-allow", "sample_tasks", "--process-python", sys.executable]
    with Server(tmp_path, args=args) as server, server.client() as client:
        tasks.client = client
        check_calls()


def test_a_stranger_carries_nothing_out(pushed: None, sendoff_client: Client) -> None:
    call = {"args": [1, 2], "kwargs": {}}
    assert httpx.post(add.new(1, 2).url or "", json=call).status_code == 401


def test_a_call_that_does_not_fit_fails_for_good(pushed: None, sendoff_client: Client) -> None:
    for payload in ({"args": ["x", 1], "kwargs": {}}, {"args": 1, "kwargs": {}}, [1, 2]):
        task = sendoff_client.submit(NewTask(url=add.new(1, 2).url, payload=payload), wait=20)
        assert (task.state, task.reason) == ("failed", "rejected")


def test_options_are_those_of_a_task(sendoff_client: Client, through: None) -> None:
    tasks.url = "http://127.0.0.1:9/tasks"
    due = datetime(2040, 1, 1, tzinfo=timezone.utc)
    late = add.apply_async((1,), {"b": 2}, eta=due, expires=due + timedelta(1), priority=1).task
    soon = add.apply_async((1, 2), countdown=3600, task_id="chosen", queue="other").task
    assert late and soon
    assert (late.queue, late.name, late.run_at, late.priority) == ("sums", "sample_tasks.add", due, 1)
    assert sendoff_client.get(late.id).payload == {"args": [1, 2], "kwargs": {}}
    assert (soon.id, soon.queue, soon.state) == ("chosen", "other", "scheduled")
    with pytest.raises(TypeError, match="queu"):
        add.options(queu="x")
    with pytest.raises(TypeError, match="url is no option"):
        add.options(url="x")


def test_wrong_arguments_never_leave() -> None:
    with pytest.raises(InvalidValue, match="add: argument b: want a whole number, got 'x'"):
        add.submit(1, "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="missing a required argument: 'b'"):
        add.delay(1)  # type: ignore[call-arg]


def test_eager_calls_go_through_json() -> None:
    with tasks.eager():
        assert forward.submit(PARCEL).result() == Parcel("Anna", date(2030, 2, 1))
        assert add.delay(2, 3).get() == 5
        with pytest.raises(Exception, match="never"):
            refuse.submit()
    assert forward(PARCEL, 1).day == date(2030, 2, 1)


def test_what_cannot_be_a_task_is_told() -> None:
    own = Tasks()

    @own.task(name="inner")
    def inner() -> None: ...

    with pytest.raises(ValueError, match="worker processes cannot import it"):
        inner.new()
    with pytest.raises(ValueError, match="there is a task 'inner' already"):
        own.task(name="inner")(print)
