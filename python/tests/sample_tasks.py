"""Tasks that a server's worker processes, and apps, carry out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sendoff import RetryPolicy, Tasks
from sendoff.push import Permanent

tasks = Tasks()


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
