"""A canvas as one batch of tasks that depend on each other, and how each finds what came before it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sendoff._client import Client
from sendoff._operations import answer_body
from sendoff.errors import InvalidValue
from sendoff.models import Dependency, NewTask
from sendoff.push import Permanent

if TYPE_CHECKING:
    from sendoff.canvas import Signature
    from sendoff.tasks import TaskFunction

MOST = 1000  # tasks of a canvas, which is one batch
RESULTS = "_sendoff_results"  # among the named arguments of a call: where its first one comes from

Shape: TypeAlias = "str | list[Shape]"  # the id of a task whose result is meant, or a list of such


@dataclass
class Node:
    """A task of a plan."""

    id: str
    task: TaskFunction[..., Any]
    call: tuple[list[Any], dict[str, Any]]  # as JSON
    first: Shape | None  # what comes before call
    after: list[str]  # ids

    def new(self) -> NewTask:
        """What is submitted."""
        args, kwargs = self.call
        if self.first is not None:
            kwargs = {**kwargs, RESULTS: {"of": self.id, "shape": self.first}}
        task = self.task.of_json(args, kwargs)
        given = [*(task.depends_on or []), *self.after]
        return replace(task, id=self.id, depends_on=given or None)


@dataclass
class Plan:
    """Tasks in an order in which each comes after those that it depends on."""

    nodes: list[Node] = field(default_factory=list)
    caught: list[Node] = field(default_factory=list)  # what is called when some of these have failed

    def add(self, of: Signature, before: Shape | None, after: Sequence[str]) -> str:
        """Plans a call."""
        self.nodes.append(self._node(of, before, after))
        return self.nodes[-1].id

    def catch(self, of: Signature, after: Sequence[str]) -> None:
        """Plans a call for when one of after has failed."""
        failed = replace(of, immutable=True, task=of.task.options(when="any_failed"))
        self.caught.append(self._node(failed, None, after))

    def new(self) -> list[NewTask]:
        """What is submitted."""
        return [node.new() for node in (*self.nodes, *self.caught)]

    def _node(self, of: Signature, before: Shape | None, after: Sequence[str]) -> Node:
        if len(self.nodes) + len(self.caught) == MOST:
            raise InvalidValue("canvas", f"it has more than {MOST} tasks")
        first = None if of.immutable else before
        args: Sequence[Any] = of.args
        if first is not None and not any(ids(first)):  # of empty groups: it is known
            args, first = [first, *args], None
        task, id = of.task, of.task.option("id") or str(uuid.uuid4())
        call = task.arguments.write(args, of.kwargs, behind=first is not None)
        return Node(id, task, call, first, list(after))

    def carry_out(self) -> dict[str, Any]:
        """Calls everything at once, in the order; results by their ids, as JSON."""
        values: dict[str, Any] = {}
        for node in self.nodes:
            args, kwargs = json.loads(json.dumps(node.call))
            first = [] if node.first is None else [filled(node.first, values)]
            values[node.id] = json.loads(json.dumps(node.task.carry_out(*first, *args, **kwargs)))
        return values


def first_argument(client: Client, wish: Mapping[str, Any]) -> Any:
    """What a task that follows others gets as its first argument, as JSON; Permanent when it cannot be had."""
    known = {d.id: d for d in client.tasks.dependencies(wish["of"])}
    return each(wish["shape"], lambda id: _returned(id, known.get(id)))


def _returned(id: str, found: Dependency | None) -> Any:
    if found and found.counts_as in ("failed", "skipped"):
        raise Permanent(f"task {id} has not succeeded: a call that is made nevertheless takes nothing of it (si)")
    attempt = found.attempt if found else None
    if attempt is None:
        raise Permanent(f"what task {id} returned is not stored any more")
    if attempt.truncated:
        raise Permanent(f"what task {id} returned is longer than the 64 KiB that are kept of it")
    if attempt.redacted:
        raise Permanent(f"what task {id} returned is not shown: the key of this app has no scope payloads")
    return attempt.result if attempt.result is not None else answer_body(attempt)


def each(shape: Shape, value: Callable[[str], Any]) -> Any:
    """Makes of a shape what value makes of each id."""
    return value(shape) if isinstance(shape, str) else [each(s, value) for s in shape]


def filled(shape: Shape, values: Mapping[str, Any]) -> Any:
    return each(shape, values.__getitem__)


def ids(shape: Shape) -> Iterator[str]:
    if isinstance(shape, str):
        yield shape
        return
    for s in shape:
        yield from ids(s)
