"""The table "Celery, here" of docs/celery.md: each of its rows, beside the real Celery where that can be had without a
broker."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import celery
import pytest

from conftest import serving
from sendoff import Client, Filter, Limit, NewSchedule, NewTask, RetryPolicy, Tasks, Unique, chain, chord, group
from sendoff.errors import Conflict, Invalid, InvalidValue, TaskFailed
from sendoff.push import Permanent, RetryAfter, Snooze
from sendoff.tasks import Submitted, TaskFunction, current
from sendoff.testing import Server
from sendoff.verify import Verifier
from test_docs import DOCS

ROWS: dict[str, Callable[[], None]] = {}
CHOSEN = UUID("12345678-1234-5678-1234-567812345678")

theirs = celery.Celery(broker="memory://", backend="cache+memory://", set_as_current=False)
theirs.conf.update(task_always_eager=True, task_store_eager_result=True)
app = Tasks()


def row(*celery: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Says which rows a test is of, by their first column."""

    def keep(test: Callable[[], None]) -> Callable[[], None]:
        ROWS.update(dict.fromkeys(celery, test))
        return test

    return keep


def added(a: int, b: int = 1) -> int:
    return a + b


def summed(values: list[int]) -> int:
    return sum(values)


add, total = app.task(name="add")(added), app.task(name="total")(summed)
their_add, their_total = theirs.task(name="add")(added), theirs.task(name="total")(summed)


@app.task(name="who")
def who() -> tuple[str, int]:
    return current().id, current().attempt


@app.task(name="ends", retry=RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=10)))
def ends(how: str) -> str:
    if how == "later":
        raise RetryAfter(3600)
    if how == "snooze":
        raise Snooze(3600)
    if how == "permanent":
        raise Permanent("never")
    if how == "once" and current().attempt == 1:
        raise RuntimeError("the first time")
    return how


@app.task(name="typed")
def typed(at: datetime, id: UUID, price: Decimal) -> tuple[datetime, UUID, Decimal]:
    assert (type(at), type(id), type(price)) == (datetime, UUID, Decimal)
    return at, id, price


def client() -> Client:
    return app.connected()


def new_queue() -> str:
    return f"q-{uuid4()}"


def after_first_attempt(call: Submitted) -> tuple[str, str]:
    """Outcome of its first attempt, and the state then."""
    attempts = list(client().tasks.attempts(call.id))
    while not attempts or attempts[0].finished_at is None:
        attempts = list(client().tasks.attempts(call.id))
    found = attempts[0].outcome, call.state()
    with contextlib.suppress(Conflict):
        call.cancel()
    return found


@row("`@app.task`, `@shared_task`", '`@app.task(name="sum", queue="sums")`', "`add(2, 3)`")
def functions_stay_functions() -> None:
    own = Tasks("http://127.0.0.1:9/tasks")
    named: TaskFunction[..., int] = own.task(name="sum", queue="sums")(added)
    assert (named(2, 3), named.new(2, 3).queue, named.new(2, 3).name) == (their_add(2, 3), "sums", "sum")
    assert own.task(added).name == f"{__name__}.added"


@row("`add.delay(2, 3)`", "`result.get(timeout=10)`")
def delay_gives_a_result() -> None:
    assert add.delay(2, 3).get(timeout=10) == add.submit(2, 3).result(10) == their_add.delay(2, 3).get(timeout=10)
    with pytest.raises(InvalidValue, match="argument a"):
        add.delay("x")  # type: ignore[arg-type]
    with pytest.raises(TaskFailed) as failed:
        ends.delay("permanent").get(timeout=10)
    assert failed.value.task.state == "failed"


@row("`add.apply_async((2, 3), countdown=60)`, `eta=`, `expires=`", '`add.apply_async(queue="slow", priority=0)`')
def calls_take_their_options() -> None:
    due = datetime(2040, 1, 1, tzinfo=timezone.utc)
    soon = add.apply_async((2, 3), countdown=60, expires=120).task
    late = add.apply_async((2,), {"b": 3}, eta=due, expires=due + timedelta(1), queue="slow", priority=0).task
    assert soon and soon.run_at and soon.expires_at and late
    assert timedelta(seconds=50) < soon.expires_at - soon.run_at < timedelta(seconds=70)
    assert (late.run_at, late.expires_at, late.queue, late.priority) == (due, due + timedelta(1), "slow", 0)


