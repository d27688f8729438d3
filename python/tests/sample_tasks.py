"""Tasks that a server's worker processes, and apps, carry out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sendoff import Client, RetryPolicy, Tasks
from sendoff.push import Permanent
from sendoff.tasks import current

tasks = Tasks()
if "URL_IN" in os.environ:
    tasks.client = Client(Path(os.environ["URL_IN"]).read_text())


@dataclass(frozen=True)
class Parcel:
    to: str
    day: date


@tasks.task
def forward(parcel: Parcel, days: int = 1) -> Parcel:
    return Parcel(parcel.to, date.fromordinal(parcel.day.toordinal() + days))


@tasks.task(queue="sums", retry=RetryPolicy(max_attempts=2))
async def add(a: int, b: int) -> int:
    return a + b


@tasks.task
def refuse() -> None:
    raise Permanent("never")


@tasks.task
def known() -> list[str | int | bool]:
    here = current()
    tasks.progress(1, 2, "half of it")
    return [here.id, here.attempt, here.final, here.token > 0, here.name]


@tasks.task
def double(a: int) -> int:
    return 2 * a


@tasks.task
def total(values: list[int], more: int = 0) -> int:
    return sum(values) + more


@tasks.task
def flat(values: list[list[int]]) -> list[int]:
    return [v for each in values for v in each]


@tasks.task
def text(length: int) -> str:
    return "x" * length


@tasks.task
def longest(value: str) -> int:
    return len(value)


@tasks.task
def broken(*args: int) -> int:
    raise Permanent("broken")


@tasks.task
def alarm(of: str) -> str:
    return f"alarm of {of}"
