"""What is planned."""

from __future__ import annotations

from sendoff._codec import encode
from sendoff._flow import Items, Page, Request, act, items, nothing, one, page, path, read, write
from sendoff._group import D, Group, listing, operation
from sendoff.models.requests import NewSchedule
from sendoff.models.schedules import Fire, FireTime, Schedule
from sendoff.models.tasks import Task


class Schedules(Group[D]):
    """Sets and steers schedules."""

    @listing
    def list(self, *, limit: int | None = None) -> Request[Page[Schedule]]:
        """Goes through all schedules by name."""
        return read(path("schedules"), page(Schedule), limit=limit)

    @operation
    def get(self, name: str) -> Request[Schedule]:
        """A schedule."""
        return read(path("schedules", name), one(Schedule))

    @operation
    def set(self, name: str, schedule: NewSchedule, *, dry_run: bool | None = None) -> Request[Schedule]:
        """Makes a schedule or changes it; dry_run: only tells when it would be due (next_fires)."""
        return write("PUT", path("schedules", name), one(Schedule), encode(schedule), True, dry_run=dry_run)

    @operation
    def pause(self, name: str) -> Request[Schedule]:
        """What would be due meanwhile is not made up for."""
        return act(path("schedules", name, "pause"), one(Schedule), True)

    @operation
    def resume(self, name: str) -> Request[Schedule]:
        """Ends a pause."""
        return act(path("schedules", name, "resume"), one(Schedule), True)

    @operation
    def reset(self, name: str) -> Request[Schedule]:
        """Has a declared schedule be as its configuration file says."""
        return act(path("schedules", name, "reset"), one(Schedule), True)

    @operation
    def run(self, name: str) -> Request[Task]:
        """Makes a task of it now; when it is due next stays as it is. Not repeated when its answer is lost."""
        return act(path("schedules", name, "run"), one(Task), False)

    @operation
    def preview(self, name: str, n: int | None = None) -> Request[Items[FireTime]]:
        """When it is due next, n times."""
        return read(path("schedules", name, "preview"), items(FireTime), n=n)

    @listing
    def fires(self, name: str, *, limit: int | None = None) -> Request[Page[Fire]]:
        """Goes through what became of its times, newest first."""
        return read(path("schedules", name, "fires"), page(Fire), limit=limit)

    @operation
    def delete(self, name: str) -> Request[None]:
        """Forgets a schedule; tasks that it made stay."""
        return Request("DELETE", path("schedules", name), nothing)
