"""Chains, groups and chords, as tasks that depend on each other on the real server; Celery says what they mean."""

from __future__ import annotations

import asyncio
import random
from datetime import date
from typing import Any
from uuid import uuid4

import celery
import pytest

from sample_tasks import (
    Parcel,
    add,
    alarm,
    broken,
    double,
    flat,
    forward,
    longest,
    tasks,
    text,
    total,
)
from sendoff import Client, chain, chord, group
from sendoff.canvas import Canvas
from sendoff.errors import InvalidValue, TaskFailed
from sendoff.testing import Server


def test_results_are_passed_on_with_their_kinds(carried: None) -> None:
    made = forward.s(Parcel("Anna", date(2030, 1, 31))) | forward.s(days=7) | forward.s()
    assert made.submit().result(20) == Parcel("Anna", date(2030, 2, 9))


def test_what_a_chord_calls_has_all_results_in_order(carried: None) -> None:
    assert chord([add.s(i, i) for i in range(20)])(total.s(more=1)).get(20) == 381
    assert chord(group(double.s(i) for i in range(3)), group(total.s(), total.s(1))).submit().result(20) == [6, 7]
    nested = group(chain(double.s(1), group(double.s(), add.s(5))), chain(double.s(4), group(double.s(), double.si(5))))
    assert (nested | flat.s()).submit().result(20) == [4, 7, 16, 10]


def test_no_tasks_are_an_empty_list(carried: None) -> None:
    assert group().submit().result(20) == []
    assert chord([], total.s(3)).submit().result(20) == 3
    waits = chain(double.s(1), group(), total.s()).submit()
    assert waits.result(20) == 0
    assert set(waits.states().values()) == {"succeeded"}


def test_what_follows_a_failure_is_canceled(carried: None, sendoff_client: Client) -> None:
    noticed, unheard = f"alarm-{uuid4()}", f"alarm-{uuid4()}"
    made = chain(double.s(1), broken.s(), double.s(), group(double.s(), add.s(1)))
    submitted = made.on_error(alarm.s("the chain").set(id=noticed), alarm.s("again")).submit()
    with pytest.raises(TaskFailed) as failed:
        submitted.result(20)
    assert (failed.value.task.id, failed.value.task.state) == (submitted.ids[1], "failed")
    assert list(submitted.states().values()) == ["succeeded", "failed", "canceled", "canceled", "canceled"]
    assert sendoff_client.result(noticed, 20) == "alarm of the chain"

    fine = chain(double.s(1), double.s().on_error(alarm.s("nothing").set(id=unheard))).submit()
    assert fine.result(20) == 4
    assert sendoff_client.wait(unheard, 20).reason == "skipped"


def test_a_result_that_cannot_be_had_ends_it(carried: None, sendoff_client: Client) -> None:
    assert (text.s(60_000) | longest.s()).submit().result(20) == 60_000
    with pytest.raises(TaskFailed) as failed:
        (text.s(70_000) | longest.s()).submit().result(20)
    assert failed.value.task.reason == "rejected"
    (attempt,) = sendoff_client.tasks.attempts(failed.value.task.id)
    assert "is longer than the 64 KiB that are kept" in attempt.body
    with pytest.raises(TaskFailed) as failed:
        (broken.s() | double.s().set(when="always")).submit().result(20)
    (attempt,) = sendoff_client.tasks.attempts(failed.value.task.id)
    assert "has not succeeded" in attempt.body
    assert (broken.s() | double.si(2).set(when="always")).submit().result(20) == 4


@pytest.fixture
def away(through: None) -> None:
    tasks.url = "http://127.0.0.1:9/tasks"


def test_it_is_one_batch_all_or_nothing(away: None, sendoff_client: Client, sendoff_server: Server) -> None:
    with pytest.raises(InvalidValue, match="double: argument a: want a whole number"):
        chain(double.s(1), double.si("x")).submit()
    with pytest.raises(InvalidValue, match="too many positional"):
        chain(double.s(1), double.s(2)).submit()
    with pytest.raises(InvalidValue, match="more than 1000"):
        group(double.s(i) for i in range(1001)).submit()
    submitted = (group(double.s(i).set(queue="canvas") for i in range(99)) | total.s()).submit()
    last = sendoff_client.get(submitted.ids[-1])
    assert (last.state, last.reason, len(last.depends_on)) == ("blocked", "dependencies", 99)
    submitted.cancel()

    async def submit() -> list[str]:
        async with sendoff_server.async_client() as client:
            made = (double.s(1) | double.s()).set(queue="canvas", delay=None)
            return [item.status for item in await client.batch(made.new(), atomic=True)]

    assert asyncio.run(submit()) == ["created", "created"]


def test_a_canvas_can_be_called_at_once() -> None:
    with tasks.eager():
        assert chain(add.s(1, 2), group(double.s(), add.s(1)), total.s()).delay().get() == 10
        assert chord([])(total.s(3)).states()
        with pytest.raises(Exception, match="broken"):
            chain(double.s(1), broken.s(), double.s()).submit()
    assert double.s(3)() == 6
    assert total.s(more=1)([2, 3]) == 6


def test_what_is_no_signature_is_told() -> None:
    with pytest.raises(TypeError, match="chain: want signatures"):
        chain(double.s(1), 7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="want one signature at least"):
        chain()


def listed(*args: Any) -> Any:
    return [*args]


def same(a: Any) -> Any:
    return a


app = celery.Celery(broker="memory://", backend="cache+memory://", set_as_current=False)
app.conf.update(task_always_eager=True, task_store_eager_result=True)
theirs: dict[str, Any] = {"listed": app.task(name="listed")(listed), "same": app.task(name="same")(same)}
ours: dict[str, Any] = {
    "listed": tasks.task(name="canvas.listed")(listed),
    "same": tasks.task(name="canvas.same")(same),
}


def tree(chosen: random.Random, depth: int, first: bool) -> tuple[Any, Canvas]:
    """A canvas of both; first: nothing comes before it."""
    kind = chosen.choice(["call", "call", "chain", "group", "chord"]) if depth else "call"
    if kind == "call":
        name, args = "same" if first and chosen.random() < 0.5 else "listed", [chosen.randrange(9)]
        if chosen.random() < 0.2:
            return theirs[name].si(*args), ours[name].si(*args)
        return theirs[name].s(*args), ours[name].s(*args)
    if kind == "chain":
        parts = [tree(chosen, depth - 1, first and i == 0) for i in range(chosen.randint(2, 3))]
        return celery.chain(*[t for t, _ in parts]), chain(*[o for _, o in parts])
    parts = [tree(chosen, depth - 1, first) for _ in range(chosen.randint(2, 3))]
    if kind == "group":
        return celery.group(*[t for t, _ in parts]), group(*[o for _, o in parts])
    their_body, our_body = tree(chosen, 0, False)
    return celery.chord([t for t, _ in parts], their_body), chord([o for _, o in parts], our_body)


def test_celery_says_what_comes_of_it() -> None:
    for seed in range(60):
        their, our = tree(random.Random(seed), 3, True)
        with tasks.eager():
            assert (seed, our.submit().result()) == (seed, their.apply().get())


def test_the_server_makes_the_same_of_it(carried: None) -> None:
    made = [tree(random.Random(seed), 3, True)[1] for seed in range(100, 108)]
    with tasks.eager():
        wanted = [m.submit().result() for m in made]
    assert [s.result(30) for s in [m.submit() for m in made]] == wanted
