"""What both clients can do."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sendoff._codec import encode
from sendoff._flow import Flow, Items, Pause, Reply, Request, act, items, keyed, one, page, path, read, write
from sendoff._group import D, Group, operation, procedure
from sendoff._waits import MAX_WAIT, seconds
from sendoff.errors import Problem, TaskFailed, WaitTimeout, problem_of
from sendoff.models.access import Everything, Me
from sendoff.models.attempts import Attempt
from sendoff.models.health import Health
from sendoff.models.requests import NewTask
from sendoff.models.tasks import Task
from sendoff.resources.access import APIKeys, Audit, Namespaces
from sendoff.resources.actions import Actions
from sendoff.resources.failures import Failures
from sendoff.resources.graphs import GraphRuns, Graphs
from sendoff.resources.nodes import Endpoints, Nodes, Workers
from sendoff.resources.queues import Limits, Queues
from sendoff.resources.schedules import Schedules
from sendoff.resources.signing import SigningKeys
from sendoff.resources.tasks import Tasks
from sendoff.resources.views import Views


@dataclass(frozen=True, kw_only=True)
class BatchItem:
    """What became of one task of a batch."""

    status: str  # created, existing, dropped, conflict, skipped, invalid
    task: Task | None = None
    error: Any = None  # the server's words

    @property
    def problem(self) -> Problem | None:
        """The refusal as the error that submit would have raised."""
        return problem_of(int(self.error["status"]), self.error) if self.error else None


def _submitted(reply: Reply) -> Task:
    task = one(Task)(reply)
    replayed = reply.headers.get("Idempotent-Replayed") == "true"
    return replace(task, replayed=replayed, existing=reply.status == 200 and not replayed and not task.dropped)


def answer_body(attempt: Attempt) -> Any:
    """What the answer of a push carried."""
    kind = attempt.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if attempt.body and not attempt.truncated and (kind == "application/json" or kind.endswith("+json")):
        with contextlib.suppress(ValueError):
            return json.loads(attempt.body)
    return attempt.body or attempt.body_base64 or None


class Operations(Group[D]):
    """Hands tasks over and waits for them; what a person does with them is by noun."""

    def __init__(self, driver: D) -> None:
        super().__init__(driver)
        self.tasks: Tasks[D] = Tasks(driver)
        self.queues: Queues[D] = Queues(driver)
        self.limits: Limits[D] = Limits(driver)
        self.schedules: Schedules[D] = Schedules(driver)
        self.graphs: Graphs[D] = Graphs(driver)
        self.graph_runs: GraphRuns[D] = GraphRuns(driver)
        self.actions: Actions[D] = Actions(driver)
        self.failures: Failures[D] = Failures(driver)
        self.views: Views[D] = Views(driver)
        self.endpoints: Endpoints[D] = Endpoints(driver)
        self.nodes: Nodes[D] = Nodes(driver)
        self.workers: Workers[D] = Workers(driver)
        self.api_keys: APIKeys[D] = APIKeys(driver)
        self.namespaces: Namespaces[D] = Namespaces(driver)
        self.audit: Audit[D] = Audit(driver)
        self.signing_keys: SigningKeys[D] = SigningKeys(driver)

    @property
    def url(self) -> str:
        """The server's, without a slash at the end."""
        return self._driver.settings.url

    @operation
    def submit(
        self, task: NewTask, *, wait: float | timedelta | None = None, idempotency_key: str | None = None
    ) -> Request[Task]:
        """Hands a task over: it is on the server's disk when this returns.

        With wait, of 60 s at most, it is the task when it has ended, or as it is then: one
        request for who answers a request of his own. The key needs the scope read as well.

        It sends an Idempotency-Key, one for all times that the request is sent: so a request
        whose answer was lost is repeated without making a second task. existing, replayed and
        dropped of the task say when it was there already.
        """
        span = None if wait is None else timedelta(seconds=seconds(wait))
        request = write("POST", path("tasks"), _submitted, encode(task), True, wait=span)
        return keyed(replace(request, wait=seconds(wait or 0)), idempotency_key)

    @operation
    def batch(
        self, tasks: Sequence[NewTask], *, atomic: bool = False, idempotency_key: str | None = None
    ) -> Request[Items[BatchItem]]:
        """Hands up to 1,000 tasks over in one transaction: an item for each, in order.

        atomic: all are accepted or none. Read the items: a taken key is no error.
        """
        body = {"tasks": [encode(t) for t in tasks], "atomic": atomic}
        return keyed(write("POST", path("tasks", "batch"), items(BatchItem), body), idempotency_key)

    @operation
    def get(self, id: str, *, wait: float | timedelta | None = None) -> Request[Task]:
        """A task with its payload; with wait, of 60 s at most, when it has ended, or as it is then."""
        span = None if wait is None else timedelta(seconds=seconds(wait))
        return read(path("tasks", id), one(Task), seconds(wait or 0), wait=span)

    @procedure
    def wait(self, id: str, timeout: float | timedelta | None = None) -> Flow[Task]:
        """The task when it has ended: succeeded, failed or canceled.

        timeout: seconds; WaitTimeout, which has the task as it was last seen, when they are over.
        """
        return (yield from self._wait(id, timeout))

    @procedure
    def result(self, id: str, timeout: float | timedelta | None = None) -> Flow[Any]:
        """Waits for a task, and returns what its function or process returned; of a push, the
        body of the answer: JSON as a value, other text as str, the rest in base64.

        Raises TaskFailed when it has not succeeded, and WaitTimeout as wait does.
        """
        task = yield from self._wait(id, timeout)
        if task.state != "succeeded":
            raise TaskFailed(task)
        if task.kind != "http":
            return task.result
        return (yield from self._answer(id))

    @operation
    def me(self) -> Request[Me]:
        """Who asks, and what that may do."""
        return read(path("me"), one(Me))

    @operation
    def health(self) -> Request[Health]:
        """What was found of the server and its database; a check that fails is no error: see ok."""
        return replace(read(path("health"), one(Health)), also=503)

    @operation
    def pause_all(self) -> Request[Everything]:
        """Pauses everything in the namespace of the key: no queue starts anything; attempts under way go on."""
        return act(path("pause"), one(Everything), True)

    @operation
    def resume_all(self) -> Request[Everything]:
        """Ends what pause_all began. Queues that are paused by themselves stay so."""
        return act(path("resume"), one(Everything), True)

    def _wait(self, id: str, timeout: float | timedelta | None) -> Flow[Task]:
        until = None if timeout is None else time.monotonic() + seconds(timeout)
        while True:
            left = MAX_WAIT if until is None else max(until - time.monotonic(), 0.001)
            wait = timedelta(seconds=min(left, MAX_WAIT))
            task = yield from self._send(read(path("tasks", id), one(Task), wait.total_seconds(), wait=wait))
            if task.ended:
                return task
            if until is not None and time.monotonic() >= until:
                raise WaitTimeout(task)
            yield Pause(0.02)

    def _answer(self, id: str) -> Flow[Any]:
        request, last = read(path("tasks", id, "attempts"), page(Attempt), limit=100), None
        while True:
            found = yield from self._send(request)
            last = found.items[-1] if found.items else last
            if not found.next_cursor:
                return answer_body(last) if last else None
            request = replace(request, query={**request.query, "cursor": found.next_cursor})
