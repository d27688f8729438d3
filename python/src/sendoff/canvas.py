"""Chains, groups and chords of tasks: what one returned is the first argument of the next.

chain(fetch.s(7), parse.s(), group(store.s(), index.s())).submit()

All of it is handed over at once, as tasks that depend on each other. A task that follows reads the results
when it begins: from the server, so the app that carries it out needs a key with the scope read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sendoff._client import Client
from sendoff._plan import Plan, Shape, each
from sendoff._waits import seconds
from sendoff.errors import Conflict, NotFound, TaskFailed
from sendoff.models import NewTask, Task

if TYPE_CHECKING:
    from sendoff.tasks import TaskFunction


class Canvas:
    """Tasks that are handed over together: a signature, or several in a chain, a group or a chord."""

    errors: tuple[Signature, ...] = ()

    def planned(self, plan: Plan, before: Shape | None, after: Sequence[str]) -> tuple[Shape, Sequence[str]]:
        """Plans its tasks; before is what comes as their first argument, after what they wait for.
        Returns what comes of it, and what waits for all of it waits for."""
        begin = len(plan.nodes)
        made = self._plan(plan, before, after)
        for call in self.errors:
            plan.catch(call, [node.id for node in plan.nodes[begin:]])
        return made

    def _plan(self, plan: Plan, before: Shape | None, after: Sequence[str]) -> tuple[Shape, Sequence[str]]:
        raise NotImplementedError

    def set(self, **options: Any) -> Canvas:
        """The same with options, fields of NewTask, for each of its tasks."""
        raise NotImplementedError

    def __or__(self, other: Canvas) -> Canvas:
        return chain(self, other)

    def on_error(self, *calls: Signature) -> Canvas:
        """The same, and these are called, with their own arguments alone, once one of its tasks has failed or
        was canceled."""
        made = _copy(self)
        made.errors = (*self.errors, *calls)
        return made

    def new(self) -> list[NewTask]:
        """What submit hands over: a batch, for AsyncClient.batch(..., atomic=True)."""
        plan = Plan()
        self.planned(plan, None, ())
        return plan.new()

    def submit(self) -> SubmittedCanvas:
        """Hands everything over, all or nothing. InvalidValue names a wrong argument, and more than 1,000 tasks."""
        plan = Plan()
        shape, _ = self.planned(plan, None, ())
        if not plan.nodes:
            return SubmittedCanvas(plan, shape, None, {})
        tasks = plan.nodes[0].task.tasks
        if tasks.is_eager:
            return SubmittedCanvas(plan, shape, None, plan.carry_out())
        client = tasks.connected()
        for item in client.batch(plan.new(), atomic=True):
            if item.problem is not None:
                raise item.problem
        return SubmittedCanvas(plan, shape, client, {})

    def delay(self) -> SubmittedCanvas:
        """Celery's name of submit."""
        return self.submit()

    apply_async = delay  # and this


def _copy(of: Canvas) -> Canvas:
    made: Canvas = object.__new__(type(of))
    made.__dict__.update(of.__dict__)
    return made


