"""Schedules of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sendoff.django._settings import setting
from sendoff.models import NewSchedule
from sendoff.tasks import default


def apply() -> Iterator[str]:
    """Makes each of SENDOFF["SCHEDULES"], and tells its name; a ValueError names what is wrong."""
    found: Mapping[str, Mapping[str, Any]] = setting("SCHEDULES", {})
    made = {name: _schedule(name, given) for name, given in found.items()}  # all of them, before the first is set
    for name, schedule in made.items():
        default.connected().schedules.set(name, schedule)
        yield name


def _schedule(name: str, given: Mapping[str, Any]) -> NewSchedule:
    rest = dict(given)
    called = str(rest.pop("task", ""))
    task = {t.name: t for t in default.all()}.get(called)
    if task is None:
        raise ValueError(f"schedule {name}: there is no task {called!r}")
    options, every = rest.pop("options", {}), rest.pop("every", None)
    new = task.options(**options).new(*rest.pop("args", ()), **rest.pop("kwargs", {}))
    if every is not None:
        rest["every"] = every if isinstance(every, timedelta) else timedelta(seconds=every)
    try:
        return NewSchedule(task=new, **rest)
    except TypeError as e:
        raise ValueError(f"schedule {name}: {e}") from e