@row('`add.apply_async(task_id="sum-7")`', "`add.AsyncResult(id)`")
def ids_are_chosen() -> None:
    id = f"sum-{uuid4()}"
    add.apply_async((2, 3), task_id=id)
    assert add.submitted(id).get(timeout=10) == 5
    with pytest.raises(Conflict):
        add.apply_async((2, 3), task_id=id)


@row('`app.send_task("app.tasks.add", (2, 3))`')
def calls_go_out_without_the_code() -> None:
    task = client().submit(NewTask(url=f"{app.url}/add", payload={"args": [2, 3], "kwargs": {}}))
    assert client().result(task.id, 10) == 5
    with pytest.raises(Invalid, match="process: this server has no processes"):  # those that have: test_tasks.py
        client().submit(NewTask(process="app.tasks.add", payload={"args": [2, 3]}))


@row("`result.state`, `result.ready()`, `result.successful()`", "`result.revoke(terminate=True)`")
def results_tell_how_it_is() -> None:
    done, later = add.delay(2, 3), add.apply_async((2, 3), countdown=60)
    done.get(timeout=10)
    assert (done.state(), done.ready(), done.successful()) == ("succeeded", True, True)
    assert (later.state(), later.ready(), later.successful()) == ("scheduled", False, False)
    later.cancel()
    assert (later.state(), later.ready(), later.successful()) == ("canceled", True, False)


@row("`bind=True`, `self.request.id`, `self.request.retries`")
def a_task_knows_itself() -> None:
    call = who.delay()
    assert call.get(timeout=10) == (call.id, 1)
    with pytest.raises(LookupError):
        current()


@row("`raise self.retry(countdown=30)`", "`raise Reject(requeue=False)`, `dont_autoretry_for`")
def exceptions_say_what_becomes_of_it() -> None:
    assert after_first_attempt(ends.delay("later")) == ("failure", "scheduled")
    assert after_first_attempt(ends.delay("snooze")) == ("throttle", "scheduled")
    assert after_first_attempt(ends.delay("permanent")) == ("reject", "failed")


@row("`autoretry_for=(Exception,)`, `max_retries=3`, `retry_backoff=2`")
def every_exception_is_tried_again() -> None:
    call = ends.delay("once")
    assert (call.get(timeout=10), client().get(call.id).attempts) == ("once", 2)


@row("`time_limit=10`")
def time_is_limited() -> None:
    call = add.options(timeout=timedelta(seconds=10), delay=timedelta(hours=1)).delay(2, 3)
    assert call.task and call.task.timeout == timedelta(seconds=10)


@row('`rate_limit="10/m"`')
def starts_are_limited() -> None:
    limited = add.options(limits=[Limit(key=f"mail-{uuid4()}", rate="1/h")])
    calls = [limited.delay(2, i) for i in range(2)]
    assert calls[0].get(timeout=10) == 2
    waiting = client().get(calls[1].id).waiting_for
    assert waiting and waiting.cause == "limit"
    calls[1].cancel()


@row("`celery-once`, a lock in Redis")
def one_is_enough() -> None:
    once = add.options(unique=Unique(key=f"report-{uuid4()}"), delay=timedelta(hours=1))
    assert once.delay(2, 3).id == once.delay(2, 4).id


@row("`datetime`, `UUID`, `Decimal` as arguments")
def arguments_keep_their_kinds() -> None:
    given = (datetime(2030, 1, 31, tzinfo=timezone.utc), CHOSEN, Decimal("1.10"))
    assert typed.delay(*given).get(timeout=10) == given