@dataclass(frozen=True)
class Signature(Canvas):
    """A call that is not made yet: parse.s(2) has one argument, and takes what came before as another, in front of
    it. immutable (parse.si(2)): it takes nothing, and only waits."""

    task: TaskFunction[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    immutable: bool = False

    def _plan(self, plan: Plan, before: Shape | None, after: Sequence[str]) -> tuple[Shape, Sequence[str]]:
        id = plan.add(self, before, after)
        return id, (id,)

    def set(self, **options: Any) -> Signature:
        """The same with other options: fields of NewTask."""
        return replace(self, task=self.task.options(**options))

    def on_error(self, *calls: Signature) -> Canvas:
        """See Canvas."""
        return chain(self).on_error(*calls)

    def __call__(self, *args: Any) -> Any:
        """Calls the function here, with args in front."""
        return self.task(*args, *self.args, **self.kwargs)


class _Several(Canvas):
    def __init__(self, *parts: Canvas | Iterable[Canvas]) -> None:
        if len(parts) == 1 and not isinstance(parts[0], Canvas):
            parts = tuple(parts[0])
        for part in parts:
            if not isinstance(part, Canvas):
                raise TypeError(f"{type(self).__name__}: want signatures, such as task.s(1), got {part!r:.100}")
        self.parts: tuple[Canvas, ...] = parts  # type: ignore[assignment]

    def set(self, **options: Any) -> Canvas:
        """See Canvas."""
        made = _copy(self)
        assert isinstance(made, _Several)
        made.parts = tuple(part.set(**options) for part in self.parts)
        return made

    def __call__(self) -> SubmittedCanvas:
        """Celery's way to submit."""
        return self.submit()


class chain(_Several):
    """One after the other: each takes what the one before returned; of a group, the list of its results.
    When one has failed, those behind it are canceled. The result is that of the last one."""

    def __init__(self, *parts: Canvas | Iterable[Canvas]) -> None:
        super().__init__(*parts)
        if not self.parts:
            raise ValueError("chain: want one signature at least")

    def _plan(self, plan: Plan, before: Shape | None, after: Sequence[str]) -> tuple[Shape, Sequence[str]]:
        for part in self.parts:
            before, after = part.planned(plan, before, after)
        assert before is not None
        return before, after


class group(_Several):
    """Side by side, in any order. The result is the list of their results, in the order of the signatures. A group in
    a group is as if its signatures stood there."""

    def __init__(self, *parts: Canvas | Iterable[Canvas]) -> None:
        super().__init__(*parts)
        flat = [p.parts if isinstance(p, group) and not p.errors else (p,) for p in self.parts]
        self.parts: tuple[Canvas, ...] = tuple(part for parts in flat for part in parts)

    def _plan(self, plan: Plan, before: Shape | None, after: Sequence[str]) -> tuple[Shape, Sequence[str]]:
        planned = [part.planned(plan, before, after) for part in self.parts]
        waited = [id for _, ids in planned for id in ids]
        return [shape for shape, _ in planned], tuple(dict.fromkeys(waited)) or after


class chord(chain):
    """A group, and what is called with the list of its results: chord([a.s(1), a.s(2)], total.s()), or
    chord([a.s(1), a.s(2)])(total.s()), which submits it."""

    def __init__(self, header: group | Iterable[Canvas], body: Canvas | None = None) -> None:
        head = header if isinstance(header, group) else group(*header)
        super().__init__(head, *([] if body is None else [body]))

    def __call__(self, body: Canvas | None = None) -> SubmittedCanvas:
        """Submits it."""
        return chain(*self.parts, *([] if body is None else [body])).submit()


class SubmittedCanvas:
    """A canvas that was handed over. ids: of its tasks, each behind those that it depends on."""

    def __init__(self, plan: Plan, shape: Shape, client: Client | None, values: Mapping[str, Any]) -> None:
        self._shape, self._client, self._values = shape, client, values
        self._tasks = {node.id: node.task for node in plan.nodes}
        self.ids: list[str] = list(self._tasks)

    def result(self, timeout: float | timedelta | None = None) -> Any:
        """Waits, and returns what the last ones returned, made of JSON by their annotations: lists of groups.

        Raises TaskFailed with the task that has failed first, in the order of ids, and WaitTimeout when timeout
        (seconds) is over."""
        until = None if timeout is None else time.monotonic() + seconds(timeout)
        try:
            return each(self._shape, lambda id: self._tasks[id].result(self._value(id, until)))
        except TaskFailed as e:
            if e.task.state == "canceled" and (cause := self._failed()):
                raise TaskFailed(cause) from None
            raise

    get = result  # Celery's name

    def states(self) -> dict[str, str]:
        """How each of its tasks is, by ids."""
        return {id: self._client.get(id).state if self._client else "succeeded" for id in self.ids}

    def cancel(self) -> None:
        """Cancels those that have not ended."""
        for id in reversed(self.ids) if self._client else ():
            try:
                assert self._client is not None
                self._client.tasks.cancel(id)
            except (Conflict, NotFound):  # it has ended
                continue

    def _value(self, id: str, until: float | None) -> Any:
        if self._client is None:
            return self._values[id]
        return self._client.result(id, None if until is None else max(until - time.monotonic(), 0))

    def _failed(self) -> Task | None:
        assert self._client is not None
        return next((t for id in self.ids if (t := self._client.get(id)).state == "failed"), None)
