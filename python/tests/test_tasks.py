"""Tasks are pushed to apps, or run by worker processes, of the real server."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest

import sendoff
from sample_tasks import Parcel, add, broken, double, forward, known, refuse, tasks, total
from sendoff import Client, NewTask, Tasks, chain, group
from sendoff.errors import InvalidValue, TaskFailed
from sendoff.testing import Server

PARCEL = Parcel("Anna", date(2030, 1, 31))


def check_calls() -> None:
    assert forward.submit(PARCEL, days=2).result(20) == Parcel("Anna", date(2030, 2, 2))
    assert add.delay(2, 3).get(20) == 5
    with pytest.raises(TaskFailed) as failed:
        refuse.submit().result(20)
    assert (failed.value.task.reason, failed.value.task.attempts) == ("rejected", 1)


def check_current() -> None:
    made = known.submit()
    assert made.result(20) == [made.task.id if made.task else "", 1, False, True, known.name]


def check_canvas() -> None:
    assert chain(add.s(1, 2), double.s(), group(add.s(10), double.si(1)), total.s(more=1)).submit().result(20) == 19
    with pytest.raises(TaskFailed, match=r"sample_tasks\.broken|broken"):
        chain(broken.s(), double.s()).submit().result(20)


def test_an_app_carries_them_out(carried: None) -> None:
    check_calls()
    check_current()
    check_canvas()


def test_worker_processes_carry_them_out(tmp_path: Path, through: None, monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{Path(__file__).parent}:{Path(sendoff.__file__).resolve().parents[1]}"
    monkeypatch.setenv("PYTHONPATH", here)
    where = tmp_path / "url"  # of the server, which the tasks ask what they follow
    args = ["--process-allow", "sample_tasks", "--process-python", sys.executable, "--process-env", f"URL_IN={where}"]
    with Server(tmp_path, args=args) as server, server.client() as client:
        where.write_text(server.url)
        tasks.client = client
        check_calls()
        check_current()
        check_canvas()


def test_a_stranger_carries_nothing_out(carried: None, sendoff_client: Client) -> None:
    call = {"args": [1, 2], "kwargs": {}}
    assert httpx.post(add.new(1, 2).url or "", json=call).status_code == 401


def test_a_call_that_does_not_fit_fails_for_good(carried: None, sendoff_client: Client) -> None:
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


def test_a_fixture_has_tasks_called_at_once(sendoff_eager: None) -> None:
    @sendoff.task(name="seven")
    def seven() -> int:
        return 7

    assert seven.submit().result() == 7


def outer() -> None: ...


def test_what_cannot_be_a_task_is_told() -> None:
    with pytest.raises(ValueError, match="without a slash"):
        Tasks("http://127.0.0.1:9/tasks").task(name="a/b")(outer).new()
    own = Tasks()

    @own.task(name="inner")
    def inner() -> None: ...

    with pytest.raises(ValueError, match="worker processes cannot import it"):
        inner.new()
    with pytest.raises(ValueError, match="there is a task 'inner' already"):
        own.task(name="inner")(outer)
