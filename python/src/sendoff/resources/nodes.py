"""The servers, their worker processes, and what they call."""

from __future__ import annotations

from typing import Any

from sendoff._codec import encode, plain
from sendoff._flow import Items, Reply, Request, act, items, one, path, read, write
from sendoff._group import D, Group, operation
from sendoff.models.nodes import Endpoint, Node, PausedHost, Probe, ResetEndpoint, Worker

# Commands of dispatcherd that change tasks: not repeated when an answer is lost.
_ONCE = ("cancel", "run")


def _members(reply: Reply) -> dict[str, Any]:
    return dict(reply.json())


class Nodes(Group[D]):
    """The servers."""

    @operation
    def list(self) -> Request[Items[Node]]:
        """The nodes that are alive."""
        return read(path("nodes"), items(Node))

    @operation
    def drain(self, id: str) -> Request[Node]:
        """Has a node claim nothing more until undrain, or until it is started anew: it finishes what it runs."""
        return act(path("nodes", id, "drain"), one(Node), True)

    @operation
    def undrain(self, id: str) -> Request[Node]:
        """Has a node claim again that was told to drain."""
        return act(path("nodes", id, "undrain"), one(Node), True)


class Workers(Group[D]):
    """The worker processes of all nodes."""

    @operation
    def list(self) -> Request[Items[Worker]]:
        """All of them, first those of the node that answers."""
        return read(path("workers"), items(Worker))

    @operation
    def replace(self, id: str) -> Request[Worker]:
        """Has a worker end when its task has, on whichever node; another one is started when it is needed."""
        return act(path("workers", id, "replace"), one(Worker), False)

    @operation
    def control(self, command: str, data: Any = None) -> Request[dict[str, Any]]:
        """Sends a control command of dispatcherd, such as "running", to the service that answers."""
        body = {} if data is None else plain(data)
        return write("POST", path("control", command), _members, body, command not in _ONCE)


class Endpoints(Group[D]):
    """The hosts and apps that nodes have called lately."""

    @operation
    def list(self) -> Request[Items[Endpoint]]:
        """All of them, and how they are treated."""
        return read(path("endpoints"), items(Endpoint))

    @operation
    def reset(self, endpoint: str) -> Request[ResetEndpoint]:
        """Forgets what went wrong with an endpoint, on all nodes: it is let in again."""
        return write("POST", path("endpoints", "reset"), one(ResetEndpoint), encode({"endpoint": endpoint}))

    @operation
    def pause(self, host: str) -> Request[PausedHost]:
        """Pauses the pushes to a host such as "app.example:8080", on all nodes: they wait and spend no attempt."""
        return act(path("endpoints", host, "pause"), one(PausedHost), True)

    @operation
    def resume(self, host: str) -> Request[PausedHost]:
        """Lets pushes to a host go again: they come when they are due."""
        return act(path("endpoints", host, "resume"), one(PausedHost), True)

    @operation
    def probe(self, host: str) -> Request[Probe]:
        """Asks at once whether a host is well that is left alone: one of the tasks put off there goes first."""
        return act(path("endpoints", host, "probe"), one(Probe), True)