@row(
    '`add.s(2)`, `add.si(2, 3)`, `add.s(2).set(queue="slow")`',
    "`chain(a.s(1), b.s())`, `a.s(1) | b.s()`",
    "`group(a.s(1), a.s(2))`",
    "`chord([a.s(1), a.s(2)], total.s())`, `chord(header)(total.s())`",
)
def canvas_is_as_it_was() -> None:
    def programs(add: Any, total: Any, chain: Any, group: Any, chord: Any) -> list[Any]:
        calls = [
            add.s(2, 3) | add.s(4) | add.si(1, 1) | add.s(5),
            chain(add.s(1), add.s(2).set(queue="slow")),
            group(add.s(1, 1), add.s(2, 2)),
            chord([add.s(1), add.s(2)], total.s()),
        ]
        results = [call.apply_async() for call in calls] + [chord([add.s(1), add.s(2)])(total.s())]
        return [result.get(timeout=10) for result in results]

    ours = programs(add, total, chain, group, chord)
    assert ours == programs(their_add, their_total, celery.chain, celery.group, celery.chord)
    assert (add.s(2) | add.s(3).set(queue="slow")).new()[1].queue == "slow"


@row("`link_error=alarm.si()`", "`link=save.s()`")
def ends_are_followed() -> None:
    alarm = f"alarm-{uuid4()}"
    with pytest.raises(TaskFailed):
        ends.s("permanent").on_error(add.s(1).set(id=alarm)).submit().get(timeout=10)
    assert client().result(alarm, 10) == 2
    assert (add.s(1) | add.s(2)).submit().get(timeout=10) == 4
    call = add.options(on_success=add.new(5)).delay(2, 3)
    assert call.task and call.task.on_success and call.task.on_success.name == "add"


@row("`add.starmap(pairs)`, `map`, `chunks`")
def many_are_a_group() -> None:
    pairs = [(1, 2), (3, 4)]
    assert group(add.s(*pair) for pair in pairs).submit().get(timeout=10) == [*their_add.starmap(pairs)()]


@row("`task_always_eager`")
def tests_need_no_server() -> None:
    with app.eager():
        assert add.delay(2, 3).get() == 5
    app.always_eager = True
    assert (add.s(1) | add.s(2)).delay().get() == 4
    app.always_eager = False


@row("`task_prerun`, `task_postrun`")
def tasks_have_a_context_around_them() -> None:
    seen: list[tuple[str, str]] = []

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        seen.append(("before", current().id))
        yield
        seen.append(("after", current().id))

    app.around = around
    call = add.delay(2, 3)
    call.get(timeout=10)
    app.around = contextlib.nullcontext
    assert [when for when, id in seen if id == call.id] == ["before", "after"]


@row('`beat_schedule = {"nightly": {"task": ..., "schedule": crontab(hour=3, minute=0)}}`')
def schedules_make_tasks() -> None:
    client().schedules.set("nightly-sum", NewSchedule(task=add.new(2, 3), cron="0 3 * * *"))
    found = client().schedules.get("nightly-sum")
    assert (found.task["name"], found.task["payload"]) == ("add", {"args": [2, 3], "kwargs": {}})
    client().schedules.delete("nightly-sum")


@row("`app.control.purge()`", "`app.control.inspect().scheduled()`")
def queues_are_looked_into_and_emptied() -> None:
    queue = new_queue()
    call = add.apply_async((2, 3), queue=queue, countdown=60)
    assert [t.id for t in client().tasks.list(Filter(state="scheduled", queue=queue))] == [call.id]
    assert client().queues.purge(queue) == 1
    assert call.state() == "canceled"


@pytest.fixture(scope="module")
def served(sendoff_server: Server) -> Iterator[None]:
    with serving(app.asgi(Verifier(sendoff_server.url))) as url, sendoff_server.client() as client:
        app.url, app.client = f"{url}/tasks", client
        yield


@pytest.mark.parametrize("test", dict.fromkeys(ROWS.values()), ids=lambda test: test.__name__)
def test_row(test: Callable[[], None], served: None) -> None:
    test()


ELSEWHERE = {  # test_django.py
    "`delay_on_commit` of a Django task",
    "`celery -A proj worker` in a Django project",
}


def test_every_row_has_a_test() -> None:
    if not DOCS.exists():
        pytest.skip("without the repository there is no page")
    section = (DOCS / "celery.md").read_text().partition("## Celery, here")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*?[^\\]) \| ", section, re.MULTILINE)[1:]
    assert {r.replace("\\|", "|") for r in rows} == set(ROWS) | ELSEWHERE
