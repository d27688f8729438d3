"""What the apps of all frameworks do with a push, and the tasks that they carry out."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

import sendoff
from sendoff import Client
from sendoff.held import Held
from sendoff.push import Manual, Permanent, PushedTask, RetryAfter, Snooze
from sendoff.tasks import current
from sendoff.verify import Verifier


class Line(BaseModel):
    """An argument as pydantic has it."""

    article: str
    pieces: int = 1


@dataclass(frozen=True)
class Sum:
    pieces: int
    attempt: int


@sendoff.task(name="web.count")
def count(lines: list[Line]) -> Sum:
    return Sum(sum(line.pieces for line in lines), current().attempt)


@sendoff.task(name="web.count_soon")
async def count_soon(lines: list[Line]) -> Sum:
    return Sum(sum(line.pieces for line in lines), current().attempt)


def verifier() -> Verifier:
    return Verifier(os.environ["SENDOFF_URL"])


def told_later(task: PushedTask) -> None:
    """Half a second and more of it in a thread, which keeps it alive."""
    held = Held(Client(), task, timeout=1)
    threading.Thread(target=held.run, args=(work, held, task.name)).start()


def work(held: Held, name: str) -> dict[str, Any]:
    if name == "fails":
        raise Permanent("broken")
    beats = [held.heartbeat() for _ in range(2)]
    return {"beats": beats}


def outcome(kind: str, task: PushedTask) -> str:
    """Of a view at /outcome/KIND."""
    if kind == "permanent":
        raise Permanent("never")
    if kind == "later":
        raise RetryAfter(3600, "later")
    if kind == "snooze":
        raise Snooze(3600)
    if kind == "manual":
        told_later(task)
        raise Manual(60)
    return task.id
