"""The client against a real server."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

import sendoff
from conftest import App
from sendoff import (
    Bulk,
    BulkTo,
    Client,
    Filter,
    NewGraphRun,
    NewSchedule,
    NewTask,
    QueueSettings,
    RetryPolicy,
    TaskChange,
    errors,
)
from sendoff.models import Event, LimitSettings
from sendoff.testing import Server

LATER = timedelta(hours=1)


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


@dataclass
class Mail:
    to: str
    after: timedelta | None = None


def test_a_task_is_submitted_delivered_and_waited_for(sendoff_client: Client, app: App) -> None:
    task = sendoff_client.submit(
        NewTask(url=f"{app.url}/hook", payload=Mail("ann"), labels={"a": "b"}, retry=RetryPolicy(max_attempts=2))
    )
    assert task.kind == "http"
    assert task.retry.max_attempts == 2
    assert task.timeout == timedelta(minutes=1)
    ended = sendoff_client.wait(task.id, timeout=10)
    assert (ended.state, ended.ended, ended.labels) == ("succeeded", True, {"a": "b"})
    assert ended.payload == {"to": "ann", "after": None}, "None of a payload is null"
    assert sendoff_client.result(task.id, timeout=10) == {"to": "ann", "after": None}
    (attempt,) = sendoff_client.tasks.attempts(task.id)
    assert (attempt.outcome, attempt.status) == ("success", 200)
    assert attempt.started_at.tzinfo is not None


def test_a_submission_is_answered_with_its_end(sendoff_client: Client, app: App) -> None:
    task = sendoff_client.submit(NewTask(url=f"{app.url}/hook", payload={"n": 1}), wait=10)
    assert (task.state, task.payload, task.existing) == ("succeeded", {"n": 1}, False)
    late = sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", delay=LATER), wait=timedelta(milliseconds=20))
    assert late.state == "scheduled"


def test_a_body_that_is_no_json_arrives_as_it_is(sendoff_client: Client, app: App) -> None:
    task = sendoff_client.submit(NewTask(url=f"{app.url}/raw", body=b"\x00\xff", content_type="x/y"))
    assert sendoff_client.wait(task.id, timeout=10).payload_base64 == "AP8="
    assert next(body for path, _, body in app.seen if path == "/raw") == b"\x00\xff"


def test_the_result_of_a_task_that_failed_is_an_error(sendoff_client: Client, app: App) -> None:
    task = sendoff_client.submit(NewTask(url=f"{app.url}/reject"))
    with pytest.raises(errors.TaskFailed, match="422") as failed:
        sendoff_client.result(task.id, timeout=10)
    assert failed.value.task.state == "failed"


def test_a_wait_ends_in_time(sendoff_client: Client) -> None:
    task = sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", delay=LATER))
    with pytest.raises(TimeoutError) as late:
        sendoff_client.wait(task.id, timeout=0.05)
    assert isinstance(late.value, errors.WaitTimeout)
    assert late.value.task.state == "scheduled"


def test_refusals_have_their_class(sendoff_client: Client) -> None:
    with pytest.raises(errors.Invalid) as invalid:
        sendoff_client.submit(NewTask(url="nope", priority=11))
    assert [f.field for f in invalid.value.fields] == ["url", "priority"]
    assert (invalid.value.status, invalid.value.code) == (422, "invalid_request")
    with pytest.raises(errors.NotFound):
        sendoff_client.get("nobody")
    name = fresh("taken")
    sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", id=name, delay=LATER))
    with pytest.raises(errors.Conflict, match=r"\(409\)"):
        sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", id=name, delay=LATER))
    for nobody in ("", ".", ".."):
        with pytest.raises(ValueError, match="no name"):
            sendoff_client.get(nobody)


def test_names_may_have_any_letters(sendoff_client: Client) -> None:
    key = fresh("a/b ü?#%2F")
    sendoff_client.limits.set(key, LimitSettings(concurrency=2))
    assert sendoff_client.limits.get(key).key == key
    sendoff_client.limits.delete(key)
    sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", queue="ü", delay=LATER))
    assert sendoff_client.queues.get("ü").name == "ü"


def test_the_same_key_is_the_same_task(sendoff_client: Client) -> None:
    key, new = fresh("key"), NewTask(url="http://127.0.0.1:1/", delay=LATER)
    first = sendoff_client.submit(new, idempotency_key=key)
    again = sendoff_client.submit(new, idempotency_key=key)
    assert (again.id, first.replayed, again.replayed, again.existing) == (first.id, False, True, False)
    assert sendoff_client.submit(new).id != first.id


def test_a_batch_says_what_became_of_each(sendoff_client: Client) -> None:
    good, bad = sendoff_client.batch([NewTask(url="http://127.0.0.1:1/", delay=LATER), NewTask(url="nope")])
    assert good.status == "created" and good.task is not None and good.problem is None
    assert bad.status == "invalid" and isinstance(bad.problem, errors.Invalid)
    assert bad.problem.fields[0].field == "url"


def test_listings_go_through_all_pages(sendoff_client: Client) -> None:
    queue = fresh("pages")
    made = {
        i.task.id
        for i in sendoff_client.batch([NewTask(url="http://127.0.0.1:1/", queue=queue, delay=LATER)] * 7)
        if i.task
    }
    assert {t.id for t in sendoff_client.tasks.list(Filter(queue=queue), limit=3)} == made
    page = sendoff_client.tasks.page(Filter(queue=queue, where={"state!": ["failed", "ready"]}), count=True)
    assert page.count is not None and page.count.value == 7
    assert list(sendoff_client.tasks.list(Filter(queue=queue, state=["ready", "failed"]))) == []


def test_tasks_are_steered(sendoff_client: Client, app: App) -> None:
    task = sendoff_client.submit(NewTask(url=f"{app.url}/hook", delay=LATER, labels={"a": "b", "c.d": "e"}))
    change = TaskChange(priority=2, payload={"now": None})
    changed = sendoff_client.tasks.change(task.id, change, "labels.c.d", "retry.max_attempts")
    assert (changed.priority, changed.labels, changed.retry.max_attempts) == (2, {"a": "b"}, 25)
    assert sendoff_client.tasks.cancel(task.id).state == "canceled"
    assert sendoff_client.tasks.cancel(task.id).state == "canceled", "it may be repeated"
    with pytest.raises(errors.Conflict):
        sendoff_client.tasks.run(task.id)
    sendoff_client.tasks.retry(task.id)
    assert sendoff_client.wait(task.id, 10).run == 2
    with pytest.raises(errors.Conflict):
        sendoff_client.tasks.signal(task.id, "verdict", {"ok": True})
    with pytest.raises(errors.Conflict):
        sendoff_client.tasks.progress(task.id, 1, done=1, total=2, text="too late")
    sendoff_client.tasks.delete(task.id)
    with pytest.raises(errors.NotFound):
        sendoff_client.get(task.id)


def test_queues_limits_and_schedules(sendoff_client: Client) -> None:
    queue = fresh("queue")
    settings = QueueSettings(timeout=timedelta(seconds=30), rate="10/s", retry=RetryPolicy(max_attempts=3))
    assert sendoff_client.queues.set(queue, settings).settings == settings
    changed = sendoff_client.queues.update(queue, QueueSettings(concurrency=4), "rate", "retry.max_attempts")
    assert changed.settings == QueueSettings(timeout=timedelta(seconds=30), concurrency=4)
    fair = sendoff_client.queues.update(queue, QueueSettings(discipline="fair", weights={"acme": 4}))
    assert (fair.settings.discipline, fair.settings.weights) == ("fair", {"acme": 4})
    sendoff_client.queues.update(queue, QueueSettings(), "weights", "discipline")
    assert sendoff_client.queues.pause(queue).paused
    sendoff_client.submit(NewTask(url="http://127.0.0.1:1/", queue=queue))
    assert sendoff_client.queues.stats(queue).ready == 1
    assert sendoff_client.queues.purge(queue) == 1
    assert queue in [q.name for q in sendoff_client.queues.list()]
    sendoff_client.queues.delete(queue)

    key = fresh("limit")
    assert sendoff_client.limits.set(key, LimitSettings(concurrency=2)).concurrency == 2
    assert key in [limit.key for limit in sendoff_client.limits.list()]
    sendoff_client.limits.delete(key)

    name = fresh("schedule")
    plan = NewSchedule(task=NewTask(url="http://127.0.0.1:1/", payload=1), cron="30 2 * * *", timezone="Europe/Berlin")
    assert len(sendoff_client.schedules.set(name, plan, dry_run=True).next_fires) > 0
    with pytest.raises(errors.NotFound):
        sendoff_client.schedules.get(name)
    assert sendoff_client.schedules.set(name, plan).next_at is not None
    assert [t.local[11:16] for t in sendoff_client.schedules.preview(name, 2)] == ["02:30", "02:30"]
    assert sendoff_client.schedules.run(name).schedule == name
    sendoff_client.schedules.delete(name)


def test_many_tasks_are_acted_on(sendoff_client: Client) -> None:
    queue = fresh("bulk")
    sendoff_client.batch([NewTask(url="http://127.0.0.1:1/", queue=queue, delay=LATER, labels={"a": "b"})] * 5)
    bulk = Bulk("cancel", Filter(queue=queue, labels={"a": "b"}), rate="max")
    assert sendoff_client.actions.preview(bulk).matched == 5
    later = Bulk("reschedule", Filter(queue=queue), rate="max", to=BulkTo(delay=timedelta(hours=1)))
    to = sendoff_client.actions.start(later).to
    assert to is not None and to.run_at is not None
    action = sendoff_client.actions.start(bulk)
    while not action.ended:
        action = sendoff_client.actions.get(action.id)
    assert (action.done, action.filter) == (5, {"queue": [queue], "label.a": ["b"]})
    assert len(list(sendoff_client.actions.items(action.id, limit=2))) == 5


def test_what_happened_was_counted(sendoff_client: Client, app: App) -> None:
    queue = fresh("counted")
    task = sendoff_client.submit(NewTask(url=f"{app.url}/hook", queue=queue))
    sendoff_client.wait(task.id, 10)
    series = sendoff_client.queues.series(queue, step=timedelta(minutes=1))
    assert series.step == timedelta(minutes=1)
    assert series.to > series.from_
    assert {i.key for i in series.items} <= {queue}
    assert all(p.accepted == 1 for i in series.items for p in i.points if p.started)


def test_what_failed_alike_is_a_group(sendoff_client: Client) -> None:
    assert [g.id for g in sendoff_client.failures.list() if g.count < 1] == []
    with pytest.raises(errors.NotFound):
        sendoff_client.failures.get("1")
    with pytest.raises(errors.NotFound):
        sendoff_client.failures.mute("1", LATER)
    with pytest.raises(errors.NotFound):
        sendoff_client.failures.unmute("1")


def test_the_rest_can_be_read(sendoff_client: Client) -> None:
    assert "admin" in sendoff_client.me().scopes
    assert sendoff_client.pause_all().since is not None
    assert sendoff_client.me().paused
    assert sendoff_client.resume_all().namespace == "default"
    assert not sendoff_client.me().paused
    assert sendoff_client.nodes.list()[0].roles
    health = sendoff_client.health()
    assert (health.ok, health.database, health.checks[0].name) == (True, "sqlite", "node")
    with pytest.raises(errors.NotFound):
        sendoff_client.nodes.drain("nobody")
    assert sendoff_client.workers.list() == []
    with pytest.raises(errors.NotFound):
        sendoff_client.workers.replace("nobody")
    assert [n.name for n in sendoff_client.namespaces.list()] == ["default"]
    assert isinstance(sendoff_client.endpoints.list(), list)
    assert sendoff_client.endpoints.pause("http://nobody.example:8080/x").host == "nobody.example:8080"
    assert "operator" in [e.reason for e in sendoff_client.endpoints.list()]
    assert not sendoff_client.endpoints.resume("nobody.example:8080").paused
    with pytest.raises(errors.NotFound):
        sendoff_client.endpoints.probe("nobody.example")
    graph = fresh("graph")
    definition = {"name": graph, "jobs": {"Page": {"run": ["true"]}, "Site": {"deps": ["Page"]}}}
    assert sendoff_client.graphs.save(definition).rev == 1
    assert sendoff_client.graphs.get(graph).definition == definition
    assert graph in [g.name for g in sendoff_client.graphs.list()]
    with pytest.raises(errors.Invalid, match="--process-commands true"):
        sendoff_client.schedules.set(graph, NewSchedule(task=NewGraphRun(graph=graph, parallel=2), cron="@daily"))
    sendoff_client.graphs.save({"name": graph, "inputs": {"who": ""}, "jobs": {"Site": {}}})
    begun = NewGraphRun(graph=graph, inputs={"who": "ada"})
    assert sendoff_client.schedules.set(graph, NewSchedule(task=begun, cron="@daily")).overlap == "serial"
    run = sendoff_client.graph_runs.wait(sendoff_client.schedules.run(graph).id)
    assert (run.state, run.graph, run.rev, run.schedule) == ("succeeded", graph, 2, graph)
    sendoff_client.schedules.delete(graph)
    sendoff_client.graphs.delete(graph)
    assert sendoff_client.views.set("Failing now/ä", "/tasks", "state=failed").query == "state=failed"
    assert [v.name for v in sendoff_client.views.list()] == ["Failing now/ä"]
    sendoff_client.views.delete("Failing now/ä")
    assert any(r.action == "save-graph" for r in sendoff_client.audit.list(limit=5))
    assert sendoff_client.audit.verify().ok


def test_keys_say_what_a_client_may_do(tmp_path: Path) -> None:
    with Server(tmp_path, args=["--api-keys", "the-key-of-the-operator"]) as server:
        with Client(server.url, api_key="wrong") as client, pytest.raises(errors.Unauthorized):
            client.me()
        with Client(server.url, api_key="the-key-of-the-operator") as admin:
            key = admin.api_keys.create("reader", ["read"])
            assert [k.name for k in admin.api_keys.list()] == ["reader"]
            admin.namespaces.set("small", sendoff.Quota(tasks=1))
            small = admin.api_keys.create("small", ["enqueue"], namespace="small")
        with Client(server.url, api_key=key.key) as reader, pytest.raises(errors.Forbidden) as forbidden:
            reader.submit(NewTask(url="http://127.0.0.1:1/"))
        assert forbidden.value.scope == "enqueue"
        with Client(server.url, api_key=small.key, resends=0) as bounded:
            bounded.submit(NewTask(url="http://127.0.0.1:1/", delay=LATER))
            with pytest.raises(errors.QuotaExceeded) as full:
                bounded.submit(NewTask(url="http://127.0.0.1:1/", delay=LATER))
        assert full.value.retry_after is not None


def test_a_check_that_fails_is_an_answer() -> None:
    check = {"name": "disk", "status": "fail", "detail": "it is full", "fix": "make room", "duration": "31µs"}
    found = {
        "ok": False,
        "at": "2026-11-27T22:40:00Z",
        "version": "1.4.0",
        "database": "sqlite",
        "summary": {"ok": 0, "warn": 0, "fail": 1, "skip": 0},
        "checks": [{**check, "repairable": False, "repaired": False}],
    }
    answers = iter([httpx.Response(503, json=found), httpx.Response(503, json={"detail": "busy", "code": "busy"})])
    with httpx.Client(transport=httpx.MockTransport(lambda _: next(answers))) as http:
        client = Client("http://127.0.0.1:1", http=http, resends=0)
        health = client.health()
        assert (health.ok, health.checks[0].status) == (False, "fail")
        with pytest.raises(errors.NotSendoff):
            client.health()


def test_the_environment_says_which_server(sendoff_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDOFF_URL", sendoff_server.url + "/")
    with Client() as client:
        assert client.url == sendoff_server.url
        assert client.me().name
    for wrong in ("nope", "ftp://h", "http://", "http://u:p@h", "http://h?x=1"):
        with pytest.raises(ValueError, match="server URL"):
            Client(wrong)


def test_events_are_heard_and_go_on_after_a_restart(tmp_path: Path, app: App) -> None:
    with Server(tmp_path) as server, server.client() as client:
        events = client.tasks.tail("queue:q", "task:nobody")
        heard = first_of(events, client, app)
        assert heard.task is not None and heard.task.queue == "q"
        server.kill()
        server.start()
        # The node that had the events is gone.
        assert next(e for e in events if e.type == "reset").task is None
        assert first_of(events, client, app).type.startswith("task.")


def first_of(events: Iterator[Event], client: Client, app: App) -> Event:
    """The first event of the stream; tasks are made until there is one."""
    over = threading.Event()

    def make() -> None:
        while not over.wait(0.05):
            client.submit(NewTask(url=f"{app.url}/hook", queue="q"))

    maker = threading.Thread(target=make)
    maker.start()
    try:
        return next(events)
    finally:
        over.set()
        maker.join()


def test_the_async_client_does_the_same(sendoff_server: Server, app: App) -> None:
    async def program() -> None:
        async with sendoff_server.async_client() as client:
            queue = fresh("async")
            tasks = await asyncio.gather(
                *(client.submit(NewTask(url=f"{app.url}/hook", payload=i, queue=queue)) for i in range(5))
            )
            assert [await client.result(t.id, timeout=10) for t in tasks] == [0, 1, 2, 3, 4]
            assert {t.id async for t in client.tasks.list(Filter(queue=queue), limit=2)} == {t.id for t in tasks}
            with pytest.raises(errors.NotFound):
                await client.tasks.cancel("nobody")
            later = await client.submit(NewTask(url="http://127.0.0.1:1/", delay=LATER))
            with pytest.raises(errors.WaitTimeout):
                await client.wait(later.id, timeout=0.05)
            hearing = asyncio.create_task(first(client, f"queue:{queue}"))
            while not hearing.done():
                await client.submit(NewTask(url=f"{app.url}/hook", queue=queue))
                await asyncio.wait([hearing], timeout=0.05)
            assert (await hearing).type.startswith("task.")

    asyncio.run(program())


async def first(client: sendoff.AsyncClient, topic: str) -> Event:
    async for event in client.tasks.tail(topic):
        return event
    raise AssertionError("the stream has ended")
